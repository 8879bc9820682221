#include "guest/formats/vmdk/write_options.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/text.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/vmdk/vmdk_writer_descriptor.h"

namespace hotcell::guest::vmdk {
namespace {

// In the order of Subformat.
constexpr std::string_view kSubformats[] = {"monolithicSparse", "monolithicFlat",
                                            "twoGbMaxExtentSparse", "twoGbMaxExtentFlat",
                                            "streamOptimized"};

constexpr std::string_view kNoParent =
    "the output has no parent: its content ID would have to be known";
constexpr std::string_view kHostFile = "space is taken as it is written";

Status CheckText(std::string_view key, std::string_view value) {
  if (FitsInQuotes(value)) return OkStatus();
  return InvalidArgument(
      StrCat("vmdk: option ", key, " has characters that a descriptor cannot hold"));
}

}  // namespace

Result<WriteOptions> ParseWriteOptions(const CreateOptions& options) {
  constexpr std::string_view kAdapters[] = {"ide", "buslogic", "lsilogic", "legacyESX"};
  std::string_view adapter_type = kAdapters[0];
  std::string_view create_type = kSubformats[0];
  std::string_view hardware_version;
  std::string_view tools_version = "2147483647";
  bool version_6 = false;
  bool zeroed_grain = false;

  OptionParser parser("vmdk", options.options);
  parser.Choice("adapter_type", kAdapters, &adapter_type);
  parser.OnOff("compat6", &version_6);
  parser.Text("hwversion", &hardware_version);
  parser.Choice("subformat", kSubformats, &create_type);
  parser.Text("toolsversion", &tools_version);
  parser.OnOff("zeroed_grain", &zeroed_grain);
  parser.Refuse("backing_file", kNoParent);
  parser.Refuse("backing_fmt", kNoParent);
  parser.Refuse("extent_size_hint", kHostFile);
  parser.RefuseUnlessOff("nocow", kHostFile);
  parser.RefuseUnlessOff("preallocation", kHostFile);
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  if (options.backing) return Unsupported(StrCat("vmdk: ", kNoParent));
  HOTCELL_RETURN_IF_ERROR(CheckText("hwversion", hardware_version));
  HOTCELL_RETURN_IF_ERROR(CheckText("toolsversion", tools_version));

  if (version_6 && !hardware_version.empty()) {
    return InvalidArgument("vmdk: compat6 cannot be enabled with hwversion set");
  }
  if (hardware_version.empty()) hardware_version = version_6 ? "6" : "4";
  const auto* const found = std::find(std::begin(kSubformats), std::end(kSubformats), create_type);
  const auto subformat = static_cast<Subformat>(found - std::begin(kSubformats));
  const bool flat =
      subformat == Subformat::kMonolithicFlat || subformat == Subformat::kTwoGbMaxExtentFlat;
  if (flat && zeroed_grain) {
    return InvalidArgument("vmdk: a flat image has no grains, so zeroed_grain=on is not possible");
  }
  if (options.compress && subformat != Subformat::kStreamOptimized) {
    return Unsupported(StrCat("vmdk: ", create_type,
                              " has no compression; -c needs -o subformat=streamOptimized"));
  }
  return WriteOptions{.subformat = subformat,
                      .create_type = std::string(create_type),
                      .adapter_type = std::string(adapter_type),
                      .hardware_version = std::string(hardware_version),
                      .tools_version = std::string(tools_version),
                      .zeroed_grain = zeroed_grain};
}

}  // namespace hotcell::guest::vmdk
