#include "guest/formats/dmg/reader.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string_view>

#include "base/text.h"
#include "guest/formats/common/extent_builder.h"

namespace hotcell::guest::dmg {
namespace {

constexpr struct {
  ChunkType type;
  std::string_view name;
  std::optional<Compression> compression;  // nullopt: chunks of this kind cannot be read
} kCompressions[] = {
    {kAdc, "ADC", Compression::kAdc},       {kZlib, "zlib", Compression::kZlib},
    {kBzip2, "bzip2", Compression::kBzip2}, {kLzfse, "LZFSE", std::nullopt},
    {kLzma, "LZMA", Compression::kXz},
};

Result<Compression> FindCompression(const Chunk& chunk) {
  for (const auto& known : kCompressions) {
    if (known.type != chunk.type) continue;
    if (known.compression) return *known.compression;
    return Unsupported(StrCat("dmg: the chunk at sector ", chunk.sector, " is compressed with ",
                              known.name, ", which is not supported"));
  }
  return Unsupported(StrCat("dmg: the chunk at sector ", chunk.sector, " is of the unknown type ",
                            Hex(chunk.type)));
}

}  // namespace

Result<Extent> Reader::MakeExtent(const Chunk& chunk, uint64_t in_chunk) const {
  const uint64_t size = chunk.sectors * kSectorSize;
  Extent extent = {.length = size - in_chunk, .slot = file_.slot};
  if (chunk.type == kZero || chunk.type == kIgnore) {
    extent.kind = Extent::Kind::kZero;
    return extent;
  }
  extent.offset = chunk.offset;
  if (chunk.type == kRaw) {
    extent.kind = Extent::Kind::kData;
    extent.offset += in_chunk;
    return extent;
  }
  const auto compression = FindCompression(chunk);
  if (!compression.ok()) return compression.status();
  if (size > kMaxCompressedChunk || chunk.length > kMaxCompressedChunk) {
    return LimitExceeded(StrCat("dmg: the compressed chunk at sector ", chunk.sector, " has ", size,
                                " bytes in ", chunk.length, "; no more than ", kMaxCompressedChunk,
                                " are supported"));
  }
  extent.kind = Extent::Kind::kCompressed;
  extent.compressed_size = static_cast<uint32_t>(chunk.length);
  extent.cluster_size = static_cast<uint32_t>(size);
  extent.offset_in_cluster = static_cast<uint32_t>(in_chunk);
  extent.compression = *compression;
  return extent;
}

Result<Extent> Reader::Map(IoChannel& /*io*/, uint64_t offset, uint64_t length) {
  const std::vector<Chunk>& chunks = table_.chunks();
  const uint64_t sector = offset / kSectorSize;
  auto chunk = std::upper_bound(chunks.begin(), chunks.end(), sector,
                                [](uint64_t at, const Chunk& one) { return at < one.end(); });
  ExtentBuilder extent;
  const uint64_t end = offset + length;
  for (uint64_t at = offset; at < end; ++chunk) {
    Result<Extent> piece =
        chunk == chunks.end() || chunk->sector * kSectorSize > at
            ? CorruptImage(StrCat("dmg: no chunk holds sector ", at / kSectorSize, " of the disk"))
            : MakeExtent(*chunk, at - chunk->sector * kSectorSize);
    if (!piece.ok()) {
      // What comes before a damaged spot can be read; the next call meets the damage first.
      if (extent.empty()) return piece;
      break;
    }
    piece->length = std::min(piece->length, end - at);
    if (!extent.Add(*piece)) break;
    at += piece->length;
  }
  return extent.extent();
}

ImageDescription Reader::Describe() const {
  ImageDescription description;
  description.format = "dmg";
  description.virtual_size = virtual_size();
  uint64_t largest = 0;
  for (const auto& known : kCompressions) {
    bool used = false;
    for (const Chunk& chunk : table_.chunks()) {
      if (chunk.type != known.type) continue;
      used = true;
      largest = std::max({largest, chunk.sectors * kSectorSize, chunk.length});
    }
    if (used) description.features.push_back(StrCat("compression: ", known.name));
  }
  // Other chunks than the usual ones need larger buffers to be read with.
  constexpr uint64_t kUsualChunk = 1 << 20;
  if (largest > kUsualChunk) {
    description.cluster_size = std::min(std::bit_ceil(largest), kMaxCompressedChunk);
  }
  return description;
}

}  // namespace hotcell::guest::dmg
