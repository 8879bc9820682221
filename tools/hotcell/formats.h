// Names of image formats, for early errors with a suggestion. What an image really is, only the
// guest finds out.
#ifndef HOTCELL_TOOLS_HOTCELL_FORMATS_H_
#define HOTCELL_TOOLS_HOTCELL_FORMATS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/hotcell/json.h"

namespace hotcell::cli {

// A format the transcoder reads / writes.
absl::Status CheckSourceFormat(std::string_view name);
absl::Status CheckTargetFormat(std::string_view name);

// All that are read, in alphabetical order: "bochs qcow2 raw".
std::string FormatNames();

// The text of `-o help`. Precondition: CheckTargetFormat(name).ok().
std::string TargetOptionsHelp(std::string_view name);

// The format's creation.txt (creation_text.h); empty: it has none.
std::string_view CreationOptions(std::string_view name);

// For programs: an array of {"name", "writable", "compressions"}, the last being the -o options
// that choose how -c compresses, empty where the format has no compression. Every format is read.
Json FormatsJson();

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_FORMATS_H_
