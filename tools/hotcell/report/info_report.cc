#include "tools/hotcell/report/info_report.h"

#include <algorithm>
#include <ctime>
#include <iterator>

#include "absl/strings/str_format.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

// "nbd:..." but not "dir/with:colon".
bool HasProtocol(std::string_view path) {
  const size_t found = path.find_first_of(":/");
  return found != std::string_view::npos && path[found] == ':';
}

std::string_view RoleName(ReferenceRole role) {
  switch (role) {
    case ReferenceRole::kBackingFile:
      return "backing-file";
    case ReferenceRole::kDataFile:
      return "data-file";
    case ReferenceRole::kExtent:
      return "extent";
    case ReferenceRole::kParent:
      return "parent";
    default:
      return "unknown";
  }
}

}  // namespace

bool HasDirtyFlag(std::string_view format) {
  constexpr std::string_view kWithout[] = {"bochs", "cloop", "dmg", "parallels"};
  return !ActsAsQemuImg() ||
         std::find(std::begin(kWithout), std::end(kWithout), format) == std::end(kWithout);
}

std::vector<FoundReference> References(const ImageInfo& image) {
  std::vector<FoundReference> references;
  for (const ReferenceInfo& reference : image.references) {
    references.push_back({RoleName(reference.role), reference.name, reference.format});
  }
  return references;
}

std::string FullBackingName(std::string_view image, std::string_view backing) {
  if (backing.empty() || backing.front() == '/' || HasProtocol(backing)) {
    return std::string(backing);
  }
  const size_t slash = image.rfind('/');
  const std::string_view directory =
      slash == std::string_view::npos ? std::string_view() : image.substr(0, slash + 1);
  return Cat(directory, backing);
}

std::string FileName(std::string_view image, const Detail::File& file) {
  return file.bytes ? FullBackingName(image, *file.bytes) : std::string(image);
}

std::vector<Detail> BitmapDetails(const Bitmap& bitmap) {
  std::vector<Detail> details = {
      {.key = "flags", .value = Detail::List()},
      {.key = "name", .value = Detail::Name{bitmap.name}},
      {.key = "granularity", .value = uint64_t{bitmap.granularity}},
  };
  for (const std::string& flag : bitmap.flags) {
    details.front().children.push_back({.key = "", .value = flag});
  }
  return details;
}

std::string FormatDate(uint32_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  struct tm local = {};
  char text[32] = "";
  if (localtime_r(&time, &local) == nullptr) return text;
  (void)std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
  return text;
}

std::string FormatClock(uint64_t nanoseconds) {
  const uint64_t seconds = nanoseconds / 1'000'000'000;
  return absl::StrFormat("%02d:%02d:%02d.%03d", seconds / 3600, seconds / 60 % 60, seconds % 60,
                         nanoseconds / 1'000'000 % 1000);
}

}  // namespace hotcell::cli
