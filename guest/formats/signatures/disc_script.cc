#include "guest/formats/signatures/disc_script.h"

#include <algorithm>
#include <string_view>

namespace hotcell::guest {

std::optional<SignatureKind> DiscScriptOf(std::span<const std::byte> head) {
  std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
  // "=" and a UUID follow; "-ms", "-bourne" and the like may come before them.
  if (text.starts_with("--iprt-iso-maker-file-marker")) return SignatureKind::kVisoScript;
  if (text.starts_with("FILE ") || text.starts_with("FILE\t")) return SignatureKind::kCueSheet;
  return std::nullopt;
}

}  // namespace hotcell::guest
