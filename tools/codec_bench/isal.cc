#include <isa-l/igzip_lib.h>

#include <array>
#include <memory>

#include "absl/strings/str_cat.h"
#include "tools/codec_bench/codec.h"

namespace hotcell::codec_bench {
namespace {

constexpr std::array<size_t, 4> kLevelBufferSize = {ISAL_DEF_LVL0_DEFAULT, ISAL_DEF_LVL1_DEFAULT,
                                                    ISAL_DEF_LVL2_DEFAULT, ISAL_DEF_LVL3_DEFAULT};

uint8_t* Bytes(const std::byte* at) {
  return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(at));
}

size_t Deflate(int level, uint16_t window_bits, std::vector<uint8_t>& buffer, In in, Out out) {
  isal_zstream stream;
  isal_deflate_stateless_init(&stream);
  stream.level = static_cast<uint32_t>(level);
  stream.level_buf = buffer.data();
  stream.level_buf_size = static_cast<uint32_t>(buffer.size());
  stream.hist_bits = window_bits;
  stream.end_of_stream = 1;
  stream.next_in = Bytes(in.data());
  stream.avail_in = static_cast<uint32_t>(in.size());
  stream.next_out = Bytes(out.data());
  stream.avail_out = static_cast<uint32_t>(out.size());
  return isal_deflate_stateless(&stream) == COMP_OK ? stream.total_out : 0;
}

size_t Inflate(inflate_state& state, In in, Out out) {
  isal_inflate_init(&state);
  state.next_in = Bytes(in.data());
  state.avail_in = static_cast<uint32_t>(in.size());
  state.next_out = Bytes(out.data());
  state.avail_out = static_cast<uint32_t>(out.size());
  return isal_inflate_stateless(&state) == ISAL_DECOMP_OK ? state.total_out : 0;
}

}  // namespace

std::vector<Codec> IsalCodecs() {
  std::vector<Codec> codecs;
  for (const uint16_t bits : {15, 12}) {
    for (int level = 0; level <= 3; ++level) {
      codecs.push_back(
          {"deflate", "compress",
           absl::StrCat("libisal-", level, bits == 12 ? " 4 KiB window" : ""), [=]() -> Coder {
             return [=, buffer = std::vector<uint8_t>(kLevelBufferSize[level])](
                        In in, Out out) mutable { return Deflate(level, bits, buffer, in, out); };
           }});
    }
  }
  codecs.push_back({"deflate", "decompress", "libisal", []() -> Coder {
                      return [state = std::make_shared<inflate_state>()](In in, Out out) {
                        return Inflate(*state, in, out);
                      };
                    }});
  return codecs;
}

}  // namespace hotcell::codec_bench
