#include "tools/hotcell/options/common_options.h"

#include <cstdint>
#include <utility>

#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/limit_options.h"
#include "tools/hotcell/report/layers.h"

namespace hotcell::cli {
namespace {

const Engine* immortal_engine = nullptr;

enum CommonOption : int {
  kHelp = kFirstCommonOption,
  kBacking,
  kFailIfChanged,
  kFollowReferences,
  kKvm,
  kLimit,
  kMemory,
  kRequire,
  kTimeout,
  kWorker,
};

constexpr OptionSpec kCommonOptions[] = {
    {kFailIfChanged, "fail-if-changed", false},
    {kHelp, "help", false},
    {kKvm, "kvm", true},
    {kLimit, "limit", true},
    {kMemory, "memory", true},
    {kRequire, "require", true},
    {kTimeout, "timeout", true},
    {kWorker, "worker", true},
};

constexpr OptionSpec kReferenceOptions[] = {
    {kBacking, "backing", true},
    {kFollowReferences, "follow-references", true},
};

// Of a program or a device. A shell that expands `*` makes arguments of the names of files, and
// somebody else may have named one `--worker=.program`; but no such name has a slash in it.
absl::Status SetPath(std::string_view option, std::string_view value, std::string& path) {
  if (value.find('/') == std::string_view::npos) {
    return WithRemedy(
        absl::InvalidArgumentError(Cat(option, ": '", Escape(value), "' has no '/' in it")),
        "for a file in this directory, begin with './'");
  }
  path = std::string(value);
  return absl::OkStatus();
}

}  // namespace

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

std::vector<OptionSpec> WithCommonOptions(std::span<const OptionSpec> own) {
  std::vector<OptionSpec> all(own.begin(), own.end());
  all.insert(all.end(), std::begin(kCommonOptions), std::end(kCommonOptions));
  all.push_back({'h', nullptr, false});
  return all;
}

std::vector<OptionSpec> WithImageOptions(std::span<const OptionSpec> own) {
  std::vector<OptionSpec> all = WithCommonOptions(own);
  all.insert(all.end(), std::begin(kReferenceOptions), std::end(kReferenceOptions));
  return all;
}

absl::Status ApplyCommonOption(int id, std::string_view value, CommonOptions& options) {
  switch (id) {
    case 'h':
    case kHelp:
      options.help = true;
      return absl::OkStatus();
    case kBacking:
      return AddBacking(value, options.references);
    case kFailIfChanged:
      options.fail_if_changed = true;
      return absl::OkStatus();
    case kFollowReferences:
      if (value.empty()) return absl::InvalidArgumentError("--follow-references: no directory");
      options.references.FollowBelow(std::string(value));
      return absl::OkStatus();
    case kKvm:
      return SetPath("--kvm", value, options.engine.kvm_path);
    case kLimit:
      return SetLimit(value, options.limits).status();
    case kMemory:
      return SetLimit("memory", value, options.limits);
    case kRequire: {
      const absl::StatusOr<std::vector<Layer>> layers = ParseLayers(value);
      if (!layers.ok()) return layers.status();
      options.required_layers.insert(options.required_layers.end(), layers->begin(), layers->end());
      return absl::OkStatus();
    }
    case kTimeout:
      return SetLimit("wall-time", value, options.limits);
    case kWorker:
      return SetPath("--worker", value, options.engine.worker_path);
    default:
      return absl::InternalError(Cat("option ", id, " has no meaning"));
  }
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
