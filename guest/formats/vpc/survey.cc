#include "guest/formats/common/survey.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/file_region.h"
#include "guest/formats/raw/raw.h"
#include "guest/formats/vpc/footer.h"
#include "guest/formats/vpc/layout.h"
#include "guest/formats/vpc/vpc.h"

namespace hotcell::guest {
namespace vpc {
namespace {

// QEMU, libvhdi and hotcell go by the footer at the start where there is one, VirtualBox and 7-Zip
// by the one at the end; not all of them look at the checksum.
void SurveyFooters(const Footers& footers, Survey& survey) {
  if (footers.first && footers.last && !SameDisk(*footers.first, *footers.last)) {
    survey.Add(ConcernKind::kReadersDiffer,
               "the footers at the start and at the end of the file describe different disks; "
               "programs use one or the other");
    return;
  }
  if (footers.two_ends) {
    survey.Add(ConcernKind::kReadersDiffer,
               "there are two footers at the end of the file, one in the last 512 bytes and one in "
               "the last sector; programs use one or the other");
  }
  const bool is_fixed = footers.last && footers.last->disk_type == kTypeFixed;
  if (is_fixed && footers.first && !HasRightChecksum(*footers.first)) {
    survey.Add(
        ConcernKind::kReadersDiffer,
        "the fixed disk begins with a footer whose checksum is wrong; QEMU does not open it, "
        "other programs use the one at its end");
  }
}

bool IsOneOf(std::string_view creator, std::initializer_list<std::string_view> creators) {
  return std::find(creators.begin(), creators.end(), creator) != creators.end();
}

// How far the geometry of an honest footer falls short of the disk's size, at most: a cylinder, as
// the specification calculates it or, in Bochs, the footer itself says.
uint64_t CylinderSize(const Geometry& own, uint64_t size) {
  const Geometry calculated = CalculateGeometry(size / kSectorSize);
  const auto sectors = [](const Geometry& geometry) {
    return uint64_t{geometry.heads} * geometry.sectors_per_cylinder;
  };
  const bool is_usual = own.heads <= 16 && own.sectors_per_cylinder <= 63;
  return std::max(sectors(calculated), is_usual ? sectors(own) : 0) * kSectorSize;
}

// libvhdi goes by the size that the disk had when it was made.
void SurveyOriginalSize(const Footer& footer, Survey& survey) {
  const uint64_t original = footer.original_size;
  const uint64_t current = footer.current_size;
  if (original / kSectorSize == current / kSectorSize) return;
  survey.Add(ConcernKind::kReadersDiffer,
             StrCat("the disk has ", current, " bytes and had ", original,
                    " when it was made; some programs go by the latter"));
}

// VirtualBox and 7-Zip go by the current size. QEMU takes the geometry of all programs but
// a few it knows, and from version 10 on of Virtual PC and of itself alone, unless it is the
// largest one, which stands for all bigger disks too.
void SurveySize(const Footer& footer, Survey& survey) {
  using std::string_view_literals::operator""sv;
  const uint64_t size = footer.current_size / kSectorSize * kSectorSize;
  const uint64_t by_geometry = GeometryOf(footer).sectors() * kSectorSize;
  const std::string_view creator(footer.creator_application, sizeof(footer.creator_application));
  if (by_geometry == size || by_geometry == kMaxGeometrySectors * kSectorSize) return;
  if (IsOneOf(creator, {"win "sv, "qem2"sv, "d2v "sv, "CTXS"sv, "tap\0"sv})) return;
  if (by_geometry == 0 || by_geometry > size ||
      size - by_geometry >= CylinderSize(GeometryOf(footer), size)) {
    survey.Add(ConcernKind::kReadersDiffer,
               StrCat("the disk has ", size, " bytes by its size and ", by_geometry,
                      " by its geometry; programs use one or the other"));
    return;
  }
  survey.Add(ConcernKind::kOddity,
             StrCat("some programs go by the geometry and leave out the last ", size - by_geometry,
                    " bytes of the disk"));
}

// QEMU loads all entries that the header names, of the disk or not.
void SurveyTable(const Layout& layout, Survey& survey) {
  const uint64_t size = layout.max_table_entries * sizeof(Be32);
  survey.AddReaderMemory(size);
  if (InFile(layout.table_offset, size, layout.blocks_end)) return;
  survey.Add(ConcernKind::kNotUnderstood,
             StrCat("the block allocation table is said to have ", layout.max_table_entries,
                    " entries, which reach past the end of the file; the disk needs ",
                    layout.table_entries));
}

// Looks for data that a block's bitmap says is not there. hotcell and QEMU read it, as some
// programs write no bitmaps; to VirtualBox it is zero.
class BitmapSurvey {
 public:
  BitmapSurvey(IoChannel& io, const Layout& layout, ImageReader& file)
      : io_(io),
        layout_(layout),
        file_(file),
        bitmap_(layout.bitmap_size),
        data_(kPiece),
        blocks_left_(layout.file.size / (layout.bitmap_size + layout.block_size) + 1) {}

