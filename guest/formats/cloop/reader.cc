#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "guest/formats/cloop/cloop.h"
#include "guest/formats/cloop/on_disk.h"
#include "guest/formats/common/piece_cache.h"

namespace hotcell::guest {
namespace cloop {
namespace {

constexpr size_t kCachedPieces = 16;  // of the offsets: 512 MiB of disk with blocks of 4 KiB

struct ImageHeader {
  uint32_t block_size = 0;  // bytes
  uint32_t num_blocks = 0;

  uint64_t virtual_size() const { return uint64_t{block_size} * num_blocks; }
  uint64_t offsets_end() const {
    return sizeof(Header) + (uint64_t{num_blocks} + 1) * sizeof(Be64);
  }
};

// Whether a block's stream can be where its offset and the next one say.
Status CheckStream(const ImageHeader& header, const FileHandle& file, uint64_t block,
                   uint64_t begin, uint64_t end) {
  const std::string what = StrCat("cloop: the stream of block ", block, " at ", Hex(begin));
  if (begin < header.offsets_end()) {
    return CorruptImage(
        StrCat(what, " lies in the table of offsets, which ends at ", Hex(header.offsets_end())));
  }
  if (end <= begin) {
    return CorruptImage(StrCat(what, " ends at ", Hex(end), ": the offsets do not ascend"));
  }
  if (end > file.size) {
    return CorruptImage(StrCat(what, " ends at ", Hex(end), ", past the end of the file (",
                               file.size, " bytes); the file is truncated or damaged"));
  }
  return OkStatus();
}

class Reader : public ImageReader {
 public:
  Reader(const FileHandle& file, const ImageHeader& header)
      : file_(file), header_(header), offsets_(kCachedPieces) {}

  uint64_t virtual_size() const override { return header_.virtual_size(); }

  // Damage that does not keep the description from being true.
  void AddWarning(std::string text) { warnings_.push_back(std::move(text)); }

  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override {
    const uint64_t block = offset / header_.block_size;
    const uint64_t in_block = offset % header_.block_size;
    Be64 offsets[2];
    HOTCELL_RETURN_IF_ERROR(offsets_.Read(io, file_, sizeof(Header) + block * sizeof(Be64),
                                          std::as_writable_bytes(std::span(offsets)),
                                          "cloop: the table of offsets"));
    HOTCELL_RETURN_IF_ERROR(CheckStream(header_, file_, block, offsets[0], offsets[1]));
    const uint64_t size = offsets[1] - offsets[0];
    if (size > io.buffer_size()) {
      return LimitExceeded(StrCat("cloop: the stream of block ", block, " at ", Hex(offsets[0]),
                                  " has ", size, " bytes, more than the ", io.buffer_size(),
                                  " that can be unpacked at once"));
    }
    return Extent{.kind = Extent::Kind::kCompressed,
                  .length = std::min(length, header_.block_size - in_block),
                  .slot = file_.slot,
                  .offset = offsets[0],
                  .compressed_size = static_cast<uint32_t>(size),
                  .cluster_size = header_.block_size,
                  .offset_in_cluster = static_cast<uint32_t>(in_block),
                  .compression = Compression::kZlib};
  }

  ImageDescription Describe() const override {
    ImageDescription description;
    description.format = "cloop";
    description.virtual_size = virtual_size();
    description.features.emplace_back("version 2.0");
    description.warnings = warnings_;
    return description;
  }

 private:
  const FileHandle file_;
  const ImageHeader header_;
  PieceCache offsets_;
  std::vector<std::string> warnings_;
};

// The script may say anything, as in QEMU, but not that it is of another version.
Status CheckVersion(std::string_view script) {
  const size_t at = script.find("#V");
  if (at == std::string_view::npos || script.substr(at).starts_with("#V2.0 ")) return OkStatus();
  return Unsupported("cloop: the file is not of version 2.0, the only one that is read");
}

Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file) {
  if (file.size < sizeof(Header)) {
    return CorruptImage(StrCat("cloop: the file has ", file.size, " bytes, the header has ",
                               sizeof(Header), "; the file is truncated or not cloop"));
  }
  Header raw;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&raw, 1)), "cloop: the header"));
  HOTCELL_RETURN_IF_ERROR(CheckVersion({raw.script, sizeof(raw.script)}));
  const ImageHeader header = {.block_size = raw.block_size, .num_blocks = raw.num_blocks};
  if (header.block_size == 0 || header.block_size % 512 != 0) {
    return CorruptImage(StrCat("cloop: blocks have ", header.block_size,
                               " bytes; it must be a multiple of 512, and not 0"));
  }
  if (header.block_size > kMaxBlockSize) {
    return LimitExceeded(StrCat("cloop: blocks have ", header.block_size, " bytes, more than the ",
                                kMaxBlockSize, " that are read"));
  }
  if (header.offsets_end() > kMaxOffsetsBytes) {
    return LimitExceeded(StrCat("cloop: the disk has ", header.num_blocks,
                                " blocks, whose table of offsets is larger than the ",
                                kMaxOffsetsBytes, " bytes that are read"));
  }
  if (header.offsets_end() > file.size) {
    return CorruptImage(StrCat("cloop: the table of offsets ends at ", Hex(header.offsets_end()),
                               ", past the end of the file (", file.size,
                               " bytes); the file is truncated or damaged"));
  }
  return header;
}

Status CheckOffsets(IoChannel& io, const FileHandle& file, const ImageHeader& header) {
  std::vector<Be64> piece((64 << 10) / sizeof(Be64));
  uint64_t begin = 0;  // of the stream whose end comes next
  for (uint64_t first = 0; first <= header.num_blocks; first += piece.size()) {
    const std::span offsets = std::span(piece).first(
        std::min<uint64_t>(piece.size(), uint64_t{header.num_blocks} + 1 - first));
    HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, sizeof(Header) + first * sizeof(Be64),
                                      std::as_writable_bytes(offsets),
                                      "cloop: the table of offsets"));
    for (size_t i = 0; i < offsets.size(); ++i) {
      if (first + i > 0) {
        HOTCELL_RETURN_IF_ERROR(CheckStream(header, file, first + i - 1, begin, offsets[i]));
      }
      begin = offsets[i];
    }
  }
  return OkStatus();
}

}  // namespace
}  // namespace cloop

Result<std::unique_ptr<ImageReader>> OpenCloop(IoChannel& io, const FileHandle& file,
                                               const OpenOptions& options) {
  const auto header = cloop::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("cloop", header->virtual_size(), options));
  auto reader = std::make_unique<cloop::Reader>(file, *header);
  const Status offsets = cloop::CheckOffsets(io, file, *header);
  if (!options.describe_only) HOTCELL_RETURN_IF_ERROR(offsets);
  if (!offsets.ok()) reader->AddWarning(offsets.message());
  return std::unique_ptr<ImageReader>(std::move(reader));
}

}  // namespace hotcell::guest
