#include "guest/formats/common/derived_uuid.h"

#include <cstdint>
#include <cstring>
#include <string>

#include "base/text.h"

namespace hotcell::guest {
namespace {

// FNV-1a, and the finish of SplitMix64, so that few differing bytes change all of the result.
uint64_t Hash(std::string_view text, uint64_t seed) {
  uint64_t hash = 0xcbf2'9ce4'8422'2325 ^ seed;
  for (const char byte : text) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x0000'0100'0000'01b3;
  }
  hash = (hash ^ (hash >> 30)) * 0xbf58'476d'1ce4'e5b9;
  hash = (hash ^ (hash >> 27)) * 0x94d0'49bb'1331'11eb;
  return hash ^ (hash >> 31);
}

}  // namespace

std::array<std::byte, 16> DeriveUuid(std::string_view purpose, const CreateOptions& options) {
  const auto zero = std::string_view("\0", 1);
  std::string text = StrCat(purpose, zero, options.name, zero, options.virtual_size);
  for (const FormatOption& option : options.options) {
    text += StrCat(zero, option.key, "=", option.value);
  }
  const std::array<uint64_t, 2> halves = {Hash(text, 0), Hash(text, 1)};
  std::array<std::byte, 16> uuid;
  std::memcpy(uuid.data(), halves.data(), uuid.size());
  uuid[6] = (uuid[6] & std::byte{0x0f}) | std::byte{0x80};  // version 8
  uuid[8] = (uuid[8] & std::byte{0x3f}) | std::byte{0x80};  // the variant of RFC 9562
  return uuid;
}

}  // namespace hotcell::guest
