#include "tools/hotcell/info_report.h"

#include <ctime>

#include "absl/strings/str_format.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {
namespace {

// "nbd:..." but not "dir/with:colon".
bool HasProtocol(std::string_view path) {
  const size_t found = path.find_first_of(":/");
  return found != std::string_view::npos && path[found] == ':';
}

}  // namespace

std::vector<FoundReference> References(const v1::ImageInfo& image) {
  std::vector<FoundReference> references;
  if (!image.backing_file().empty()) {
    references.push_back({"backing-file", image.backing_file(), image.backing_format()});
  }
  if (image.has_qcow2() && image.qcow2().has_data_file()) {
    references.push_back({"data-file", image.qcow2().data_file(), ""});
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
