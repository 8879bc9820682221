#include "guest/formats/dmg/property_list.h"

#include <array>
#include <string_view>

namespace hotcell::guest::dmg {
namespace {

constexpr int8_t kNoSymbol = -1;

constexpr std::array<int8_t, 256> MakeSymbols() {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::array<int8_t, 256> symbols = {};
  symbols.fill(kNoSymbol);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    symbols[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  return symbols;
}

constexpr std::array<int8_t, 256> kSymbols = MakeSymbols();

bool IsSpace(char symbol) {
  return symbol == ' ' || symbol == '\t' || symbol == '\n' || symbol == '\r';
}

// `tag` may be cut.
bool IsOdd(std::string_view tag) {
  if (tag.starts_with('!')) return !tag.starts_with("!DOCTYPE plist P");
  for (const std::string_view name : {"key", "data", "array", "/array"}) {
    if (tag.size() > name.size() && tag.starts_with(name) && IsSpace(tag[name.size()])) return true;
  }
  return false;
}

}  // namespace

Status PropertyListScanner::TakeBase64(char symbol) {
  if (IsSpace(symbol)) return OkStatus();
  const int8_t value = kSymbols[static_cast<unsigned char>(symbol)];
  if (symbol == '=') {
    padded_ = true;
    return OkStatus();
  }
  if (scope_ == Scope::kEvery) {
    if (value == kNoSymbol) return OkStatus();  // as in QEMU
  } else if (value == kNoSymbol || padded_) {
    return CorruptImage("dmg: a block table in the property list is not valid base64");
  }
  bits_ = bits_ << 6 | static_cast<uint32_t>(value);
  bit_count_ += 6;
  if (bit_count_ < 8) return OkStatus();
  bit_count_ -= 8;
  const auto byte = static_cast<std::byte>(bits_ >> bit_count_ & 0xff);
  return table_.Feed({&byte, 1});
}

Status PropertyListScanner::EndTag() {
  state_ = State::kText;
  has_odd_markup_ = has_odd_markup_ || IsOdd(tag_);
  in_key_ = tag_ == "key";
  if (in_key_) {
    key_.clear();
  } else if (tag_ == "array" && (arrays_ > 0 || key_ == "blkx")) {
    ++arrays_;
  } else if (tag_ == "/array" && arrays_ > 0) {
    --arrays_;
    key_.clear();
  } else if (tag_ == "data" && (scope_ == Scope::kEvery || (arrays_ > 0 && key_ == "Data"))) {
    state_ = State::kData;
    bits_ = bit_count_ = 0;
    padded_ = false;
    table_.BeginResource();
  }
  return OkStatus();
}

Status PropertyListScanner::Feed(std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    const char symbol = static_cast<char>(byte);
    switch (state_) {
      case State::kText:
        if (symbol == '<') {
          state_ = State::kTag;
          tag_.clear();
        } else if (in_key_ && key_.size() < kMaxName) {
          key_.push_back(symbol);
        }
        break;
      case State::kTag:
        if (symbol == '>') {
          HOTCELL_RETURN_IF_ERROR(EndTag());
        } else if (tag_.size() < kMaxName) {
          tag_.push_back(symbol);
        }
        break;
      case State::kData:
        if (symbol == '<') {
          HOTCELL_RETURN_IF_ERROR(table_.EndResource());
          state_ = State::kTag;
          tag_.clear();
        } else {
          HOTCELL_RETURN_IF_ERROR(TakeBase64(symbol));
        }
        break;
    }
  }
  return OkStatus();
}

Status PropertyListScanner::Finish() {
  if (state_ != State::kData) return OkStatus();
  return CorruptImage("dmg: the property list ends within a block table");
}

}  // namespace hotcell::guest::dmg
