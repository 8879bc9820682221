#include "tools/hotcell/options/common_options.h"

#include <cstdint>
#include <utility>

#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/limit_options.h"
#include "tools/hotcell/report/layers.h"

namespace hotcell::cli {
namespace {

const Engine* immortal_engine = nullptr;

// Takes the path of a program or a device. A shell that expands `*` makes arguments of the names of
// files, and somebody else may have named one `--worker=.program`; but no such name has a slash in
// it.
absl::Status SetPath(std::string_view option, std::string_view value, std::string& path) {
  if (value.find('/') == std::string_view::npos) {
    return WithRemedy(
        absl::InvalidArgumentError(Cat(option, ": '", Escape(value), "' has no '/' in it")),
        "for a file in this directory, begin with './'");
  }
  path = std::string(value);
  return absl::OkStatus();
}

absl::Status AddLayers(std::string_view text, std::vector<Layer>& required) {
  const absl::StatusOr<std::vector<Layer>> layers = ParseLayers(text);
  if (!layers.ok()) return layers.status();
  required.insert(required.end(), layers->begin(), layers->end());
  return absl::OkStatus();
}

absl::Status Follow(std::string_view directory, ReferencePolicy& references) {
  if (directory.empty()) return absl::InvalidArgumentError("--follow-references: no directory");
  references.FollowBelow(std::string(directory));
  return absl::OkStatus();
}

constexpr Option<CommonOptions> kLimitOptions[] = {
    {{.names = {"memory"}, .value = "SIZE", .help = "RAM of the guest (default 64M)"},
     [](std::string_view value, CommonOptions& options) {
       return SetLimit("memory", value, options.limits);
     }},
    {{.names = {"timeout"},
      .value = "SECONDS",
      .help = "end the job after this time (default: a day)"},
     [](std::string_view value, CommonOptions& options) {
       return SetLimit("wall-time", value, options.limits);
     }},
    {{.names = {"limit"},
      .value = "NAME=VALUE",
      .help = "memory, wall-time, cpu-time, output-bytes, bytes-written, bytes-read,\n"
              "virtual-size, report-bytes, references, chain-depth",
      .completion = Completion::kLimit},
     [](std::string_view value, CommonOptions& options) {
       return SetLimit(value, options.limits).status();
     }},
    {{.names = {"require"},
      .value = "LAYER,...",
      .help = "refuse to run without these confinement layers, or all of them\n"
              "('all'); 'hotcell policy' lists them",
      .completion = Completion::kLayers},
     [](std::string_view value, CommonOptions& options) {
       return AddLayers(value, options.required_layers);
     }},
    {{.names = {"fail-if-changed"},
      .help = "a file that changes while it is read is an error, not a warning"},
     On<&CommonOptions::fail_if_changed>},
};

constexpr Option<CommonOptions> kProgramOptions[] = {
    {{.names = {"worker"}, .value = "FILE", .completion = Completion::kFile, .joined = true},
     [](std::string_view value, CommonOptions& options) {
       return SetPath("--worker", value, options.engine.worker_path);
     }},
    {{.names = {"kvm"},
      .value = "FILE",
      .help = "the worker program and the KVM device to use",
      .completion = Completion::kFile},
     [](std::string_view value, CommonOptions& options) {
       return SetPath("--kvm", value, options.engine.kvm_path);
     }},
};

constexpr Option<CommonOptions> kReferenceOptions[] = {
    {{.names = {"backing"},
      .value = "NAME=FILE",
      .help = "open FILE where the image says NAME (written as in the error)"},
     [](std::string_view value, CommonOptions& options) {
       return AddBacking(value, options.references);
     }},
    {{.names = {"follow-references"},
      .value = "=DIR",
      .help = "open what is below DIR, without symbolic links and other mounts",
      .completion = Completion::kDirectory},
     [](std::string_view value, CommonOptions& options) {
       return Follow(value, options.references);
     }},
};

constexpr Option<CommonOptions> kHelpOption[] = {
    {{.letter = 'h', .names = {"help"}, .help = "this text", .shows_name = true},
     On<&CommonOptions::help>},
};

}  // namespace

std::span<const Option<CommonOptions>> LimitOptions() { return kLimitOptions; }
std::span<const Option<CommonOptions>> ProgramOptions() { return kProgramOptions; }
std::span<const Option<CommonOptions>> ReferenceOptions() { return kReferenceOptions; }
std::span<const Option<CommonOptions>> HelpOption() { return kHelpOption; }

// NAME is written as error messages print it.
absl::Status AddBacking(std::string_view text, ReferencePolicy& references) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    return WithRemedy(
        absl::InvalidArgumentError(Cat("'", Escape(text), "' is not of the form NAME=FILE")),
        "NAME is the name in the image as the error shows it, FILE the file to open for it");
  }
  absl::StatusOr<std::string> name = Unescape(text.substr(0, equals));
  if (!name.ok()) return name.status();
  references.Map(*std::move(name), std::string(text.substr(equals + 1)));
  return absl::OkStatus();
}

absl::StatusOr<const Engine*> CommonOptions::StartEngine() const {
  if (immortal_engine != nullptr) return immortal_engine;
  absl::StatusOr<Engine> made = Engine::Create(engine);
  if (!made.ok()) return made.status();
  immortal_engine = new Engine(*std::move(made));
  return immortal_engine;
}

void ReapWorkers() {
  // It takes some 20. A worker that has not died by then is dying all the same, and falls to
  // whoever takes over this process's children.
  constexpr absl::Duration kPatience = absl::Milliseconds(100);
  if (immortal_engine != nullptr) immortal_engine->ReapWorkers(kPatience);
}

JobOptions CommonOptions::Job() const {
  JobOptions job;
  job.limits = limits;
  job.required_layers = required_layers;
  job.fail_if_changed = fail_if_changed;
  return job;
}

absl::StatusOr<OutputFormat> ParseOutputFormat(std::string_view text) {
  if (text == "human") return OutputFormat::kHuman;
  if (text == "json") return OutputFormat::kJson;
  if (ActsAsQemuImg()) {
    return absl::InvalidArgumentError("--output must be used with human or json as argument.");
  }
  return absl::InvalidArgumentError(
      Cat("unknown output format '", Escape(text), "': human or json"));
}

absl::StatusOr<CacheMode> ParseCacheMode(std::string_view text, std::string_view what) {
  if (text == "none" || text == "off") return CacheMode::kNone;
  if (text == "writeback") return CacheMode::kWriteback;
  if (text == "unsafe") return CacheMode::kUnsafe;
  if (text == "directsync") return CacheMode::kDirectSync;
  if (text == "writethrough") return CacheMode::kWriteThrough;
  if (ActsAsQemuImg()) return absl::InvalidArgumentError(Cat("Invalid ", what, " option: ", text));
  return absl::InvalidArgumentError(Cat("unknown ", what, " mode '", Escape(text),
                                        "': none, writeback, unsafe, directsync or writethrough"));
}

absl::StatusOr<uint32_t> ParseLanes(std::string_view text) {
  constexpr uint64_t kMaxLanes = 16;
  const absl::StatusOr<uint64_t> lanes = ParseCount(text, "lanes", 1, kMaxLanes);
  if (!lanes.ok()) return lanes.status();
  return static_cast<uint32_t>(*lanes);
}

}  // namespace hotcell::cli
