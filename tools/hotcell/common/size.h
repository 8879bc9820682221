// Sizes and numbers as users write them, and sizes as they are shown to people.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_SIZE_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_SIZE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace hotcell::cli {

// Bytes, as qemu-img reads them: a decimal number, with a fraction if you like, and one suffix of
// b, k, M, G, T, P, E in either case (powers of 1024); without a suffix, bytes. Also 0x... without
// suffix or fraction.
absl::StatusOr<uint64_t> ParseSize(std::string_view text);

// ParseSize() for `what`, such as "image size", at most `most`, with errors that name it; acting as
// qemu-img, in qemu-img's words.
absl::StatusOr<uint64_t> ParseSize(std::string_view text, std::string_view what,
                                   uint64_t most = INT64_MAX);

// An unsigned number, decimal or 0x....
absl::StatusOr<uint64_t> ParseNumber(std::string_view text);

// ParseNumber() for the value of an option in `-o`, where qemu-img takes blanks and a plus before
// it, and what begins with 0 for octal.
absl::StatusOr<uint64_t> ParseOptionNumber(std::string_view text);

// Three significant digits and a unit, as qemu-img prints them: "64 MiB", "1.08 MiB", "0 B".
std::string FormatSize(uint64_t bytes);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_SIZE_H_
