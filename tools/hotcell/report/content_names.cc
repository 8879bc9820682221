#include "tools/hotcell/report/content_names.h"

#include <utility>

#include "tools/hotcell/common/text.h"

namespace hotcell::cli {

std::vector<std::string> ContentNames(const ImageInfo& info) {
  std::vector<std::string> names;
  for (const Signature& content : info.contents) {
    std::string name = ContentName(content);
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
  }
  for (const std::string& format : info.other_formats) names.push_back(Cat(format, " image"));
  return names;
}

}  // namespace hotcell::cli
