#include "guest/formats/vpc/vpc_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "formats_generated/vpc_options.h"
#include "guest/formats/common/derived_uuid.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/vpc/footer.h"
#include "guest/formats/vpc/on_disk.h"

namespace hotcell::guest {
namespace vpc {
namespace {

constexpr uint64_t kBlockSize = 2 << 20;
constexpr uint64_t kBitmapSize = BitmapSize(kBlockSize);
// The data of blocks starts at multiples of this, so that whole pages move.
constexpr uint64_t kAlignment = 4096;
constexpr uint64_t kHeaderOffset = sizeof(Footer);
constexpr uint64_t kTableOffset = kHeaderOffset + sizeof(DynamicHeader);
// What qemu-img says it is: Virtual PC 2007 on Windows 2000.
constexpr uint32_t kCreatorVersion = 0x0005'0003;
constexpr std::string_view kCreatorHostOs = "Wi2k";
// How the size is meant: by the geometry, by current_size.
constexpr std::string_view kCreatorByGeometry = "qemu";
constexpr std::string_view kCreatorByCurrentSize = "qem2";

struct Disk {
  bool fixed = false;
  bool force_size = false;
  uint64_t size = 0;  // bytes
  Geometry geometry;
};

Footer MakeFooter(const Disk& disk, const CreateOptions& options) {
  Footer footer = {};
  const std::string_view creator = disk.force_size ? kCreatorByCurrentSize : kCreatorByGeometry;
  std::copy(kFooterCookie.begin(), kFooterCookie.end(), footer.cookie);
  std::copy(creator.begin(), creator.end(), footer.creator_application);
  std::copy(kCreatorHostOs.begin(), kCreatorHostOs.end(), footer.creator_host_os);
  footer.features = kFeaturesReserved;
  footer.file_format_version = kFormatVersion;
  footer.data_offset = disk.fixed ? kNoOffset : kHeaderOffset;
  footer.creator_version = kCreatorVersion;
  footer.original_size = disk.size;
  footer.current_size = disk.size;
  footer.cylinders = disk.geometry.cylinders;
  footer.heads = disk.geometry.heads;
  footer.sectors_per_cylinder = disk.geometry.sectors_per_cylinder;
  footer.disk_type = disk.fixed ? kTypeFixed : kTypeDynamic;
  const auto uuid = DeriveUuid("vpc", options);
  std::memcpy(footer.unique_id, uuid.data(), uuid.size());
  footer.checksum = ChecksumOf(footer);
  return footer;
}

Status WriteFooter(IoChannel& io, uint32_t slot, uint64_t offset, const Footer& footer) {
  return WriteAll(io, slot, offset, std::as_bytes(std::span(&footer, 1)), "the VHD footer");
}

class FixedWriter : public ImageWriter {
 public:
  FixedWriter(uint32_t slot, uint64_t size, const Footer& footer)
      : slot_(slot), size_(size), footer_(footer) {}

  WriterTraits traits() const override { return {.ordered = false, .begins_with_disk = true}; }

  Status Place(IoChannel& /*io*/, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind == Run::Kind::kZero) continue;
      chunk.writes.push_back({.offset = run.offset, .length = run.length, .data = run.data});
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override {
    if (const IoResult flushed = io.Flush(slot_); !flushed.ok()) {
      return IoError(flushed, "flush the VHD");
    }
    return WriteFooter(io, slot_, size_, footer_);
  }

 private:
  const uint32_t slot_;
  const uint64_t size_;
  const Footer footer_;
};

class DynamicWriter : public ImageWriter {
 public:
  DynamicWriter(uint32_t slot, uint64_t size, const Footer& footer)
      : slot_(slot), footer_(footer), table_(size / kBlockSize + (size % kBlockSize != 0 ? 1 : 0)) {
    std::fill(table_.begin(), table_.end(), Be32(kUnallocated));
    const uint64_t table_end = kTableOffset + table_.size() * sizeof(Be32) + kBitmapSize;
    end_ = AlignUp(table_end, kAlignment) - kBitmapSize;
  }

  WriterTraits traits() const override { return {.cluster_size = kBlockSize, .ordered = true}; }

  Status Place(IoChannel& /*io*/, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind == Run::Kind::kZero) continue;
      for (uint64_t done = 0; done < run.length;) {
        const uint64_t at = run.offset + done;
        const uint64_t piece = std::min(run.length - done, kBlockSize - at % kBlockSize);
        chunk.writes.push_back({.offset = DataOffset(at / kBlockSize) + at % kBlockSize,
                                .length = piece,
                                .data = run.data + done});
        done += piece;
      }
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override;

 private:
  uint64_t DataOffset(uint64_t block) {
    if (table_[block] == kUnallocated) {
      table_[block] = static_cast<uint32_t>(end_ / kSectorSize);
      data_end_ = end_ + kBitmapSize + kBlockSize;
      end_ += kAlignment + kBlockSize;
    }
    return table_[block] * kSectorSize + kBitmapSize;
  }
  Status WriteBitmaps(IoChannel& io);
  Status WriteHeader(IoChannel& io);

