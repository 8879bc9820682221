#include "guest/codecs/prefix_code.h"

#include <algorithm>
#include <array>

namespace hotcell::guest {
namespace {

// A symbol that occurs: the frequency above, the symbol below, so that numbers sort as they should.
constexpr int kSymbolBits = 9;
constexpr uint64_t kSymbolMask = (1u << kSymbolBits) - 1;

// Depths of the leaves of a minimum redundancy tree, in place of their weights, which ascend:
// A. Moffat and J. Katajainen, "In-place calculation of minimum-redundancy codes" (1995).
void WeightsToDepths(std::span<uint32_t> a) {
  const size_t count = a.size();
  // Weights of the inner nodes take the leaves' places, and then give way to links to their
  // parents.
  size_t leaf = 0;
  size_t root = 0;
  const auto take_lightest = [&](size_t next) {
    if (leaf < count && (root >= next || a[leaf] <= a[root])) return a[leaf++];
    const uint32_t weight = a[root];
    a[root++] = static_cast<uint32_t>(next);
    return weight;
  };
  for (size_t next = 0; next + 1 < count; ++next) {
    const uint32_t first = take_lightest(next);
    a[next] = first + take_lightest(next);
  }
  // Links become depths of inner nodes, from the root down.
  a[count - 2] = 0;
  for (size_t next = count - 2; next-- > 0;) a[next] = a[a[next]] + 1;
  // Depths of inner nodes become those of leaves, which take what places a level leaves them.
  size_t free_places = 1;
  size_t inner = count - 1;
  size_t out = count;
  for (uint32_t depth = 0; free_places > 0; ++depth) {
    size_t used = 0;
    for (; inner > 0 && a[inner - 1] == depth; --inner) ++used;
    for (size_t leaves = free_places - used; leaves > 0; --leaves) a[--out] = depth;
    free_places = 2 * used;
  }
}

}  // namespace

void MakeCodeLengths(std::span<const uint32_t> frequencies, int max_length,
                     std::span<uint8_t> lengths) {
  std::array<uint64_t, kMaxSymbols> symbols;
  size_t count = 0;
  for (size_t symbol = 0; symbol < frequencies.size(); ++symbol) {
    if (frequencies[symbol] != 0) {
      symbols[count++] = (uint64_t{frequencies[symbol]} << kSymbolBits) | symbol;
    }
  }
  for (size_t symbol = 0; count < 2; ++symbol) {
    if (frequencies[symbol] == 0) symbols[count++] = (1u << kSymbolBits) | symbol;
  }
  std::sort(symbols.begin(), symbols.begin() + static_cast<ptrdiff_t>(count));

  std::array<uint32_t, kMaxSymbols> depths;
  for (size_t i = 0; i < count; ++i) {
    depths[i] = static_cast<uint32_t>(symbols[i] >> kSymbolBits);
  }
  WeightsToDepths(std::span(depths).first(count));

  // How many codes there are of each length. Those too long are cut, which promises more codes than
  // there are; each shorter code that becomes two longer ones makes room for one of them.
  std::array<uint32_t, kMaxCodeLength + 1> with_length = {};
  const auto longest = static_cast<uint32_t>(max_length);
  uint32_t promised = 0;  // in codes of the greatest length
  for (size_t i = 0; i < count; ++i) {
    const uint32_t length = std::min(depths[i], longest);
    ++with_length[length];
    promised += 1u << (longest - length);
  }
  for (; promised > 1u << longest; --promised) {
    uint32_t length = longest - 1;
    while (with_length[length] == 0) --length;
    --with_length[length];
    with_length[length + 1] += 2;
    --with_length[longest];
  }

  std::ranges::fill(lengths, uint8_t{0});
  size_t next = 0;
  for (uint32_t length = longest; length > 0; --length) {
    for (uint32_t i = 0; i < with_length[length]; ++i) {
      lengths[symbols[next++] & kSymbolMask] = static_cast<uint8_t>(length);
    }
  }
}

void MakeCodes(std::span<const uint8_t> lengths, std::span<uint16_t> codes) {
  std::array<uint32_t, kMaxCodeLength + 2> next = {};
  for (const uint8_t length : lengths) next[length + 1u] += length != 0;
  for (size_t length = 1; length < next.size(); ++length) {
    next[length] = (next[length] + next[length - 1]) << 1;
  }
  // next[n] counted the codes of n - 1 bits, so it is now the first code of n bits.
  for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
    const uint8_t length = lengths[symbol];
    if (length == 0) continue;
    uint32_t code = next[length]++;
    uint32_t reversed = 0;
    for (uint8_t bit = 0; bit < length; ++bit, code >>= 1) reversed = (reversed << 1) | (code & 1);
    codes[symbol] = static_cast<uint16_t>(reversed);
  }
}

}  // namespace hotcell::guest
