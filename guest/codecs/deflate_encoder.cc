#include "guest/codecs/deflate_encoder.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "guest/codecs/prefix_code.h"

namespace hotcell::guest {
namespace {

// Deflate has matches of three bytes, too. To look for them takes a third of the time and saves
// 0.4%.
constexpr uint32_t kShortest = 3;
constexpr uint32_t kMaxMatch = 258;
constexpr int kLengthBits = 9;  // of a token
constexpr uint32_t kLengthMask = (1u << kLengthBits) - 1;

// How hard to look: candidates for one match, and a length that is good enough to look no further.
constexpr int kSearchDepth = 2;
constexpr uint32_t kGoodLength = 32;

constexpr size_t kMinBlockSize = 5000;  // bytes of data
constexpr size_t kTokensToJudge = 512;  // between looks at where a block should end

constexpr size_t kEndOfBlock = 256;
constexpr size_t kFirstLength = 257;

struct Slot {
  uint8_t symbol;  // less kFirstLength for lengths
  uint8_t extra_bits;
  uint16_t base;
};

// RFC 1951 section 3.2.5.
constexpr std::array<Slot, kMaxMatch + 1> MakeLengthSlots() {
  std::array<Slot, kMaxMatch + 1> slots = {};
  uint32_t length = kShortest;
  for (uint8_t symbol = 0; symbol < 28; ++symbol) {
    const auto extra = static_cast<uint8_t>(symbol < 8 ? 0 : symbol / 4 - 1);
    const auto base = static_cast<uint16_t>(length);
    for (uint32_t i = 0; i < 1u << extra && length <= kMaxMatch; ++i) {
      slots[length++] = {symbol, extra, base};
    }
  }
  slots[kMaxMatch] = {28, 0, kMaxMatch};
  return slots;
}
constexpr std::array<Slot, kMaxMatch + 1> kLengthSlots = MakeLengthSlots();

// The code and the extra bits of a distance, which is at least 1.
Slot DistanceSlot(uint32_t distance) {
  const uint32_t from_zero = distance - 1;
  if (from_zero < 4) {
    return {static_cast<uint8_t>(from_zero), 0, static_cast<uint16_t>(distance)};
  }
  const auto extra = static_cast<uint32_t>(std::bit_width(from_zero)) - 2;
  const uint32_t half = from_zero >> extra;  // 2 or 3
  return {static_cast<uint8_t>(2 * extra + half), static_cast<uint8_t>(extra),
          static_cast<uint16_t>((half << extra) + 1)};
}

// Literals by their two highest bits and their lowest, short and long matches.
size_t Kind(uint32_t token) {
  if (token < kEndOfBlock) return ((token >> 5) & 6) | (token & 1);
  return (token & kLengthMask) < 9 ? 8 : 9;
}

uint32_t Load32(const uint8_t* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

uint64_t Load64(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

uint32_t Hash(uint32_t bytes) { return (bytes * 0x9e3779b1u) >> (32 - DeflateEncoder::kHashBits); }

// Bytes that are the same at `a` and `b`, `limit` at most.
uint32_t CommonLength(const uint8_t* a, const uint8_t* b, uint32_t limit) {
  uint32_t length = 0;
  for (; length + sizeof(uint64_t) <= limit; length += sizeof(uint64_t)) {
    const uint64_t difference = Load64(a + length) ^ Load64(b + length);
    if (difference != 0) {
      return length + static_cast<uint32_t>(std::countr_zero(difference)) / 8;
    }
  }
  while (length < limit && a[length] == b[length]) ++length;
  return length;
}

// The code of a block that brings none, RFC 1951 section 3.2.6.
constexpr std::array<uint8_t, 288> MakeFixedLiteralLengths() {
  std::array<uint8_t, 288> lengths = {};
  for (size_t i = 0; i < lengths.size(); ++i) {
    lengths[i] = static_cast<uint8_t>(i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8);
  }
  return lengths;
}
constexpr std::array<uint8_t, 288> kFixedLiteralLengths = MakeFixedLiteralLengths();
constexpr std::array<uint8_t, 30> kFixedDistanceLengths = [] {
  std::array<uint8_t, 30> lengths = {};
  for (uint8_t& length : lengths) length = 5;
  return lengths;
}();

// The description of a block's two codes, RFC 1951 section 3.2.7.
class CodeDescription {
 public:
  CodeDescription(std::span<const uint8_t> literal_lengths,
                  std::span<const uint8_t> distance_lengths) {
    literal_count_ = Used(literal_lengths, kFirstLength);
    distance_count_ = Used(distance_lengths, 1);
    std::array<uint8_t, 288 + 30> all;
    const auto end = std::copy_n(literal_lengths.begin(), literal_count_, all.begin());
    std::copy_n(distance_lengths.begin(), distance_count_, end);
    Shorten(std::span(all).first(literal_count_ + distance_count_));
    MakeCodeLengths(frequencies_, kMaxLengthOfLengths, lengths_);
    written_count_ = kOrder.size();
    while (written_count_ > 4 && lengths_[kOrder[written_count_ - 1]] == 0) --written_count_;
  }

  uint64_t size() const {  // bits
    uint64_t bits = 5 + 5 + 4 + 3 * written_count_;
    for (size_t symbol = 0; symbol < lengths_.size(); ++symbol) {
      bits += uint64_t{frequencies_[symbol]} * (lengths_[symbol] + ExtraBits(symbol));
    }
    return bits;
  }

  template <typename Writer>
  void Write(Writer& writer) const {
    std::array<uint16_t, 19> codes = {};
    MakeCodes(lengths_, codes);
    writer.Add(literal_count_ - kFirstLength, 5);
    writer.Add(distance_count_ - 1, 5);
    writer.Add(written_count_ - 4, 4);
    writer.Flush();
    for (size_t i = 0; i < written_count_; ++i) {
      writer.Add(lengths_[kOrder[i]], 3);
      writer.Flush();
    }
    for (size_t i = 0; i < item_count_; ++i) {
      const Item item = items_[i];
      writer.Add(codes[item.symbol], lengths_[item.symbol]);
      writer.Add(item.extra, ExtraBits(item.symbol));
      writer.Flush();
    }
  }

 private:
  static constexpr int kMaxLengthOfLengths = 7;
  static constexpr std::array<uint8_t, 19> kOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                     11, 4,  12, 3, 13, 2, 14, 1, 15};
  static constexpr uint8_t kRepeat = 16;      // the one before, 3 to 6 times
  static constexpr uint8_t kZeroes = 17;      // 3 to 10
  static constexpr uint8_t kManyZeroes = 18;  // 11 to 138
  struct Item {
    uint8_t symbol;
    uint8_t extra;
  };

  static int ExtraBits(size_t symbol) {
    return symbol == kRepeat ? 2 : symbol == kZeroes ? 3 : symbol == kManyZeroes ? 7 : 0;
  }

  // How many of the lengths are written: at least `least`, and all up to the last that has a code.
  static size_t Used(std::span<const uint8_t> lengths, size_t least) {
    size_t count = lengths.size();
    while (count > least && lengths[count - 1] == 0) --count;
    return count;
  }

  void AddItem(uint8_t symbol, size_t extra = 0) {
    items_[item_count_++] = {symbol, static_cast<uint8_t>(extra)};
    ++frequencies_[symbol];
  }

  void Shorten(std::span<const uint8_t> lengths) {
    for (size_t at = 0; at < lengths.size();) {
      const uint8_t length = lengths[at];
      size_t run = 1;
      while (at + run < lengths.size() && lengths[at + run] == length) ++run;
      at += run;
      if (length == 0) {
        for (; run >= 11; run -= std::min<size_t>(run, 138)) {
          AddItem(kManyZeroes, std::min<size_t>(run, 138) - 11);
        }
        if (run >= 3) {
          AddItem(kZeroes, run - 3);
          run = 0;
        }
      } else {
        AddItem(length);
        for (--run; run >= 3; run -= std::min<size_t>(run, 6)) {
          AddItem(kRepeat, std::min<size_t>(run, 6) - 3);
        }
      }
      for (; run > 0; --run) AddItem(length);
    }
  }

  size_t literal_count_ = 0;
  size_t distance_count_ = 0;
  size_t written_count_ = 0;
  std::array<Item, 288 + 30> items_;
  size_t item_count_ = 0;
  std::array<uint32_t, 19> frequencies_ = {};
  std::array<uint8_t, 19> lengths_ = {};
};

}  // namespace

// Bits go out lowest first. Between two calls of Flush() at most 56 may be added.
class DeflateEncoder::BitWriter {
 public:
  explicit BitWriter(std::span<std::byte> out)
      : begin_(out.data()), at_(out.data()), end_(out.data() + out.size()) {}

