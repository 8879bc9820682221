#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <string>
#include <string_view>

#include "base/text.h"
#include "guest/formats/common/file_region.h"
#include "guest/formats/common/utf16.h"
#include "guest/formats/vhdx/metadata.h"

namespace hotcell::guest::vhdx {
namespace {

constexpr std::string_view kLinkage = "parent_linkage";
// The names of the paths, in the order in which these are tried.
constexpr std::string_view kPaths[] = {"relative_path", "volume_path", "absolute_win32_path"};

Result<std::string> ReadText(std::span<const std::byte> item, uint64_t offset, uint64_t length) {
  if (!InFile(offset, length, item.size())) {
    return CorruptImage(StrCat("vhdx: a text of the parent locator at ", Hex(offset), " (", length,
                               " bytes) reaches past its end (", item.size(), " bytes)"));
  }
  return Utf8FromUtf16(item.subspan(offset, length), std::endian::little);
}

// "{01234567-...}" in either case, as FormatGuid() writes it.
std::string PlainGuid(std::string text) {
  std::erase_if(text, [](char letter) { return letter == '{' || letter == '}'; });
  std::transform(text.begin(), text.end(), text.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter | 0x20) : letter;
  });
  return text;
}

}  // namespace

Result<Reference> ParseParentLocator(std::span<const std::byte> item) {
  if (item.size() < sizeof(ParentLocatorHeader)) {
    return CorruptImage("vhdx: the parent locator is shorter than its header");
  }
  const auto header = LoadStruct<ParentLocatorHeader>(item);
  if (header.LocatorType != kVhdxLocator) {
    return Unsupported("vhdx: the parent locator is of a type that is unknown");
  }
  const uint64_t table_size = header.KeyValueCount * sizeof(ParentLocatorEntry);
  if (!InFile(sizeof(header), table_size, item.size())) {
    return CorruptImage(StrCat("vhdx: the parent locator has ", uint16_t{header.KeyValueCount},
                               " entries, more than its ", item.size(), " bytes hold"));
  }
  Reference parent = {.kind = ReferenceKind::kParent, .format = "vhdx"};
  std::array<std::string, std::size(kPaths)> paths;
  for (size_t i = 0; i < header.KeyValueCount; ++i) {
    const auto entry =
        LoadStruct<ParentLocatorEntry>(item, sizeof(header) + i * sizeof(ParentLocatorEntry));
    const auto key = ReadText(item, entry.KeyOffset, entry.KeyLength);
    if (!key.ok()) return key.status();
    auto value = ReadText(item, entry.ValueOffset, entry.ValueLength);
    if (!value.ok()) return value.status();
    if (*key == kLinkage) parent.identity = PlainGuid(std::move(*value));
    const auto path = std::find(std::begin(kPaths), std::end(kPaths), *key);
    if (path == std::end(kPaths)) continue;
    if (value->size() > abi::kMaxReferenceName) {
      return CorruptImage(StrCat("vhdx: the parent's ", *key, " has ", value->size(),
                                 " bytes, more than the ", abi::kMaxReferenceName,
                                 " that a name can have"));
    }
    paths[static_cast<size_t>(path - std::begin(kPaths))] = std::move(*value);
  }
  std::replace(paths[0].begin(), paths[0].end(), '\\', '/');
  for (std::string& path : paths) {
    if (path.empty()) continue;
    if (parent.name.empty()) {
      parent.name = std::move(path);
    } else {
      parent.alternatives.push_back(std::move(path));
    }
  }
  if (parent.name.empty()) {
    return CorruptImage("vhdx: the disk is a differencing one, but does not name its parent");
  }
  if (parent.identity.empty()) {
    return CorruptImage(
        "vhdx: the parent locator lacks parent_linkage, which says who the parent "
        "is");
  }
  return parent;
}

}  // namespace hotcell::guest::vhdx
