#include "guest/formats/vmdk/vmdk_writer_stream.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/codecs/compressor.h"
#include "guest/formats/common/file_writes.h"
#include "guest/formats/vmdk/vmdk_writer_common.h"
#include "guest/formats/vmdk/vmdk_writer_descriptor.h"

namespace hotcell::guest::vmdk {
namespace {

// A sector holds the marker of a grain, zlib's header and checksum, and what deflate adds to data
// that does not shrink.
constexpr uint64_t kGrainGrowth = kSectorSize;

class Encoder : public LaneEncoder {
 public:
  explicit Encoder(std::unique_ptr<ClusterCompressor> compressor)
      : compressor_(std::move(compressor)) {}

  Status Encode(Chunk& chunk, std::span<std::byte> out) override {
    runs_.clear();
    for (const Run& run : chunk.runs) {
      if (run.kind != Run::Kind::kData) {
        runs_.push_back(run);
        continue;
      }
      for (uint64_t done = 0; done < run.length; done += kGrainSize) {
        const auto size = EncodeGrain(run.offset + done, run.data + done, out);
        if (!size.ok()) return size.status();
        runs_.push_back({.kind = Run::Kind::kCompressed,
                         .offset = run.offset + done,
                         .length = std::min(kGrainSize, run.length - done),
                         .data = out.data(),
                         .size = *size});
        out = out.subspan(*size);
      }
    }
    chunk.runs.swap(runs_);
    return OkStatus();
  }

 private:
  // The grain as it is in the file, in whole sectors; returns its size in bytes.
  Result<uint64_t> EncodeGrain(uint64_t offset, const std::byte* data, std::span<std::byte> out) {
    out = out.first(kGrainSize + kGrainGrowth);
    const std::span<std::byte> room = out.subspan(sizeof(GrainMarker));
    const size_t size = compressor_->Compress({data, kGrainSize}, room);
    if (size == 0) return Unsupported("vmdk: a grain grew by more than a sector");
    const GrainMarker marker = {.lba = offset / kSectorSize, .size = static_cast<uint32_t>(size)};
    std::memcpy(out.data(), &marker, sizeof(marker));
    const uint64_t end = sizeof(marker) + size;
    const uint64_t padded = DivideUp(end, kSectorSize) * kSectorSize;
    std::memset(out.data() + end, 0, padded - end);
    return padded;
  }

  const std::unique_ptr<ClusterCompressor> compressor_;
  std::vector<Run> runs_;
};

class StreamWriter : public ImageWriter {
 public:
  StreamWriter(const CreateOptions& create, const WriteOptions& options)
      : slot_(create.slot),
        name_(NameInDescriptor(create.name)),
        virtual_size_(create.virtual_size),
        options_(options),
        directory_(DivideUp(DivideUp(virtual_size_, kGrainSize), kTableEntries)) {}

  WriterTraits traits() const override {
    return {.cluster_size = kGrainSize,
            .ordered = true,
            .encodes = true,
            .cluster_growth = kGrainGrowth};
  }

  Result<std::unique_ptr<LaneEncoder>> MakeEncoder() override {
    auto made = ClusterCompressor::Create(Compression::kZlib);
    if (!made.ok()) return made.status();
    return std::unique_ptr<LaneEncoder>(std::make_unique<Encoder>(std::move(*made)));
  }

  Status Place(IoChannel& io, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind != Run::Kind::kCompressed) continue;
      const uint64_t grain = run.offset / kGrainSize;
      if (grain / kTableEntries != table_number_) {
        HOTCELL_RETURN_IF_ERROR(WriteTable(io));
        table_number_ = grain / kTableEntries;
      }
      table_[grain % kTableEntries] = static_cast<uint32_t>(next_sector_);
      table_used_ = true;
      content_id_.Add(grain);
      content_id_.Add(run.size);
      AddWrite(chunk.writes,
               {.offset = next_sector_ * kSectorSize, .length = run.size, .data = run.data});
      next_sector_ += run.size / kSectorSize;
      HOTCELL_RETURN_IF_ERROR(CheckFileSize(next_sector_));
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override;

