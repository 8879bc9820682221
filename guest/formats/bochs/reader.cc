#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/bochs/bochs.h"
#include "guest/formats/bochs/header.h"
#include "guest/formats/common/extent_builder.h"
#include "guest/formats/common/file_region.h"
#include "guest/formats/common/table_cache.h"

namespace hotcell::guest {
namespace bochs {
namespace {

constexpr uint32_t kWordSectors = 64;  // of a bitmap; bits ascend as in a little-endian word
constexpr size_t kWordsAtOnce = 16;
constexpr size_t kCachedBitmaps = 256;

// The bytes of a bitmap that are used, in whole words; those are there because bitmaps are whole
// sectors.
size_t UsedBitmapBytes(const ImageHeader& header) {
  return DivideUp(header.extent_size / kSectorSize, kWordSectors) * sizeof(uint64_t);
}

class Reader : public ImageReader {
 public:
  Reader(const FileHandle& file, const ImageHeader& header, std::vector<Le32> catalog)
      : file_(file),
        header_(header),
        catalog_(std::move(catalog)),
        bitmaps_("bochs", std::endian::little, UsedBitmapBytes(header), kCachedBitmaps) {}

  uint64_t virtual_size() const override { return header_.virtual_size; }

  // Damage that does not keep the description from being true.
  void AddWarning(std::string text) { warnings_.push_back(std::move(text)); }

  // Each extent is in the file up to its bitmap's end, and no two are one.
  Status CheckCatalog() const {
    std::vector<uint32_t> extents;
    for (size_t index = 0; index < catalog_.size(); ++index) {
      if (catalog_[index] == kNoExtent) continue;
      HOTCELL_RETURN_IF_ERROR(CheckBitmap(index));
      extents.push_back(catalog_[index]);
    }
    std::sort(extents.begin(), extents.end());
    const auto twice = std::adjacent_find(extents.begin(), extents.end());
    if (twice == extents.end()) return OkStatus();
    return CorruptImage(StrCat("bochs: two entries of the catalog claim extent ", *twice));
  }

  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override {
    ExtentBuilder builder;
    const Status status = Walk(io, offset, offset + length, builder);
    // What comes before a damaged spot can be read; the next call meets the damage first.
    if (builder.empty()) return status;
    return builder.extent();
  }

  ImageDescription Describe() const override {
    ImageDescription description;
    description.format = "bochs";
    description.virtual_size = header_.virtual_size;
    description.variant = "growing";
    description.features.push_back(StrCat("version ", header_.version));
    description.warnings = warnings_;
    return description;
  }

 private:
  Status CheckBitmap(size_t index) const {
    const uint64_t offset = header_.BitmapOffset(catalog_[index]);
    if (InFile(offset, header_.bitmap_size, file_.size)) return OkStatus();
    return CorruptImage(StrCat("bochs: the bitmap of extent ", uint32_t{catalog_[index]},
                               " (catalog entry ", index, ") at ", Hex(offset),
                               " reaches past the end of the file (", file_.size,
                               " bytes); the file is truncated or damaged"));
  }

  // Words of the bitmap of catalog entry `index`, from `first` on.
  Status ReadBitmap(IoChannel& io, size_t index, size_t first, std::span<uint64_t> words) {
    HOTCELL_RETURN_IF_ERROR(CheckBitmap(index));
    std::array<Slice, TableCache::kMaxLoad> slices;
    size_t count = 0;
    // Bitmaps lie apart and are small: the next ones come along.
    for (size_t next = index; next < catalog_.size() && count < slices.size(); ++next) {
      if (catalog_[next] == kNoExtent || !CheckBitmap(next).ok()) continue;
      slices[count++] = {.offset = header_.BitmapOffset(catalog_[next]),
                         .size = static_cast<uint32_t>(bitmaps_.slice_size())};
    }
    return bitmaps_.Read(io, file_, std::span(slices).first(count), first, words, "a bitmap");
  }

