#include "guest/formats/vhdx/vhdx_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/derived_uuid.h"
#include "guest/formats/vhdx/crc32c.h"
#include "guest/formats/vhdx/on_disk.h"
#include "guest/formats/vhdx/write_options.h"

namespace hotcell::guest {
namespace vhdx {
namespace {

constexpr uint64_t kMetadataSize = kMiB;
// Blocks are larger than what can move at once.
constexpr uint64_t kMaxChunk = 2 * kMiB;
constexpr std::string_view kCreator = "hotcell";

Guid DeriveGuid(std::string_view purpose, const CreateOptions& options) {
  return std::bit_cast<Guid>(DeriveUuid(purpose, options));
}

// Where everything goes: the header section, the log, the metadata, the table, the blocks.
struct FilePlan {
  FilePlan(const CreateOptions& create, const WriteOptions& options)
      : log_size(options.log_size),
        metadata(kHeaderSectionSize + log_size),
        bat(metadata + kMetadataSize),
        blocks(DivideUp(create.virtual_size, options.block_size)),
        chunk_ratio(ChunkRatio(create.sector_size, options.block_size)),
        bat_entries(blocks == 0 ? UINT32_MAX / chunk_ratio : blocks + (blocks - 1) / chunk_ratio),
        bat_size(std::max(kMiB, AlignUp(bat_entries * sizeof(Le64), kMiB))),
        data(bat + bat_size) {}

  uint64_t log_size;
  uint64_t metadata;
  uint64_t bat;
  uint64_t blocks;
  uint64_t chunk_ratio;
  uint64_t bat_entries;  // of no block: as many as QEMU takes 32 bits of (0 - 1) / chunk_ratio for
  uint64_t bat_size;
  uint64_t data;
};

// Writes the table from its first entry to its last, in big pieces. Memory: 512 KiB.
class BatWriter {
 public:
  BatWriter(uint32_t slot, const FilePlan& plan)
      : slot_(slot), offset_(plan.bat), chunk_ratio_(plan.chunk_ratio) {}

  // Entries of blocks that are not in the file, up to that of `block`.
  Status FillTo(IoChannel& io, uint64_t block, uint64_t entry) {
    for (; block_ < block;) HOTCELL_RETURN_IF_ERROR(Append(io, entry));
    return OkStatus();
  }
  // The entry of the next block.
  Status Append(IoChannel& io, uint64_t entry) {
    if (block_ != 0 && block_ % chunk_ratio_ == 0) {
      HOTCELL_RETURN_IF_ERROR(Push(io, kBlockNotPresent));  // of the sector bitmap
    }
    ++block_;
    return Push(io, entry);
  }
  uint64_t next_block() const { return block_; }
  Status Flush(IoChannel& io) {
    HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, offset_, std::as_bytes(std::span(pending_)),
                                     "the block allocation table"));
    offset_ += pending_.size() * sizeof(Le64);
    pending_.clear();
    return OkStatus();
  }

 private:
  static constexpr size_t kPieceEntries = 64 << 10;

  Status Push(IoChannel& io, uint64_t entry) {
    pending_.push_back(entry);
    return pending_.size() == kPieceEntries ? Flush(io) : OkStatus();
  }

  const uint32_t slot_;
  uint64_t offset_;
  const uint64_t chunk_ratio_;
  uint64_t block_ = 0;
  std::vector<Le64> pending_;
};

class Writer : public ImageWriter {
 public:
  Writer(const CreateOptions& create, const WriteOptions& options)
      : slot_(create.slot),
        virtual_size_(create.virtual_size),
        sector_size_(static_cast<uint32_t>(create.sector_size)),
        options_(options),
        plan_(create, options),
        disk_id_(DeriveGuid("vhdx disk", create)),
        data_write_guid_(DeriveGuid("vhdx data", create)),
        file_write_guid_(DeriveGuid("vhdx file", create)),
        bat_(slot_, plan_),
        end_(plan_.data) {}

  WriterTraits traits() const override {
    return {.cluster_size = std::min(options_.block_size, kMaxChunk), .ordered = !options_.fixed};
  }

  Status Place(IoChannel& io, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind == Run::Kind::kZero) continue;
      HOTCELL_RETURN_IF_ERROR(options_.fixed ? PlaceFixed(run, chunk.writes)
                                             : PlaceDynamic(io, run, chunk.writes));
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override;