  Status Run(Survey& survey) {
    std::vector<Be32> entries;
    for (uint64_t first = 0; first < layout_.table_entries; first += entries.size()) {
      entries.resize(std::min<uint64_t>(kEntriesAtOnce, layout_.table_entries - first));
      HOTCELL_RETURN_IF_ERROR(
          ReadExact(io_, layout_.file, layout_.table_offset + first * sizeof(Be32),
                    std::as_writable_bytes(std::span(entries)), "vpc: the block allocation table"));
      for (size_t i = 0; i < entries.size(); ++i) {
        if (entries[i] == kUnallocated || !layout_.CheckBlock(first + i, entries[i]).ok()) continue;
        // More than the file has room for overlap, which is for the check to find.
        if (blocks_left_-- == 0) return OkStatus();
        HOTCELL_RETURN_IF_ERROR(LookAtBlock(first + i, entries[i] * kSectorSize));
        if (Report(first + i, survey)) return OkStatus();
      }
    }
    return OkStatus();
  }

 private:
  static constexpr size_t kEntriesAtOnce = 16384;
  static constexpr uint64_t kPiece = 64 << 10;
  // The most bytes to read of bitmaps and of the sectors that they say are not there. An honest
  // disk has fewer, or holes.
  static constexpr uint64_t kMaxRead = uint64_t{64} << 30;

  // Whether no more has to be looked at.
  bool Report(uint64_t block, Survey& survey) const {
    if (found_data_) {
      survey.Add(ConcernKind::kReadersDiffer,
                 StrCat("block ", block, " (disk offset ", Hex(block * layout_.block_size),
                        ") holds data in sectors that its bitmap says are not in use; to some "
                        "programs they are zero"));
    } else if (read_ > kMaxRead) {
      survey.Add(
          ConcernKind::kNotUnderstood,
          StrCat("more than ", kMaxRead,
                 " bytes of blocks are not in use by their bitmaps; not all were looked at"));
    }
    return found_data_ || read_ > kMaxRead;
  }

  bool IsInUse(uint64_t sector) const {
    return (std::to_integer<uint8_t>(bitmap_[sector / 8]) >> (7 - sector % 8) & 1) != 0;
  }

  Status LookAtBlock(uint64_t block, uint64_t begin) {
    HOTCELL_RETURN_IF_ERROR(
        ReadExact(io_, layout_.file, begin, bitmap_, "vpc: the bitmap of a block"));
    read_ += bitmap_.size();
    const uint64_t size =
        std::min(layout_.block_size, layout_.virtual_size - block * layout_.block_size);
    const uint64_t sectors = size / kSectorSize;
    for (uint64_t sector = 0; sector < sectors && !found_data_ && read_ <= kMaxRead;) {
      const bool in_use = IsInUse(sector);
      const uint64_t first = sector;
      while (sector < sectors && IsInUse(sector) == in_use) ++sector;
      if (in_use) continue;
      HOTCELL_RETURN_IF_ERROR(LookAtData(begin + layout_.bitmap_size + first * kSectorSize,
                                         (sector - first) * kSectorSize));
    }
    return OkStatus();
  }

  // Holes of the file cost nothing.
  Status LookAtData(uint64_t offset, uint64_t length) {
    while (length > 0 && !found_data_ && read_ <= kMaxRead) {
      const auto extent = file_.Map(io_, offset, length);
      if (!extent.ok()) return extent.status();
      uint64_t done = extent->length;
      if (extent->kind == Extent::Kind::kData) {
        done = std::min(done, kPiece);
        const auto data = std::span(data_).first(done);
        HOTCELL_RETURN_IF_ERROR(ReadExact(io_, layout_.file, offset, data, "vpc: a block"));
        read_ += done;
        found_data_ = data[0] != std::byte{0} || std::memcmp(&data[0], &data[1], done - 1) != 0;
      }
      offset += done;
      length -= done;
    }
    return OkStatus();
  }

  IoChannel& io_;
  const Layout& layout_;
  ImageReader& file_;  // as a raw disk
  std::vector<std::byte> bitmap_;
  std::vector<std::byte> data_;
  uint64_t blocks_left_;
  uint64_t read_ = 0;  // bytes
  bool found_data_ = false;
};

}  // namespace
}  // namespace vpc

Status SurveyVpc(IoChannel& io, const FileHandle& file, Survey& survey) {
  const auto footers = vpc::ReadFooters(io, file);
  if (!footers.ok()) return footers.status();
  const auto chosen = vpc::ChooseFooter(*footers);
  if (!chosen.ok()) return chosen.status();
  const auto layout = vpc::ReadLayout(io, file, *footers);
  if (!layout.ok()) return layout.status();
  vpc::SurveyFooters(*footers, survey);
  vpc::SurveySize(chosen->footer, survey);
  vpc::SurveyOriginalSize(chosen->footer, survey);
  if (footers->last && footers->end + sizeof(vpc::Footer) != file.size) {
    survey.Add(ConcernKind::kOddity,
               "the footer at the end of the file has less than a sector, as Virtual PC wrote it "
               "before 2004; many programs do not find it");
  }
  if (layout->disk_type == vpc::kTypeFixed) return OkStatus();
  vpc::SurveyTable(*layout, survey);
  if (!survey.thorough()) return OkStatus();
  const auto whole = OpenRaw(io, file, {});
  if (!whole.ok()) return whole.status();
  return vpc::BitmapSurvey(io, *layout, **whole).Run(survey);
}

}  // namespace hotcell::guest