  Status Walk(IoChannel& io, uint64_t offset, uint64_t end, ExtentBuilder& builder) {
    while (offset < end) {
      const size_t index = offset / header_.extent_size;
      const uint64_t extent_end = std::min(end, (index + uint64_t{1}) * header_.extent_size);
      if (catalog_[index] == kNoExtent) {
        if (!builder.Add({.kind = Extent::Kind::kZero, .length = extent_end - offset})) break;
        offset = extent_end;
      } else {
        const auto walked = WalkExtent(io, index, offset, extent_end, builder);
        if (!walked.ok()) return walked.status();
        offset += *walked;
        if (offset < extent_end) break;
      }
    }
    return OkStatus();
  }

  // Bytes that were added.
  Result<uint64_t> WalkExtent(IoChannel& io, size_t index, uint64_t begin, uint64_t end,
                              ExtentBuilder& builder) {
    const uint64_t in_extent = begin % header_.extent_size;
    const uint64_t data = header_.BitmapOffset(catalog_[index]) + header_.bitmap_size;
    const uint64_t stop = in_extent + (end - begin);
    std::array<uint64_t, kWordsAtOnce> words;
    uint64_t at = in_extent;
    while (at < stop) {
      const uint64_t sector = at / kSectorSize;
      const size_t first = sector / kWordSectors;
      const size_t last = (stop - 1) / kSectorSize / kWordSectors;
      const std::span<uint64_t> batch =
          std::span(words).first(std::min(last - first + 1, kWordsAtOnce));
      HOTCELL_RETURN_IF_ERROR(ReadBitmap(io, index, first, batch));
      for (size_t i = 0; i < batch.size() && at < stop;) {
        const uint32_t bit = static_cast<uint32_t>(at / kSectorSize % kWordSectors);
        const uint64_t rest = batch[i] >> bit;
        const bool there = (rest & 1) != 0;
        const uint32_t alike = std::min<uint32_t>(
            there ? std::countr_one(rest) : std::countr_zero(rest), kWordSectors - bit);
        const uint64_t run_end = std::min(stop, (at / kSectorSize + alike) * uint64_t{kSectorSize});
        Extent run = {.kind = Extent::Kind::kZero, .length = run_end - at};
        if (there) {
          run = {.kind = Extent::Kind::kData,
                 .length = run_end - at,
                 .slot = file_.slot,
                 .offset = data + at};
          HOTCELL_RETURN_IF_ERROR(CheckInFile(run, begin - in_extent + at));
        }
        if (!builder.Add(run)) return at - in_extent;
        at = run_end;
        if (bit + alike == kWordSectors) ++i;
      }
    }
    return at - in_extent;
  }

  Status CheckInFile(const Extent& run, uint64_t disk_offset) const {
    if (InFile(run.offset, run.length, file_.size)) return OkStatus();
    return CorruptImage(StrCat("bochs: the data of disk offset ", Hex(disk_offset), " at ",
                               Hex(run.offset), " (", run.length,
                               " bytes) reaches past the end of the file (", file_.size,
                               " bytes); the file is truncated or damaged"));
  }

  const FileHandle file_;
  const ImageHeader header_;
  const std::vector<Le32> catalog_;  // as far as the disk needs it
  TableCache bitmaps_;
  std::vector<std::string> warnings_;
};

}  // namespace
}  // namespace bochs

Result<std::unique_ptr<ImageReader>> OpenBochs(IoChannel& io, const FileHandle& file,
                                               const OpenOptions& options) {
  const auto header = bochs::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("bochs", header->virtual_size, options));
  std::vector<Le32> catalog(header->extents());
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, header->catalog_offset,
                                    std::as_writable_bytes(std::span(catalog)),
                                    "bochs: the catalog"));
  auto reader = std::make_unique<bochs::Reader>(file, *header, std::move(catalog));
  const Status checked = reader->CheckCatalog();
  if (!options.describe_only) HOTCELL_RETURN_IF_ERROR(checked);
  if (!checked.ok()) reader->AddWarning(checked.message());
  return std::unique_ptr<ImageReader>(std::move(reader));
}

}  // namespace hotcell::guest