  const uint32_t slot_;
  const Footer footer_;
  std::vector<Be32> table_;
  uint64_t end_ = 0;       // where the next block goes
  uint64_t data_end_ = 0;  // of the last block; 0: there is none
};

// All sectors are in use, as qemu-img writes it: zeroes need not be told from what was not written.
Status DynamicWriter::WriteBitmaps(IoChannel& io) {
  constexpr size_t kAtOnce = IoChannel::kMaxInFlight / 2;
  std::array<IoChannel::Ticket, kAtOnce> tickets;
  const ScopedBuffer buffer(io);
  const std::span<std::byte> bitmap = buffer.span().first(kBitmapSize);
  std::fill(bitmap.begin(), bitmap.end(), std::byte{0xff});
  Status status;
  for (size_t block = 0; block < table_.size() && status.ok();) {
    size_t count = 0;
    for (; block < table_.size() && count < kAtOnce; ++block) {
      if (table_[block] == kUnallocated) continue;
      tickets[count++] = io.SubmitWrite(slot_, table_[block] * kSectorSize, bitmap);
    }
    for (const IoChannel::Ticket ticket : std::span(tickets).first(count)) {
      const IoResult written = io.Wait(ticket);
      if (!written.ok()) status = IoError(written, "write the bitmap of a block");
    }
  }
  return status;
}

Status DynamicWriter::WriteHeader(IoChannel& io) {
  DynamicHeader header = {};
  std::copy(kHeaderCookie.begin(), kHeaderCookie.end(), header.cookie);
  header.data_offset = kNoOffset;
  header.table_offset = kTableOffset;
  header.header_version = kFormatVersion;
  header.max_table_entries = static_cast<uint32_t>(table_.size());
  header.block_size = static_cast<uint32_t>(kBlockSize);
  header.checksum = ChecksumOf(header);
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, kHeaderOffset, std::as_bytes(std::span(&header, 1)),
                                   "the dynamic disk header"));
  // To the sector's end with entries that say nothing.
  table_.resize((table_.size() + kSectorSize / sizeof(Be32) - 1) / (kSectorSize / sizeof(Be32)) *
                    (kSectorSize / sizeof(Be32)),
                Be32(kUnallocated));
  return WriteAll(io, slot_, kTableOffset, std::as_bytes(std::span(table_)),
                  "the block allocation table");
}

Status DynamicWriter::Finish(IoChannel& io) {
  HOTCELL_RETURN_IF_ERROR(WriteBitmaps(io));
  HOTCELL_RETURN_IF_ERROR(WriteHeader(io));
  const uint64_t metadata_end = kTableOffset + table_.size() * sizeof(Be32);
  HOTCELL_RETURN_IF_ERROR(WriteFooter(io, slot_, std::max(metadata_end, data_end_), footer_));
  // A file is taken for a VHD by its first bytes, so one that is not complete must not have them.
  if (const IoResult flushed = io.Flush(slot_); !flushed.ok()) {
    return IoError(flushed, "flush the VHD");
  }
  return WriteFooter(io, slot_, 0, footer_);
}

Result<Disk> ChooseDisk(const CreateOptions& options) {
  OptionParser parser(kOptions, options.options);
  Disk disk;
  disk.fixed = parser.Choice("subformat") == "fixed";
  disk.force_size = parser.OnOff("force_size");
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  const uint64_t sectors = options.virtual_size / kSectorSize;
  if (sectors > kMaxSectors) {
    return InvalidArgument(StrCat("vpc: the image size is too large for the format: ",
                                  options.virtual_size, " bytes, but it can hold 2040 GiB"));
  }
  disk.geometry = disk.force_size ? kMaxGeometry : GeometryToHold(sectors);
  disk.size = disk.geometry.sectors() == kMaxGeometrySectors
                  ? options.virtual_size
                  : disk.geometry.sectors() * kSectorSize;
  return disk;
}

}  // namespace
}  // namespace vpc

Result<std::unique_ptr<ImageWriter>> CreateVpc(IoChannel& io, const CreateOptions& options) {
  const auto disk = vpc::ChooseDisk(options);
  if (!disk.ok()) return disk.status();
  if (options.compress) return Unsupported("vpc: compression not supported for this file format");
  if (options.backing) {
    return Unsupported("vpc: writing a disk on a parent is not done; leave out the backing file");
  }
  if (options.exists) return MakesImagesAnew("vpc");
  const vpc::Footer footer = vpc::MakeFooter(*disk, options);
  if (!disk->fixed) {
    return std::unique_ptr<ImageWriter>(
        std::make_unique<vpc::DynamicWriter>(options.slot, disk->size, footer));
  }
  const uint64_t file_size = disk->size + sizeof(vpc::Footer);
  if (options.file_size != 0 && options.file_size != file_size) {
    return Unsupported(StrCat("vpc: a fixed VHD ends with its footer, and the device has ",
                              options.file_size, " bytes, not ", file_size,
                              "; leave out subformat=fixed"));
  }
  if (const IoResult sized = io.SetSize(options.slot, disk->size); !sized.ok()) {
    return IoError(sized, StrCat("make the target ", disk->size, " bytes long"));
  }
  return std::unique_ptr<ImageWriter>(
      std::make_unique<vpc::FixedWriter>(options.slot, disk->size, footer));
}

}  // namespace hotcell::guest
