// Names of image formats, for early errors with a suggestion. What an image really is, only the
// guest finds out.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_FORMATS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_FORMATS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {

// A format the transcoder reads / writes. "file" and "host_device", by which qemu-img means the
// bytes as they are, are raw.
absl::Status SetSourceFormat(std::string_view name, std::string& format);
absl::Status SetTargetFormat(std::string_view name, std::string& format);

// All that are read, in alphabetical order: "bochs qcow2 raw".
std::string FormatNames();

// The text of `-o help`, in qemu-img's form when acting as it. Precondition: `name` is the name of
// a format that is written.
std::string TargetOptionsHelp(std::string_view name);

// What `create` prints of one option of a new image (creation_text.h).
struct PrintedOption {
  enum class Kind : uint8_t { kText, kNumber, kSize };

  std::string_view name;
  Kind kind = Kind::kText;
  std::optional<std::string_view> value;  // when it is not given; nullopt: nothing is printed then
};

// Those of a format in the order in which they are printed; empty: it is not written.
std::span<const PrintedOption> CreationOptions(std::string_view name);

// The formats for programs: an array of {"name", "writable", "compressions"}, the last being the -o
// options that choose how -c compresses, empty where the format has no compression. Every format is
// read.
Json FormatsJson();

// For the completions: an array of {"name", "writable", "options"}, the last an array of
// {"name", "type", "text", "values"} with qemu-img's words for types; the values are those that are
// words.
Json FormatOptionsJson();

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_FORMATS_H_
