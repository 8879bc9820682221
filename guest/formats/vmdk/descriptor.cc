#include "guest/formats/vmdk/descriptor.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "guest/formats/vmdk/on_disk.h"
#include "guest/runtime/common/io.h"

namespace hotcell::guest::vmdk {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Cuts the first word off `line`.
std::string_view TakeWord(std::string_view& line) {
  line = Trim(line);
  const size_t size = std::min(line.find_first_of(kBlanks), line.size());
  const std::string_view word = line.substr(0, size);
  line.remove_prefix(size);
  return word;
}

template <typename T>
std::optional<T> ParseNumber(std::string_view text, int base) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

char ToLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return ToLower(x) == ToLower(y); });
}

class Parser {
 public:
  Status ParseLine(std::string_view line);
  Descriptor Take() { return std::move(descriptor_); }

 private:
  Status ParseExtent(std::string_view line);
  Status ParseSetting(std::string_view key, std::string_view value);
  Status SetCid(std::string_view key, std::string_view value, std::optional<uint32_t>& cid);

  Descriptor descriptor_;
  uint64_t sectors_ = 0;  // of all extents
};

Status Malformed(std::string_view line) {
  return CorruptImage(StrCat("vmdk: the descriptor's extent line '", line, "' is malformed"));
}

Status Twice(std::string_view key) {
  return CorruptImage(StrCat("vmdk: the descriptor gives ", key, " twice"));
}

// RW 4192256 SPARSE "name" or RW 100 FLAT "name" 0, possibly with an ID of a partition and of a
// device behind.
Status Parser::ParseExtent(std::string_view line) {
  std::string_view rest = line;
  ExtentLine extent;
  extent.access = TakeWord(rest);
  const std::optional<uint64_t> sectors = ParseNumber<uint64_t>(TakeWord(rest), 10);
  extent.type = TakeWord(rest);
  if (!sectors || *sectors == 0 || extent.type.empty()) return Malformed(line);
  extent.sectors = *sectors;
  if (extent.sectors > kMaxCapacity - sectors_) {
    return CorruptImage(StrCat("vmdk: the descriptor's extents together have more than ",
                               kMaxCapacity, " sectors"));
  }
  sectors_ += extent.sectors;

  rest = Trim(rest);
  if (extent.type == "ZERO" && rest.empty()) {
    descriptor_.extents.push_back(std::move(extent));
    return OkStatus();
  }
  const size_t name_end =
      rest.empty() || rest[0] != '"' ? std::string_view::npos : rest.find('"', 1);
  if (name_end == std::string_view::npos || name_end == 1) return Malformed(line);
  extent.name = rest.substr(1, name_end - 1);
  if (extent.name.size() > abi::kMaxReferenceName) return Malformed(line);
  rest.remove_prefix(name_end + 1);
  const std::string_view offset = TakeWord(rest);
  if (!offset.empty()) {
    const std::optional<uint64_t> value = ParseNumber<uint64_t>(offset, 10);
    if (!value || *value > kMaxCapacity - extent.sectors) return Malformed(line);
    extent.offset = *value;
  } else if (extent.type == "FLAT") {
    return Malformed(line);
  }
  descriptor_.extents.push_back(std::move(extent));
  return OkStatus();
}

Status Parser::SetCid(std::string_view key, std::string_view value, std::optional<uint32_t>& cid) {
  if (cid) return Twice(key);
  cid = ParseNumber<uint32_t>(value, 16);
  if (cid) return OkStatus();
  return CorruptImage(StrCat("vmdk: the descriptor's ", key, " '", value,
                             "' is not a hexadecimal number of 32 bits"));
}

// Whether the UUID is nothing but zeroes, as VirtualBox writes it where there is none.
bool IsNullUuid(std::string_view text) {
  return text.find_first_not_of("0-{}") == std::string_view::npos;
}

// VMware takes keys in any case.
Status Parser::ParseSetting(std::string_view key, std::string_view value) {
  if (EqualsIgnoringCase(key, "CID")) return SetCid(key, value, descriptor_.cid);
  if (EqualsIgnoringCase(key, "parentCID")) return SetCid(key, value, descriptor_.parent_cid);
  if (EqualsIgnoringCase(key, "createType")) {
    if (!descriptor_.create_type.empty()) return Twice(key);
    descriptor_.create_type = value;
  } else if (EqualsIgnoringCase(key, "parentFileNameHint")) {
    if (descriptor_.parent_hint) return Twice(key);
    if (value.empty() || value.size() > abi::kMaxReferenceName) {
      return CorruptImage(StrCat("vmdk: the parent's name has ", value.size(), " bytes; 1 to ",
                                 abi::kMaxReferenceName, " are possible"));
    }
    descriptor_.parent_hint = value;
  } else if (EqualsIgnoringCase(key, "ddb.uuid.parent") && !IsNullUuid(value)) {
    descriptor_.parent_uuid = value;
  }
  return OkStatus();
}

Status Parser::ParseLine(std::string_view line) {
  line = Trim(line);
  if (line.empty() || line[0] == '#') return OkStatus();
  std::string_view rest = line;
  const std::string_view word = TakeWord(rest);
  if (word == "RW" || word == "RDONLY" || word == "NOACCESS") {
    if (descriptor_.extents.size() == kMaxExtents) {
      return LimitExceeded(StrCat("vmdk: the disk consists of more than ", kMaxExtents,
                                  " extents, which is more files than a job may have open"));
    }
    return ParseExtent(line);
  }
  const size_t equals = line.find('=');
  if (equals == std::string_view::npos) return OkStatus();
  std::string_view value = Trim(line.substr(equals + 1));
  if (!value.empty() && value[0] == '"') {
    const size_t end = value.find('"', 1);
    if (end == std::string_view::npos) {
      return CorruptImage(StrCat("vmdk: the descriptor's line '", line, "' lacks a quote"));
    }
    value = value.substr(1, end - 1);
  }
  return ParseSetting(Trim(line.substr(0, equals)), value);
}

}  // namespace

Result<Descriptor> ParseDescriptor(std::string_view text) {
  text = text.substr(0, text.find('\0'));
  Parser parser;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    HOTCELL_RETURN_IF_ERROR(parser.ParseLine(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.Take();
}

size_t FindHiddenText(std::string_view text) {
  constexpr size_t kMaxLeftover = 6;  // "%x" of 32 bits has 1 to 8 digits
  const size_t nul = text.find('\0');
  const size_t last = text.find_last_not_of('\0');
  if (nul == std::string_view::npos || last == std::string_view::npos || last < nul) {
    return std::string_view::npos;
  }
  const std::string_view rest = text.substr(nul + 1, last - nul);
  const bool leftover = rest.size() <= kMaxLeftover && text.substr(0, nul).ends_with(rest);
  return leftover ? std::string_view::npos : nul;
}

std::string CidText(uint32_t cid) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof(digits), cid, 16).ptr;
  const auto size = static_cast<size_t>(end - digits);
  return std::string(sizeof(digits) - size, '0').append(digits, size);
}

}  // namespace hotcell::guest::vmdk
