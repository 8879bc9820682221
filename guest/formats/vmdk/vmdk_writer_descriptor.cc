#include "guest/formats/vmdk/vmdk_writer_descriptor.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace hotcell::guest::vmdk {
namespace {

constexpr uint64_t kSectorSize = 512;
constexpr uint64_t kSectorsPerTrack = 63;

std::string EightDigits(uint32_t value) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, 16).ptr;
  const std::string_view text(digits, static_cast<size_t>(end - digits));
  return std::string(sizeof(digits) - text.size(), '0').append(text);
}

}  // namespace

bool FitsInQuotes(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return c == '"' || static_cast<uint8_t>(c) < ' ' || c == '\x7f';
  });
}

uint32_t ContentId::value() const {
  const auto folded = static_cast<uint32_t>(state_ ^ (state_ >> 32));
  return folded >= 0xfffffffe || folded == 0 ? 1 : folded;
}

std::string MakeDescriptor(const WriteOptions& options, uint64_t virtual_size, uint32_t content_id,
                           std::span<const DescribedExtent> extents) {
  // VMware makes disks of 255 heads with all other adapters.
  const uint64_t heads = options.adapter_type == "ide" ? 16 : 255;
  const uint64_t cylinders = virtual_size / (heads * kSectorsPerTrack * kSectorSize);
  std::string text = StrCat(
      "# Disk DescriptorFile\n"
      "version=1\n"
      "CID=",
      EightDigits(content_id),
      "\n"
      "parentCID=ffffffff\n"
      "createType=\"",
      options.create_type,
      "\"\n"
      "\n"
      "# Extent description\n");
  for (const DescribedExtent& extent : extents) {
    text += StrCat("RW ", extent.sectors, " ", extent.type, " \"", extent.name, "\"",
                   extent.type == "FLAT" ? " 0\n" : "\n");
  }
  text += StrCat(
      "\n"
      "# The Disk Data Base\n"
      "#DDB\n"
      "\n"
      "ddb.virtualHWVersion = \"",
      options.hardware_version, "\"\nddb.geometry.cylinders = \"", cylinders,
      "\"\nddb.geometry.heads = \"", heads, "\"\nddb.geometry.sectors = \"", kSectorsPerTrack,
      "\"\nddb.adapterType = \"", options.adapter_type, "\"\nddb.toolsVersion = \"",
      options.tools_version, "\"\n");
  return text;
}

}  // namespace hotcell::guest::vmdk
