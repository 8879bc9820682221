#include "guest/codecs/adc.h"

#include <algorithm>
#include <cstdint>

#include "base/text.h"

namespace hotcell::guest {
namespace {

// A run begins with a byte that says of which kind it is.
constexpr uint8_t kLiterals = 0x80;       // and how many follow, less one
constexpr uint8_t kLongReference = 0x40;  // and its length, less four; two bytes of distance follow
// Else: four bits of length, less three, and two of the distance; one byte more of it follows.

struct RunHeader {
  size_t size;      // bytes, this header's
  size_t length;    // bytes of output
  size_t distance;  // back from the output's end; 0: literals
};

uint8_t ByteAt(std::span<const std::byte> stream, size_t at) {
  return std::to_integer<uint8_t>(stream[at]);
}

size_t HeaderSize(uint8_t first) {
  if ((first & kLiterals) != 0) return 1;
  return (first & kLongReference) != 0 ? 3 : 2;
}

// Precondition: the header is there.
RunHeader ReadHeader(std::span<const std::byte> stream) {
  const uint8_t first = ByteAt(stream, 0);
  const size_t size = HeaderSize(first);
  if (size == 1) return {.size = size, .length = (first & 0x7fu) + 1, .distance = 0};
  if (size == 3) {
    return {.size = size,
            .length = (first & 0x3fu) + 4,
            .distance = (size_t{ByteAt(stream, 1)} << 8 | ByteAt(stream, 2)) + 1};
  }
  return {.size = size,
          .length = (first >> 2) + size_t{3},
          .distance = ((first & 3u) << 8 | ByteAt(stream, 1)) + 1};
}

}  // namespace

Status UnpackAdc(std::span<const std::byte> stream, std::span<std::byte> out) {
  size_t filled = 0;
  while (filled < out.size()) {
    if (stream.empty() || stream.size() < HeaderSize(ByteAt(stream, 0))) {
      return CorruptImage(StrCat("the ADC stream unpacks to ", filled,
                                 " bytes, less than a cluster (", out.size(), " bytes)"));
    }
    const RunHeader run = ReadHeader(stream);
    stream = stream.subspan(run.size);
    if (run.length > out.size() - filled) {
      return CorruptImage(
          StrCat("the ADC stream unpacks to more than a cluster (", out.size(), " bytes)"));
    }
    if (run.distance > filled || (run.distance == 0 && run.length > stream.size())) {
      return CorruptImage("the ADC stream is damaged");
    }
    std::byte* const to = out.data() + filled;
    if (run.distance == 0) {
      std::copy_n(stream.begin(), run.length, to);
      stream = stream.subspan(run.length);
    } else {
      // Byte by byte: a reference may reach into what it makes.
      for (size_t i = 0; i < run.length; ++i) to[i] = (to - run.distance)[i];
    }
    filled += run.length;
  }
  return OkStatus();
}

}  // namespace hotcell::guest
