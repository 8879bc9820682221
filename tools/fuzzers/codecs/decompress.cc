// The input: which codec, the cluster's size, and a stream that is unpacked to it.
#include <zlib.h>

#include <array>
#include <vector>

#include "guest/codecs/decompressor.h"
#include "tools/fuzzers/check.h"

namespace hotcell::guest {
namespace {

using Bytes = std::vector<std::byte>;
using fuzz::Check;

// The first byte of the input is an index, so that what is added goes last.
constexpr std::array kCompressions = {Compression::kDeflate, Compression::kZlib, Compression::kZstd,
                                      Compression::kBzip2,   Compression::kAdc,  Compression::kZlib,
                                      Compression::kXz};
// The kind of streams that follow a grain marker of VMDK.
constexpr size_t kGrain = 5;
constexpr size_t kHeaderSize = 3;

Extent MakeExtent(uint8_t kind, size_t cluster_size, size_t stream_size) {
  Extent extent = {.kind = Extent::Kind::kCompressed,
                   .length = cluster_size,
                   .compressed_size = static_cast<uint32_t>(stream_size),
                   .cluster_size = static_cast<uint32_t>(cluster_size),
                   .compression = kCompressions[kind]};
  if (kind == kGrain) {
    extent.marker_lba = 0;
    // The last grain of a disk is seldom wanted whole.
    extent.length = std::max<size_t>(1, cluster_size / 2);
  }
  return extent;
}

// What zlib makes of the stream; empty: it refuses.
Bytes InflateWithZlib(std::span<const std::byte> stream, size_t size, int window_bits) {
  z_stream state = {};
  Check(inflateInit2(&state, window_bits) == Z_OK, "zlib starts");
  // One more than is wanted: a stream that goes on is another one.
  Bytes out(size + 1);
  state.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(stream.data()));
  state.avail_in = static_cast<uInt>(stream.size());
  state.next_out = reinterpret_cast<Bytef*>(out.data());
  state.avail_out = static_cast<uInt>(out.size());
  const int result = inflate(&state, Z_FINISH);
  const size_t filled = state.total_out;
  inflateEnd(&state);
  if (result != Z_STREAM_END || filled != size) return {};
  out.resize(size);
  return out;
}

void Run(std::span<const std::byte> input) {
  if (input.size() < kHeaderSize) return;
  const auto kind = static_cast<uint8_t>(static_cast<uint8_t>(input[0]) % kCompressions.size());
  const size_t cluster_size =
      1 + static_cast<size_t>(input[1]) + (static_cast<size_t>(input[2]) << 8);
  const std::span<const std::byte> stream = input.subspan(kHeaderSize);
  const Extent extent = MakeExtent(kind, cluster_size, stream.size());

  // What was there before must not show through, and what was unpacked before must not matter.
  ClusterDecompressor fresh;
  Bytes first(cluster_size, std::byte{0x55});
  const Status status = fresh.Unpack(extent, stream, first);
  Bytes second(cluster_size, std::byte{0xaa});
  const Status again = fresh.Unpack(extent, stream, second);
  Check(status.ok() == again.ok() && status.message() == again.message(),
        "a stream gets the same answer twice", std::string(again.message()));
  if (!status.ok()) {
    Check(!status.message().empty(), "an error says what is wrong");
    return;
  }
  Check(first == second, "a stream unpacks to the same bytes twice");

  const int window_bits = extent.compression == Compression::kDeflate ? -15 : 15;
  if (extent.marker_lba ||
      (extent.compression != Compression::kDeflate && extent.compression != Compression::kZlib)) {
    return;
  }
  const Bytes expected = InflateWithZlib(stream, cluster_size, window_bits);
  Check(expected.empty() || expected == first, "zlib unpacks the stream to the same bytes");
}

}  // namespace
}  // namespace hotcell::guest

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hotcell::guest::Run(std::as_bytes(std::span(data, size)));
  return 0;
}
