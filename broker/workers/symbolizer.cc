#include "broker/workers/symbolizer.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace hotcell::broker {
namespace {

// Farther than this from a function's start is not in it: data, heap or stack.
constexpr uint64_t kLongestFunction = 256 << 10;

constexpr Symbol kBuiltinSymbols[] = {
#include "builtin_symbols.inc"
};

}  // namespace

std::span<const Symbol> BuiltinSymbols() { return kBuiltinSymbols; }

std::string Symbolize(uint64_t address, std::span<const Symbol> symbols) {
  const auto next =
      std::upper_bound(symbols.begin(), symbols.end(), address,
                       [](uint64_t value, const Symbol& symbol) { return value < symbol.address; });
  if (next == symbols.begin()) return absl::StrFormat("0x%x", address);
  const Symbol& symbol = *(next - 1);
  if (address - symbol.address > kLongestFunction) return absl::StrFormat("0x%x", address);
  return absl::StrFormat("%s+0x%x", symbol.name, address - symbol.address);
}

}  // namespace hotcell::broker