 private:
  Status PlaceFixed(const Run& run, std::vector<FileWrite>& writes) const {
    writes.push_back({.offset = plan_.data + run.offset, .length = run.length, .data = run.data});
    return OkStatus();
  }
  Status PlaceDynamic(IoChannel& io, const Run& run, std::vector<FileWrite>& writes);
  uint64_t AbsentEntry() const { return options_.block_state_zero ? kBlockZero : kBlockNotPresent; }
  Status FinishBat(IoChannel& io);
  Status WriteMetadata(IoChannel& io);
  Status WriteRegionTables(IoChannel& io);
  Status WriteHeaders(IoChannel& io);
  Status WriteFileType(IoChannel& io);

  const uint32_t slot_;
  const uint64_t virtual_size_;
  const uint32_t sector_size_;
  const WriteOptions options_;
  const FilePlan plan_;
  const Guid disk_id_;
  const Guid data_write_guid_;
  const Guid file_write_guid_;
  BatWriter bat_;
  uint64_t end_;  // of the last block
};

Status Writer::PlaceDynamic(IoChannel& io, const Run& run, std::vector<FileWrite>& writes) {
  const uint64_t block_size = options_.block_size;
  for (uint64_t done = 0; done < run.length;) {
    const uint64_t at = run.offset + done;
    const uint64_t block = at / block_size;
    // Runs ascend: the block is the last one in the table, or not there yet.
    if (bat_.next_block() <= block) {
      HOTCELL_RETURN_IF_ERROR(bat_.FillTo(io, block, AbsentEntry()));
      HOTCELL_RETURN_IF_ERROR(bat_.Append(io, end_ | kBlockFullyPresent));
      end_ += block_size;
    }
    const uint64_t length = std::min(run.length - done, block_size - at % block_size);
    writes.push_back(
        {.offset = end_ - block_size + at % block_size, .length = length, .data = run.data + done});
    done += length;
  }
  return OkStatus();
}

Status Writer::FinishBat(IoChannel& io) {
  if (options_.fixed) {
    for (uint64_t block = 0; block < plan_.blocks; ++block) {
      HOTCELL_RETURN_IF_ERROR(bat_.Append(io, end_ | kBlockFullyPresent));
      end_ += options_.block_size;
    }
  } else {
    HOTCELL_RETURN_IF_ERROR(bat_.FillTo(io, plan_.blocks, AbsentEntry()));
  }
  return bat_.Flush(io);
}

class MetadataBuilder {
 public:
  MetadataBuilder() : bytes_(kMetadataTableSize) {
    std::copy(kMetadataSignature.begin(), kMetadataSignature.end(), header_.Signature);
  }

  template <typename T>
  void Add(const Guid& id, const T& value, uint32_t flags) {
    const MetadataTableEntry entry = {.ItemId = id,
                                      .Offset = static_cast<uint32_t>(bytes_.size()),
                                      .Length = static_cast<uint32_t>(sizeof(T)),
                                      .Flags = flags | kItemIsRequired,
                                      .Reserved = 0};
    std::memcpy(bytes_.data() + sizeof(header_) + header_.EntryCount * sizeof(entry), &entry,
                sizeof(entry));
    header_.EntryCount = header_.EntryCount + 1;
    const auto item = std::as_bytes(std::span(&value, 1));
    bytes_.insert(bytes_.end(), item.begin(), item.end());
  }
  std::span<const std::byte> Finish() {
    std::memcpy(bytes_.data(), &header_, sizeof(header_));
    return bytes_;
  }