  uint64_t bits_left() const { return 8 * static_cast<uint64_t>(end_ - at_) - count_; }

  void Add(uint64_t bits, int count) {
    bits_ |= bits << count_;
    count_ += static_cast<unsigned>(count);
  }

  // Leaves fewer than 8 bits. The caller has seen that there is room for all that it adds.
  void Flush() {
    if (end_ - at_ >= static_cast<ptrdiff_t>(sizeof(bits_))) {
      std::memcpy(at_, &bits_, sizeof(bits_));
      at_ += count_ / 8;
      bits_ >>= count_ & ~7u;
      count_ %= 8;
      return;
    }
    for (; count_ >= 8; count_ -= 8, bits_ >>= 8) *at_++ = static_cast<std::byte>(bits_);
  }

  // Bytes written, the last filled up with zeroes.
  size_t Finish() {
    Flush();
    if (count_ > 0) *at_++ = static_cast<std::byte>(bits_);
    return static_cast<size_t>(at_ - begin_);
  }

 private:
  std::byte* begin_;
  std::byte* at_;
  std::byte* end_;
  uint64_t bits_ = 0;
  unsigned count_ = 0;
};

size_t DeflateEncoder::Compress(std::span<const std::byte> data, std::span<std::byte> out) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(data.data());
  const size_t size = data.size();
  // The last bytes, where less than a load is left, are literals.
  const size_t searched = size - std::min(size, sizeof(uint64_t));
  last_.fill(0);
  earlier_.fill(0);
  BitWriter writer(out);
  StartBlock();
  size_t block_begin = 0;
  size_t at = 0;
  while (at < size) {
    const Match match = at < searched ? FindAndInsert(bytes, at, size) : Match();
    if (match.length == 0) {
      AddLiteral(bytes[at++]);
    } else {
      AddMatch(match);
      const size_t end = at + match.length;
      const size_t inserted_end = std::min(end, searched);
      for (++at; at < inserted_end; ++at) Insert(bytes, at);
      at = end;
    }
    if (token_count_ < judged_count_ + kTokensToJudge || at == size) continue;
    if (BlockShouldEnd(at - block_begin) || token_count_ + kTokensToJudge > kMaxTokens) {
      if (!WriteBlock(writer, /*last=*/false)) return 0;
      StartBlock();
      block_begin = at;
    }
  }
  if (!WriteBlock(writer, /*last=*/true)) return 0;
  return writer.Finish();
}

void DeflateEncoder::StartBlock() {
  token_count_ = 0;
  literal_frequencies_.fill(0);
  distance_frequencies_.fill(0);
  literal_frequencies_[kEndOfBlock] = 1;
  kinds_.fill(0);
  judged_count_ = 0;
}

[[gnu::always_inline]] inline void DeflateEncoder::Insert(const uint8_t* data, size_t at) {
  uint16_t& last = last_[Hash(Load32(data + at))];
  earlier_[at % kWindowSize] = last;
  last = static_cast<uint16_t>(at);
}

// The longest match at `at` of the candidates, and the nearest of those.
[[gnu::always_inline]] inline DeflateEncoder::Match DeflateEncoder::FindAndInsert(
    const uint8_t* data, size_t at, size_t size) {
  const uint8_t* const here = data + at;
  const uint32_t next = Load32(here);
  uint16_t& last = last_[Hash(next)];
  const auto position = static_cast<uint16_t>(at);
  uint32_t distance = static_cast<uint16_t>(position - last);
  earlier_[at % kWindowSize] = last;
  last = position;

  const auto reach = static_cast<uint32_t>(std::min<size_t>(at, kWindowSize - 1));
  const auto limit = static_cast<uint32_t>(std::min<size_t>(size - at, kMaxMatch));
  Match best;
  for (int depth = 0; depth < kSearchDepth && distance - 1 < reach; ++depth) {
    if (Load32(here - distance) == next) {
      const uint32_t length = CommonLength(here, here - distance, limit);
      if (length > best.length) best = {length, distance};
      if (length >= kGoodLength) break;
    }
    distance = static_cast<uint16_t>(position - earlier_[(at - distance) % kWindowSize]);
  }
  return best;
}

[[gnu::always_inline]] inline void DeflateEncoder::AddLiteral(uint8_t byte) {
  tokens_[token_count_++] = byte;
  ++literal_frequencies_[byte];
}

[[gnu::always_inline]] inline void DeflateEncoder::AddMatch(Match match) {
  tokens_[token_count_++] = (match.distance << kLengthBits) | match.length;
  ++literal_frequencies_[kFirstLength + kLengthSlots[match.length].symbol];
  ++distance_frequencies_[DistanceSlot(match.distance).symbol];
}

// Whether what came last differs so much from the rest of the block that codes of its own pay.
bool DeflateEncoder::BlockShouldEnd(size_t block_size) {
  std::array<uint32_t, kKinds> new_kinds = {};
  for (size_t i = judged_count_; i < token_count_; ++i) ++new_kinds[Kind(tokens_[i])];
  bool end = false;
  if (judged_count_ > 0 && block_size >= kMinBlockSize) {
    const size_t new_count = token_count_ - judged_count_;
    uint64_t difference = 0;
    for (size_t i = 0; i < kKinds; ++i) {
      const uint64_t expected = uint64_t{kinds_[i]} * new_count;
      const uint64_t actual = uint64_t{new_kinds[i]} * judged_count_;
      difference += expected > actual ? expected - actual : actual - expected;
    }
    end = difference >= uint64_t{new_count} * judged_count_ * 2 / 5;
  }
  for (size_t i = 0; i < kKinds; ++i) kinds_[i] += new_kinds[i];
  judged_count_ = token_count_;
  return end;
}

// False when there is no room for it.
bool DeflateEncoder::WriteBlock(BitWriter& writer, bool last) {
  std::array<uint8_t, kLiteralSymbols> literal_lengths;
  std::array<uint8_t, kDistanceSymbols> distance_lengths;
  // The two last symbols of the alphabet are only there for the fixed code.
  MakeCodeLengths(std::span(literal_frequencies_).first(286), kMaxCodeLength, literal_lengths);
  MakeCodeLengths(distance_frequencies_, kMaxCodeLength, distance_lengths);
  const CodeDescription description(literal_lengths, distance_lengths);

  uint64_t bits = description.size();
  uint64_t fixed_bits = 0;
  for (size_t i = 0; i < kLiteralSymbols; ++i) {
    bits += uint64_t{literal_frequencies_[i]} * literal_lengths[i];
    fixed_bits += uint64_t{literal_frequencies_[i]} * kFixedLiteralLengths[i];
  }
  for (size_t i = 0; i < kDistanceSymbols; ++i) {
    bits += uint64_t{distance_frequencies_[i]} * distance_lengths[i];
    fixed_bits += uint64_t{distance_frequencies_[i]} * kFixedDistanceLengths[i];
  }
  uint64_t extra_bits = 0;
  for (size_t i = kFirstLength + 8; i < kFirstLength + 28; ++i) {
    extra_bits += uint64_t{literal_frequencies_[i]} * ((i - kFirstLength) / 4 - 1);
  }
  for (size_t i = 4; i < kDistanceSymbols; ++i) {
    extra_bits += uint64_t{distance_frequencies_[i]} * (i / 2 - 1);
  }

  constexpr int kHeaderBits = 3;
  constexpr uint64_t kFixed = 1;
  constexpr uint64_t kDynamic = 2;
  const bool fixed = fixed_bits < bits;
  if (kHeaderBits + std::min(bits, fixed_bits) + extra_bits > writer.bits_left()) return false;
  writer.Add((last ? 1 : 0) | (fixed ? kFixed : kDynamic) << 1, kHeaderBits);
  if (fixed) {
    WriteTokens(writer, kFixedLiteralLengths, kFixedDistanceLengths);
  } else {
    description.Write(writer);
    WriteTokens(writer, literal_lengths, distance_lengths);
  }
  return true;
}

void DeflateEncoder::WriteTokens(BitWriter& writer, std::span<const uint8_t> literal_lengths,
                                 std::span<const uint8_t> distance_lengths) {
  std::array<uint16_t, kLiteralSymbols> literal_codes = {};
  std::array<uint16_t, kDistanceSymbols> distance_codes = {};
  MakeCodes(literal_lengths, literal_codes);
  MakeCodes(distance_lengths, distance_codes);
  // Codes of match lengths with their extra bits.
  struct Bits {
    uint32_t bits;
    int count;
  };
  std::array<Bits, kMaxMatch + 1> length_bits;
  for (uint32_t length = kShortest; length <= kMaxMatch; ++length) {
    const Slot slot = kLengthSlots[length];
    const size_t symbol = kFirstLength + slot.symbol;
    length_bits[length] = {literal_codes[symbol] | (length - slot.base) << literal_lengths[symbol],
                           literal_lengths[symbol] + slot.extra_bits};
  }
  for (const uint32_t token : std::span(tokens_).first(token_count_)) {
    const uint32_t distance = token >> kLengthBits;
    if (distance == 0) {
      writer.Add(literal_codes[token], literal_lengths[token]);
    } else {
      const Bits length = length_bits[token & kLengthMask];
      writer.Add(length.bits, length.count);
      const Slot slot = DistanceSlot(distance);
      writer.Add(distance_codes[slot.symbol], distance_lengths[slot.symbol]);
      writer.Add(distance - slot.base, slot.extra_bits);
    }
    writer.Flush();
  }
  writer.Add(literal_codes[kEndOfBlock], literal_lengths[kEndOfBlock]);
  writer.Flush();
}

}  // namespace hotcell::guest
