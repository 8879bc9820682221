// What a fuzz target says when something that must hold does not.
#ifndef HOTCELL_TOOLS_FUZZERS_CHECK_H_
#define HOTCELL_TOOLS_FUZZERS_CHECK_H_

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace hotcell::fuzz {

// Ends the process so that the fuzzer keeps the input, unless `holds`. `claim` is what must be so.
inline void Check(bool holds, std::string_view claim, const std::string& detail = {}) {
  if (holds) return;
  std::fprintf(stderr, "not so: %.*s%s%s\n", static_cast<int>(claim.size()), claim.data(),
               detail.empty() ? "" : ": ", detail.c_str());
  std::abort();
}

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_CHECK_H_
