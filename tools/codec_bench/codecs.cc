#include <libdeflate.h>
#include <zlib.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <cstdlib>
#include <map>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "guest/codecs/compressor.h"
#include "guest/codecs/decompressor.h"
#include "tools/codec_bench/codec.h"

namespace hotcell::codec_bench {
namespace {

using guest::ClusterCompressor;
using guest::ClusterDecompressor;
using guest::Compression;

// The parameters of qemu's block/qcow2-threads.c: raw deflate, a window of 4 KiB, a state for each
// cluster.
constexpr int kQemuWindowBits = -12;
constexpr int kQemuMemoryLevel = 9;

z_stream ZlibStream(In in, Out out) {
  z_stream stream = {};
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  return stream;
}

size_t ZlibCompress(In in, Out out) {
  z_stream stream = ZlibStream(in, out);
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kQemuWindowBits, kQemuMemoryLevel,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    std::abort();
  }
  const int ended = deflate(&stream, Z_FINISH);
  deflateEnd(&stream);
  return ended == Z_STREAM_END ? out.size() - stream.avail_out : 0;
}

size_t ZlibDecompress(In in, Out out) {
  z_stream stream = ZlibStream(in, out);
  if (inflateInit2(&stream, kQemuWindowBits) != Z_OK) std::abort();
  const int ended = inflate(&stream, Z_FINISH);
  inflateEnd(&stream);
  return ended == Z_STREAM_END ? out.size() - stream.avail_out : 0;
}

// Shared, as a Coder is copied with its state.
using ZstdCompressor = std::shared_ptr<ZSTD_CCtx>;
using ZstdDecompressor = std::shared_ptr<ZSTD_DCtx>;

ZstdCompressor MakeZstdCompressor() { return {ZSTD_createCCtx(), ZSTD_freeCCtx}; }
ZstdDecompressor MakeZstdDecompressor() { return {ZSTD_createDCtx(), ZSTD_freeDCtx}; }

size_t OrZero(size_t zstd_result) { return ZSTD_isError(zstd_result) != 0 ? 0 : zstd_result; }

size_t QemuZstdCompress(In in, Out out) {
  const ZstdCompressor state = MakeZstdCompressor();
  ZSTD_inBuffer from = {in.data(), in.size(), 0};
  ZSTD_outBuffer to = {out.data(), out.size(), 0};
  return ZSTD_compressStream2(state.get(), &to, &from, ZSTD_e_end) == 0 ? to.pos : 0;
}

size_t QemuZstdDecompress(In in, Out out) {
  const ZstdDecompressor state = MakeZstdDecompressor();
  ZSTD_inBuffer from = {in.data(), in.size(), 0};
  ZSTD_outBuffer to = {out.data(), out.size(), 0};
  while (to.pos < to.size) {
    const size_t result = ZSTD_decompressStream(state.get(), &to, &from);
    if (ZSTD_isError(result) != 0 || (result == 0 && from.pos == from.size)) break;
  }
  return to.pos;
}

const std::map<std::string, ZSTD_cParameter>& ZstdParameterNames() {
  static const auto& names = *new std::map<std::string, ZSTD_cParameter>{
      {"level", ZSTD_c_compressionLevel},
      {"windowLog", ZSTD_c_windowLog},
      {"hashLog", ZSTD_c_hashLog},
      {"chainLog", ZSTD_c_chainLog},
      {"searchLog", ZSTD_c_searchLog},
      {"minMatch", ZSTD_c_minMatch},
      {"targetLength", ZSTD_c_targetLength},
      {"strategy", ZSTD_c_strategy},
      {"literals", ZSTD_c_literalCompressionMode},
      {"checksum", ZSTD_c_checksumFlag},
  };
  return names;
}

// Null when `parameters` are not understood.
ZstdCompressor MakeZstdCompressor(const std::string& parameters) {
  ZstdCompressor state = MakeZstdCompressor();
  for (const std::string& parameter :
       std::vector<std::string>(absl::StrSplit(parameters, ',', absl::SkipEmpty()))) {
    const std::pair<std::string, std::string> assignment = absl::StrSplit(parameter, '=');
    const auto found = ZstdParameterNames().find(assignment.first);
    int value = 0;
    if (found == ZstdParameterNames().end() || !absl::SimpleAtoi(assignment.second, &value) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(state.get(), found->second, value)) != 0) {
      return nullptr;
    }
  }
  return state;
}

}  // namespace

