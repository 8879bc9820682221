#include "guest/formats/common/utf16.h"

#include <cstdint>

#include "base/utf8.h"
#include "guest/formats/common/endian.h"

namespace hotcell::guest {
namespace {

constexpr uint32_t kReplacement = 0xfffd;

bool IsHighSurrogate(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool IsLowSurrogate(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

}  // namespace

std::string Utf8FromUtf16(std::span<const std::byte> text, std::endian order) {
  const auto unit_at = [&](size_t index) -> uint32_t {
    if (index >= text.size() / 2) return 0;
    return order == std::endian::big ? uint16_t{LoadStruct<Be16>(text, 2 * index)}
                                     : uint16_t{LoadStruct<Le16>(text, 2 * index)};
  };
  std::string out;
  for (size_t i = 0; unit_at(i) != 0; ++i) {
    const uint32_t unit = unit_at(i);
    if (IsHighSurrogate(unit) && IsLowSurrogate(unit_at(i + 1))) {
      ++i;
      AppendUtf8(out, 0x10000 + ((unit - 0xd800) << 10) + (unit_at(i) - 0xdc00));
    } else {
      AppendUtf8(out, IsHighSurrogate(unit) || IsLowSurrogate(unit) ? kReplacement : unit);
    }
  }
  return out;
}

}  // namespace hotcell::guest