 private:
  MetadataTableHeader header_ = {};
  std::vector<std::byte> bytes_;
};

Status Writer::WriteMetadata(IoChannel& io) {
  MetadataBuilder metadata;
  metadata.Add(kFileParameters,
               FileParameters{.BlockSize = static_cast<uint32_t>(options_.block_size),
                              .Flags = options_.fixed ? kLeaveBlockAllocated : 0},
               0);
  metadata.Add(kVirtualDiskSize, Le64(virtual_size_), kItemIsVirtualDisk);
  metadata.Add(kVirtualDiskId, disk_id_, kItemIsVirtualDisk);
  metadata.Add(kLogicalSectorSize, Le32(sector_size_), kItemIsVirtualDisk);
  metadata.Add(kPhysicalSectorSize, Le32(sector_size_), kItemIsVirtualDisk);
  return WriteAll(io, slot_, plan_.metadata, metadata.Finish(), "the metadata");
}

Status Writer::WriteRegionTables(IoChannel& io) {
  std::vector<std::byte> table(kRegionTableSize);
  RegionTableHeader header = {};
  std::copy(kRegionSignature.begin(), kRegionSignature.end(), header.Signature);
  const RegionTableEntry entries[] = {{.Id = kBatRegion,
                                       .FileOffset = plan_.bat,
                                       .Length = static_cast<uint32_t>(plan_.bat_size),
                                       .Required = kRequired},
                                      {.Id = kMetadataRegion,
                                       .FileOffset = plan_.metadata,
                                       .Length = static_cast<uint32_t>(kMetadataSize),
                                       .Required = kRequired}};
  header.EntryCount = static_cast<uint32_t>(std::size(entries));
  std::memcpy(table.data(), &header, sizeof(header));
  std::memcpy(table.data() + sizeof(header), entries, sizeof(entries));
  header.Checksum = Crc32c(table);
  std::memcpy(table.data(), &header, sizeof(header));
  for (const uint64_t offset : kRegionTableOffsets) {
    HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, offset, table, "the region table"));
  }
  return OkStatus();
}

Status Writer::WriteHeaders(IoChannel& io) {
  Header header = {};
  std::copy(kHeaderSignature.begin(), kHeaderSignature.end(), header.Signature);
  header.FileWriteGuid = file_write_guid_;
  header.DataWriteGuid = data_write_guid_;
  header.Version = kVersion;
  header.LogVersion = kLogVersion;
  header.LogLength = static_cast<uint32_t>(plan_.log_size);
  header.LogOffset = kHeaderSectionSize;
  for (const uint64_t offset : kHeaderOffsets) {
    header.SequenceNumber = header.SequenceNumber + 1;
    header.Checksum = 0;
    const auto bytes = std::as_bytes(std::span(&header, 1));
    header.Checksum = Crc32c(bytes);
    HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, offset, bytes, "the VHDX header"));
  }
  return OkStatus();
}

Status Writer::WriteFileType(IoChannel& io) {
  FileTypeIdentifier identifier = {};
  std::copy(kFileSignature.begin(), kFileSignature.end(), identifier.Signature);
  for (size_t i = 0; i < kCreator.size(); ++i) {
    identifier.Creator[2 * i] = static_cast<uint8_t>(kCreator[i]);
  }
  return WriteAll(io, slot_, 0, std::as_bytes(std::span(&identifier, 1)),
                  "the file type identifier");
}

Status Writer::Finish(IoChannel& io) {
  HOTCELL_RETURN_IF_ERROR(FinishBat(io));
  HOTCELL_RETURN_IF_ERROR(WriteMetadata(io));
  HOTCELL_RETURN_IF_ERROR(WriteRegionTables(io));
  HOTCELL_RETURN_IF_ERROR(WriteHeaders(io));
  if (const IoResult sized = io.SetSize(slot_, end_); !sized.ok()) {
    return IoError(sized, StrCat("make the VHDX ", end_, " bytes long"));
  }
  // A file without the identifier is no VHDX, so that one which is not complete is not taken for
  // one.
  if (const IoResult flushed = io.Flush(slot_); !flushed.ok()) {
    return IoError(flushed, "flush the VHDX");
  }
  return WriteFileType(io);
}

}  // namespace
}  // namespace vhdx

Result<std::unique_ptr<ImageWriter>> CreateVhdx(IoChannel& /*io*/, const CreateOptions& options) {
  const auto parsed = vhdx::ParseWriteOptions(options);
  if (!parsed.ok()) return parsed.status();
  if (options.compress) return Unsupported("vhdx: compression not supported for this file format");
  if (options.backing) {
    return Unsupported("vhdx: writing a disk on a parent is not done; leave out the backing file");
  }
  if (options.exists) return MakesImagesAnew("vhdx");
  return std::unique_ptr<ImageWriter>(std::make_unique<vhdx::Writer>(options, *parsed));
}

}  // namespace hotcell::guest
