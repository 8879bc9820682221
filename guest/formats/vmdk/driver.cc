#include <string_view>

#include "guest/formats/vmdk/on_disk.h"
#include "guest/formats/vmdk/vmdk.h"
#include "guest/formats/vmdk/vmdk_writer.h"

namespace hotcell::guest {
namespace {

// Whether QEMU takes the text for a descriptor: comments and blank lines, then "version=1", 2 or 3.
bool IsDescriptor(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.starts_with('#')) continue;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(' ') == std::string_view::npos) continue;
    return line == "version=1" || line == "version=2" || line == "version=3";
  }
  return false;
}

int Probe(std::span<const std::byte> head, uint64_t /*file_size*/) {
  if (head.size() < sizeof(Le32)) return 0;
  const auto magic = LoadStruct<Le32>(head);
  if (magic == vmdk::kSparseMagic || magic == vmdk::kCowdMagic) return 100;
  return IsDescriptor({reinterpret_cast<const char*>(head.data()), head.size()}) ? 100 : 0;
}

}  // namespace

constinit const FormatDriver kVmdkFormat = {.name = "vmdk",
                                            .probe = Probe,
                                            .open = OpenVmdk,
                                            .create = CreateVmdk,
                                            .check = CheckVmdk,
                                            .survey = SurveyVmdk};

}  // namespace hotcell::guest
