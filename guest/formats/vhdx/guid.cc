#include "guest/formats/vhdx/guid.h"

#include <string_view>

namespace hotcell::guest::vhdx {

std::string FormatGuid(const Guid& guid) {
  constexpr size_t kTextOrder[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < guid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    const uint8_t byte = guid[kTextOrder[i]];
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

}  // namespace hotcell::guest::vhdx