std::vector<Codec> ZlibCodecs() {
  return {
      {"deflate", "compress", "qemu zlib-6", [] { return ZlibCompress; }},
      {"deflate", "decompress", "qemu zlib", [] { return ZlibDecompress; }},
  };
}

std::vector<Codec> LibdeflateCodecs() {
  std::vector<Codec> codecs;
  for (int level = 1; level <= 9; ++level) {
    codecs.push_back({"deflate", "compress", absl::StrCat("libdeflate-", level), [=]() -> Coder {
                        const std::shared_ptr<libdeflate_compressor> state(
                            libdeflate_alloc_compressor(level), libdeflate_free_compressor);
                        return [=](In in, Out out) {
                          return libdeflate_deflate_compress(state.get(), in.data(), in.size(),
                                                             out.data(), out.size());
                        };
                      }});
  }
  codecs.push_back({"deflate", "decompress", "libdeflate", []() -> Coder {
                      const std::shared_ptr<libdeflate_decompressor> state(
                          libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
                      return [=](In in, Out out) -> size_t {
                        size_t size = 0;
                        const libdeflate_result result = libdeflate_deflate_decompress(
                            state.get(), in.data(), in.size(), out.data(), out.size(), &size);
                        return result == LIBDEFLATE_SUCCESS ? size : 0;
                      };
                    }});
  return codecs;
}

Codec ZstdWithParameters(const std::string& parameters) {
  Codec codec = {"zstd", "compress", absl::StrCat("libzstd ", parameters), nullptr};
  if (MakeZstdCompressor(parameters) == nullptr) return codec;
  codec.make = [=]() -> Coder {
    return [state = MakeZstdCompressor(parameters)](In in, Out out) {
      return OrZero(ZSTD_compress2(state.get(), out.data(), out.size(), in.data(), in.size()));
    };
  };
  return codec;
}

std::vector<Codec> ZstdCodecs() {
  std::vector<Codec> codecs = {
      {"zstd", "compress", "qemu libzstd-3", [] { return QemuZstdCompress; }},
      {"zstd", "decompress", "qemu libzstd", [] { return QemuZstdDecompress; }},
      {"zstd", "decompress", "libzstd",
       []() -> Coder {
         return [state = MakeZstdDecompressor()](In in, Out out) {
           return OrZero(
               ZSTD_decompressDCtx(state.get(), out.data(), out.size(), in.data(), in.size()));
         };
       }},
  };
  for (int level = 1; level <= 5; ++level) {
    codecs.push_back(ZstdWithParameters(absl::StrCat("level=", level)));
    codecs.back().name = absl::StrCat("libzstd-", level);
  }
  return codecs;
}

std::vector<Codec> GuestCodecs() {
  std::vector<Codec> codecs;
  for (const auto& [format, compression] :
       {std::pair{"deflate", Compression::kDeflate}, {"zstd", Compression::kZstd}}) {
    codecs.push_back({format, "compress", "hotcell", [=]() -> Coder {
                        auto made = ClusterCompressor::Create(compression);
                        const std::shared_ptr<ClusterCompressor> state = std::move(*made);
                        return [=](In in, Out out) { return state->Compress(in, out); };
                      }});
    codecs.push_back({format, "decompress", "hotcell", [=]() -> Coder {
                        const auto state = std::make_shared<ClusterDecompressor>();
                        return [=](In in, Out out) {
                          const Out cluster = out.first(kClusterSize);
                          return state->Decompress(compression, in, cluster).ok() ? cluster.size()
                                                                                  : 0;
                        };
                      }});
  }
  return codecs;
}

}  // namespace hotcell::codec_bench