 private:
  Status WriteSectors(IoChannel& io, std::span<const std::byte> data, std::string_view what);
  Status WriteMarker(IoChannel& io, uint32_t type, uint64_t sectors);
  Status WriteTable(IoChannel& io);
  Status WriteHead(IoChannel& io, SparseExtentHeader header);

  const uint32_t slot_;
  const std::string name_;
  const uint64_t virtual_size_;
  const WriteOptions options_;
  ContentId content_id_;
  uint64_t next_sector_ = kGrainSectors;
  // The table that grains are entered in now.
  uint64_t table_number_ = 0;
  bool table_used_ = false;
  std::array<Le32, kTableEntries> table_ = {};
  std::vector<Le32> directory_;
};

Status StreamWriter::WriteSectors(IoChannel& io, std::span<const std::byte> data,
                                  std::string_view what) {
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, slot_, next_sector_ * kSectorSize, data, what));
  next_sector_ += data.size() / kSectorSize;
  return CheckFileSize(next_sector_);
}

Status StreamWriter::WriteMarker(IoChannel& io, uint32_t type, uint64_t sectors) {
  const MetadataMarker marker = {.numSectors = sectors, .size = 0, .type = type, .pad = {}};
  return WriteSectors(io, std::as_bytes(std::span(&marker, 1)), "a marker");
}

Status StreamWriter::WriteTable(IoChannel& io) {
  if (!table_used_) return OkStatus();
  HOTCELL_RETURN_IF_ERROR(WriteMarker(io, kMarkerGrainTable, kTableSectors));
  directory_[table_number_] = static_cast<uint32_t>(next_sector_);
  HOTCELL_RETURN_IF_ERROR(WriteSectors(io, std::as_bytes(std::span(table_)), "a grain table"));
  table_ = {};
  table_used_ = false;
  return OkStatus();
}

Status StreamWriter::Finish(IoChannel& io) {
  HOTCELL_RETURN_IF_ERROR(WriteTable(io));
  directory_.resize(DivideUp(directory_.size(), kSectorSize / sizeof(Le32)) *
                    (kSectorSize / sizeof(Le32)));
  const std::span<const std::byte> directory = std::as_bytes(std::span(directory_));
  HOTCELL_RETURN_IF_ERROR(WriteMarker(io, kMarkerGrainDirectory, directory.size() / kSectorSize));
  SparseExtentHeader header = MakeHeader(virtual_size_ / kSectorSize, /*has_descriptor=*/true);
  header.version = 3;
  header.flags = header.flags | kFlagCompressed | kFlagMarkers;
  header.compressAlgorithm = kCompressionDeflate;
  header.overHead = kGrainSectors;
  SparseExtentHeader footer = header;
  header.gdOffset = kGdAtEnd;
  footer.gdOffset = next_sector_;
  HOTCELL_RETURN_IF_ERROR(WriteSectors(io, directory, "the grain directory"));
  HOTCELL_RETURN_IF_ERROR(WriteMarker(io, kMarkerFooter, 1));
  HOTCELL_RETURN_IF_ERROR(WriteSectors(io, std::as_bytes(std::span(&footer, 1)), "the footer"));
  HOTCELL_RETURN_IF_ERROR(WriteMarker(io, kMarkerEndOfStream, 0));
  return WriteHead(io, header);
}

// A file without a header is no image, so that one which is not complete cannot be taken for one.
Status StreamWriter::WriteHead(IoChannel& io, SparseExtentHeader header) {
  if (const IoResult flushed = io.Flush(slot_); !flushed.ok()) {
    return IoError(flushed, "flush the vmdk file");
  }
  content_id_.Add(virtual_size_);
  const DescribedExtent extent = {
      .sectors = virtual_size_ / kSectorSize, .type = "SPARSE", .name = name_};
  return WriteHeaderAndDescriptor(
      io, slot_, header,
      MakeDescriptor(options_, virtual_size_, content_id_.value(), {&extent, 1}));
}

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateStream(const CreateOptions& create,
                                                  const WriteOptions& options) {
  return std::unique_ptr<ImageWriter>(std::make_unique<StreamWriter>(create, options));
}

}  // namespace hotcell::guest::vmdk
