// Options that several commands have: what is written about those of an image, and the groups.
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_SHARED_OPTIONS_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_SHARED_OPTIONS_H_

#include <string>
#include <string_view>

#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/command_line.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/option.h"

namespace hotcell::cli {

inline constexpr std::string_view kCacheModes = "none writeback unsafe directsync writethrough";

inline constexpr Row kFormatRow = {.letter = 'f',
                                   .names = {"format"},
                                   .value = "FORMAT",
                                   .help = "format of FILE (default: found out in the guest)",
                                   .completion = Completion::kFormat};

inline constexpr Row kImageOptsRow = {.names = {"image-opts"},
                                      .help = "FILE is driver=FORMAT,file.filename=PATH"};

inline constexpr Row kProgressRow = {.letter = 'p',
                                     .names = {"progress"},
                                     .help = "show progress; SIGUSR1 shows it once at any time"};

inline constexpr Row kQuietRow = {
    .letter = 'q', .names = {"quiet"}, .help = "print nothing but errors"};

// The cache mode of an image that is read (-T) or written (-t); the long name is not the same
// everywhere.
constexpr Row CacheRow(char letter, const char* name = nullptr) {
  return {.letter = letter,
          .names = {name},
          .value = "MODE",
          .help = "cache mode: none, writeback, unsafe, directsync, writethrough",
          .completion = Completion::kWords,
          .words = kCacheModes};
}

inline constexpr Row kForceShareRow = {
    .letter = 'U', .names = {"force-share"}, .help = "accepted, without effect"};

inline constexpr Row kLanesRow = {.names = {"lanes"},
                                  .value = "COUNT",
                                  .help = "vCPUs that work, 1 to 16 (default: one per CPU)"};

inline constexpr Row kOutputRow = {.names = {"output"},
                                   .value = "FORMAT",
                                   .help = "human or json",
                                   .completion = Completion::kWords,
                                   .words = "human json"};

// What does the same wherever the options have these members.
inline constexpr auto kSetOutputFormat = [](std::string_view value, auto& options) {
  return Assign(ParseOutputFormat(value), options.common.format);
};
inline constexpr auto kSetLanes = [](std::string_view value, auto& options) {
  return Assign(ParseLanes(value), options.request.lanes);
};
inline constexpr auto kSetSourceCache = [](std::string_view value, auto& options) {
  return Assign(ParseCacheMode(value, "source cache"), options.request.source_cache);
};

// The options that allow references, with "as in 'hotcell help convert'" or what else is to be
// said.
template <typename Options>
void AddReferences(CommandLine<Options>& line, std::string_view help) {
  line.Take(ReferenceOptions(), &Options::common);
  line.Tell({"backing", "follow-references"}, help);
}

// The options that every command with a guest has, all of them as convert has them, and -h.
// `note` follows that: "; the time is 600 seconds unless you say".
template <typename Options>
void AddJobOptions(CommandLine<Options>& line, std::string_view note = "") {
  line.Take(LimitOptions(), &Options::common);
  line.Take(ProgramOptions(), &Options::common);
  line.Tell({"memory", "timeout", "limit", "require", "fail-if-changed", "worker", "kvm"},
            Cat("\nas in 'hotcell help convert'", note));
  line.Add(HelpOption(), &Options::common);
}

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_SHARED_OPTIONS_H_
