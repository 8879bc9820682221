#include "guest/formats/vmdk/write_options.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "base/text.h"
#include "formats_generated/vmdk_options.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/vmdk/vmdk_writer_descriptor.h"

namespace hotcell::guest::vmdk {
namespace {

constexpr std::string_view kNoParent =
    "the output has no parent: its content ID would have to be known";

// The table has them in the order of Subformat.
Subformat SubformatOf(std::string_view create_type) {
  return static_cast<Subformat>(std::ranges::find(kSubformatChoices, create_type) -
                                std::begin(kSubformatChoices));
}
static_assert(kSubformatChoices[static_cast<size_t>(Subformat::kStreamOptimized)] ==
              "streamOptimized");

Status CheckText(std::string_view key, std::string_view value) {
  if (FitsInQuotes(value)) return OkStatus();
  return InvalidArgument(
      StrCat("vmdk: option ", key, " has characters that a descriptor cannot hold"));
}

}  // namespace

Result<WriteOptions> ParseWriteOptions(const CreateOptions& options) {
  OptionParser parser(kOptions, options.options);
  const std::string_view adapter_type = parser.Choice("adapter_type");
  const bool version_6 = parser.OnOff("compat6");
  std::string_view hardware_version = parser.Text("hwversion");
  const std::string_view create_type = parser.Choice("subformat");
  const std::string_view tools_version = parser.Text("toolsversion");
  const bool zeroed_grain = parser.OnOff("zeroed_grain");
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  const bool has_version = parser.IsGiven("hwversion") && !hardware_version.empty();
  if (options.backing) return Unsupported(StrCat("vmdk: ", kNoParent));
  HOTCELL_RETURN_IF_ERROR(CheckText("hwversion", hardware_version));
  HOTCELL_RETURN_IF_ERROR(CheckText("toolsversion", tools_version));

  if (version_6 && has_version) {
    return InvalidArgument("vmdk: compat6 cannot be enabled with hwversion set");
  }
  if (!has_version) hardware_version = version_6 ? "6" : "4";
  const Subformat subformat = SubformatOf(create_type);
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
