#include "guest/formats/foreign/foreign.h"

#include <algorithm>

#include "base/text.h"
#include "guest/formats/raw/contents.h"

namespace hotcell::guest::foreign {
namespace {

// Raw's are 1, and 5 with a partition table; disk images' are 100.
constexpr int kSure = 50;
constexpr int kBesidesPartitionTable = 3;

bool Matches(const Signature& signature, std::span<const std::byte> head) {
  if (signature.bytes.empty() || head.size() < signature.offset + signature.bytes.size()) {
    return false;
  }
  return std::equal(signature.bytes.begin(), signature.bytes.end(),
                    head.begin() + static_cast<ptrdiff_t>(signature.offset),
                    [](char a, std::byte b) { return static_cast<std::byte>(a) == b; });
}

}  // namespace

int Score(const Kind& kind, std::span<const std::byte> head) {
  const bool matches =
      std::any_of(std::begin(kind.signatures), std::end(kind.signatures),
                  [head](const Signature& signature) { return Matches(signature, head); });
  if (!matches) return 0;
  return HasPartitionTable(head) ? kBesidesPartitionTable : kSure;
}

Status Refusal(const Kind& kind) {
  return Unsupported(StrCat(kind.name, ": this is ", kind.what, ", not a disk image; ", kind.remedy,
                            ", or take its bytes as they are with -f raw"));
}

}  // namespace hotcell::guest::foreign
