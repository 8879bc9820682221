#include "guest/formats/testing/disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/text.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kPiece = 1 << 20;

// Whether a file has nothing but hole in a range.
bool IsHole(FdFile& file, uint64_t offset, uint64_t length) {
  const IoResult status = file.BlockStatus(offset, length);
  return status.value2 == 0 && status.value >= length;
}

}  // namespace

Status DiskReader::ReadExtent(const Extent& extent, std::span<std::byte> out) {
  // Ranges were validated by Map(); ReadExact() needs an end to check against.
  const FileHandle file = {.slot = extent.slot, .size = UINT64_MAX};
  switch (extent.kind) {
    case Extent::Kind::kUnallocated:
    case Extent::Kind::kZero:
      std::fill(out.begin(), out.end(), std::byte{0});
      return OkStatus();
    case Extent::Kind::kData:
      return ReadExact(io_, file, extent.offset, out, "data");
    case Extent::Kind::kCompressed:
      break;
  }
  std::vector<std::byte> stream(extent.compressed_size);
  HOTCELL_RETURN_IF_ERROR(ReadExact(io_, file, extent.offset, stream, "a compressed cluster"));
  std::vector<std::byte> cluster(extent.cluster_size);
  HOTCELL_RETURN_IF_ERROR(decompressor_.Unpack(extent, stream, cluster));
  std::copy_n(cluster.begin() + extent.offset_in_cluster, out.size(), out.begin());
  return OkStatus();
}

Result<std::vector<std::byte>> DiskReader::Read(uint64_t offset, uint64_t length) {
  std::vector<std::byte> out(length);
  uint64_t done = 0;
  while (done < length) {
    const auto extent = map_(offset + done, length - done);
    if (!extent.ok()) return extent.status();
    if (extent->length == 0 || extent->length > length - done) {
      return CorruptImage(StrCat("Map() returned ", extent->length, " bytes for ", length - done));
    }
    HOTCELL_RETURN_IF_ERROR(ReadExtent(*extent, std::span(out).subspan(done, extent->length)));
    done += extent->length;
  }
  return out;
}

Result<std::string> DiskReader::CompareWith(const std::string& raw_path, uint64_t size) {
  const int fd = open(raw_path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::string("cannot open " + raw_path);
  FdFile raw(fd);
  if (raw.size() != size) return StrCat("sizes differ: ", size, " and ", raw.size());
  std::vector<std::byte> expected;
  for (uint64_t offset = 0; offset < size;) {
    const auto extent = map_(offset, size - offset);
    if (!extent.ok()) return extent.status();
    if (extent->length == 0 || extent->length > size - offset) {
      return CorruptImage("Map() returned an extent of the wrong length");
    }
    const bool zero =
        extent->kind == Extent::Kind::kZero || extent->kind == Extent::Kind::kUnallocated;
    if (zero && IsHole(raw, offset, extent->length)) {
      offset += extent->length;
      continue;
    }
    const uint64_t piece = std::min(kPiece, extent->length);
    const auto actual = Read(offset, piece);
    if (!actual.ok()) return actual.status();
    expected.resize(piece);
    if (raw.Read(offset, expected).value != piece) return std::string("cannot read " + raw_path);
    const auto differing = std::mismatch(actual->begin(), actual->end(), expected.begin()).first;
    if (differing != actual->end()) {
      return StrCat("content differs at offset ", offset + (differing - actual->begin()));
    }
    offset += piece;
  }
  return std::string();
}

}  // namespace hotcell::guest
