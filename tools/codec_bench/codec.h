// What is measured, and how.
#ifndef HOTCELL_TOOLS_CODEC_BENCH_CODEC_H_
#define HOTCELL_TOOLS_CODEC_BENCH_CODEC_H_

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tools/codec_bench/clusters.h"

namespace hotcell::codec_bench {

using In = std::span<const std::byte>;
using Out = std::span<std::byte>;

// A compressor or decompressor with one thread's state. Returns the bytes of `out` used; 0 when the
// result does not fit or `in` is damaged.
using Coder = std::function<size_t(In in, Out out)>;

struct Codec {
  std::string format;     // of the streams: "deflate" or "zstd"
  std::string operation;  // "compress" or "decompress"
  std::string name;       // "libdeflate-6"
  std::function<Coder()> make;
};

// The codecs of each library. qemu's way with a codec is named "qemu", the guest's own code
// "hotcell".
std::vector<Codec> LibdeflateCodecs();
std::vector<Codec> ZlibCodecs();
std::vector<Codec> ZstdCodecs();
std::vector<Codec> GuestCodecs();
std::vector<Codec> IsalCodecs();  // none where the build found no libisal

// A zstd compressor by its parameters, for finding better ones: "level=2,hashLog=14,strategy=2".
// `make` is empty when one is unknown or refused.
Codec ZstdWithParameters(const std::string& parameters);

struct Measurement {
  double seconds = 0;     // median over the rounds, of all threads together
  size_t input_size = 0;  // bytes
  size_t output_size = 0;
  size_t failures = 0;  // clusters stored as they are, or streams not read
};

// Runs `codec` over all of `inputs`, `rounds` times after one that warms up. A result that is not
// smaller than its input counts with the input's size when compressing.
Measurement Measure(const Codec& codec, const Clusters& inputs, unsigned threads, unsigned rounds);

// The clusters that `codec` makes smaller, compressed.
Clusters Compressed(const Codec& codec, const Clusters& clusters);

}  // namespace hotcell::codec_bench

#endif  // HOTCELL_TOOLS_CODEC_BENCH_CODEC_H_
