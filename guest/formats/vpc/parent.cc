#include "guest/formats/vpc/parent.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "guest/formats/common/utf16.h"
#include "guest/formats/vpc/footer.h"

namespace hotcell::guest::vpc {
namespace {

constexpr uint32_t kMaxLocatorSize = 4096;

struct Platform {
  uint32_t code;
  std::string_view name;
};

// The platforms, in the order in which their names are tried; an alias ("Mac ") is no name.
constexpr Platform kPlatforms[] = {{kPlatformW2ru, "W2ru"}, {kPlatformMacX, "MacX"},
                                   {kPlatformWi2r, "Wi2r"}, {kPlatformW2ku, "W2ku"},
                                   {kPlatformWi2k, "Wi2k"}, {kPlatformMac, "Mac"}};

std::string CutAtNul(std::string text) {
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

std::string DecodeName(uint32_t platform, std::span<const std::byte> data) {
  std::string name;
  switch (platform) {
    case kPlatformMac:
      return {};
    case kPlatformW2ru:
    case kPlatformW2ku:
      name = Utf8FromUtf16(data, std::endian::little);
      break;
    default:
      name = CutAtNul(std::string(reinterpret_cast<const char*>(data.data()), data.size()));
  }
  if (platform == kPlatformMacX) {
    for (const std::string_view prefix : {"file://localhost", "file://"}) {
      if (!name.starts_with(prefix)) continue;
      name.erase(0, prefix.size());
      break;
    }
  }
  if (platform == kPlatformW2ru || platform == kPlatformWi2r) {
    std::replace(name.begin(), name.end(), '\\', '/');
  }
  return name;
}

Status CheckLocator(const ParentLocator& locator, const Platform& platform,
                    const FileHandle& file) {
  const uint64_t offset = locator.platform_data_offset;
  const uint32_t length = locator.platform_data_length;
  if (length > kMaxLocatorSize) {
    return CorruptImage(StrCat("vpc: the parent locator ", platform.name, " has ", length,
                               " bytes, more than the ", kMaxLocatorSize, " that a name can have"));
  }
  if (InFile(offset, length, file.size)) return OkStatus();
  return CorruptImage(StrCat("vpc: the parent locator ", platform.name, " at ", Hex(offset), " (",
                             length, " bytes) reaches past the end of the file (", file.size,
                             " bytes); the file is truncated or damaged"));
}

void AddName(std::vector<std::string>& names, std::string name) {
  if (name.empty() || std::find(names.begin(), names.end(), name) != names.end()) return;
  names.push_back(std::move(name));
}

}  // namespace

Result<Parent> ReadParent(IoChannel& io, const FileHandle& file, const DynamicHeader& header) {
  Parent parent;
  std::vector<std::string> names;
  std::vector<std::string> absolute;
  for (const Platform& platform : kPlatforms) {
    const bool is_absolute = platform.code == kPlatformW2ku || platform.code == kPlatformWi2k;
    for (const ParentLocator& locator : header.parent_locators) {
      if (locator.platform_code != platform.code || locator.platform_data_length == 0) continue;
      HOTCELL_RETURN_IF_ERROR(CheckLocator(locator, platform, file));
      std::array<std::byte, kMaxLocatorSize> bytes;
      const auto data = std::span(bytes).first(locator.platform_data_length);
      HOTCELL_RETURN_IF_ERROR(
          ReadExact(io, file, locator.platform_data_offset, data, "vpc: a parent locator"));
      AddName(is_absolute ? absolute : names, DecodeName(platform.code, data));
      parent.regions.push_back({.offset = locator.platform_data_offset,
                                .size = locator.platform_data_length,
                                .what = StrCat("the parent locator ", platform.name)});
    }
  }
  AddName(names,
          Utf8FromUtf16(std::as_bytes(std::span(header.parent_unicode_name)), std::endian::big));
  for (std::string& name : absolute) AddName(names, std::move(name));
  if (names.empty()) {
    return CorruptImage("vpc: the disk is a differencing one, but does not name its parent");
  }
  for (const std::string& name : names) {
    if (name.size() <= abi::kMaxReferenceName) continue;
    return CorruptImage(StrCat("vpc: the name of the parent has ", name.size(),
                               " bytes, more than the ", abi::kMaxReferenceName,
                               " that a name can have"));
  }
  parent.reference = {.kind = ReferenceKind::kParent,
                      .name = std::move(names.front()),
                      .format = "vpc",
                      .alternatives = {},
                      .identity = FormatUuid(header.parent_unique_id)};
  parent.reference.alternatives.assign(std::make_move_iterator(names.begin() + 1),
                                       std::make_move_iterator(names.end()));
  return parent;
}

}  // namespace hotcell::guest::vpc
