// The input: how often it is repeated, how small the output may be, which compressor, and a cluster
// that is compressed by it and unpacked by ours and by zlib.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <vector>

#include "guest/codecs/compressor.h"
#include "guest/codecs/decompressor.h"
#include "tools/fuzzers/check.h"

namespace hotcell::guest {
namespace {

using Bytes = std::vector<std::byte>;
using fuzz::Check;

constexpr size_t kHeaderSize = 3;
// More than positions that are kept modulo 64 KiB tell apart, and more than a block's tokens.
constexpr size_t kMaxCluster = 96 << 10;
constexpr std::array kCompressions = {Compression::kDeflate, Compression::kZlib,
                                      Compression::kZstd};
// The window that readers of qcow2 give to zlib.
constexpr int kQcow2WindowBits = -12;

// The input over and over, a byte changed here and there, so that few bytes give matches at every
// distance.
Bytes MakeCluster(std::span<const std::byte> part, size_t repeats) {
  Bytes cluster;
  for (size_t i = 0; i < repeats && cluster.size() + part.size() <= kMaxCluster; ++i) {
    cluster.insert(cluster.end(), part.begin(), part.end());
    cluster.back() ^= static_cast<std::byte>(i);
  }
  return cluster;
}

Bytes InflateInPieces(std::span<const std::byte> stream, size_t size) {
  z_stream state = {};
  Check(inflateInit2(&state, kQcow2WindowBits) == Z_OK, "zlib starts");
  Bytes out(size);
  state.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(stream.data()));
  state.avail_in = static_cast<uInt>(stream.size());
  state.next_out = reinterpret_cast<Bytef*>(out.data());
  int result = Z_OK;
  // Room for a little at a time, so that zlib has to look back into its window for all matches.
  while (result == Z_OK) {
    state.avail_out = static_cast<uInt>(std::min<size_t>(777, size - state.total_out));
    result = inflate(&state, Z_SYNC_FLUSH);
    if (state.total_out == size && result == Z_BUF_ERROR) break;
  }
  Check(result == Z_STREAM_END, "zlib reads our deflate stream in a window of 4 KiB",
        state.msg != nullptr ? state.msg : "");
  Check(state.total_out == size, "our deflate stream holds all of the cluster");
  inflateEnd(&state);
  return out;
}

void RoundTrip(Compression compression, const Bytes& cluster, size_t space) {
  auto compressor = ClusterCompressor::Create(compression);
  Check(compressor.ok(), "a compressor is made");
  // The buffer has its exact size, so that the sanitizer sees the first byte too much.
  Bytes out(space);
  const size_t size = (*compressor)->Compress(cluster, out);
  Check(size <= space, "a stream is no longer than its buffer");
  Bytes again(space);
  Check((*compressor)->Compress(cluster, again) == size &&
            std::equal(out.begin(), out.begin() + static_cast<ptrdiff_t>(size), again.begin()),
        "a cluster gives the same stream twice");
  if (size == 0) return;
  out.resize(size);

  ClusterDecompressor decompressor;
  Bytes unpacked(cluster.size());
  const Status status = decompressor.Decompress(compression, out, unpacked);
  Check(status.ok(), "we unpack what we packed", std::string(status.message()));
  Check(unpacked == cluster, "what we packed is what was given");
  if (compression == Compression::kDeflate) {
    Check(InflateInPieces(out, cluster.size()) == cluster, "zlib unpacks what was given");
  }
}

void Run(std::span<const std::byte> input) {
  if (input.size() <= kHeaderSize) return;
  const Bytes cluster = MakeCluster(input.subspan(kHeaderSize), 1 + static_cast<size_t>(input[0]));
  if (cluster.empty()) return;
  // The space is as much as any stream may need, or less than this one does.
  const size_t tightness = static_cast<size_t>(input[1]);
  const size_t space = tightness < 128 ? cluster.size() + cluster.size() / 8 + 1024
                                       : cluster.size() * (256 - tightness) / 128 + 1;
  RoundTrip(kCompressions[static_cast<size_t>(input[2]) % kCompressions.size()], cluster, space);
}

}  // namespace
}  // namespace hotcell::guest

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hotcell::guest::Run(std::as_bytes(std::span(data, size)));
  return 0;
}
