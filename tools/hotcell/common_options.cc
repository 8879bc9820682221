#include "tools/hotcell/common_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "tools/hotcell/escape.h"
#include "tools/hotcell/layers.h"
#include "tools/hotcell/size.h"
#include "tools/hotcell/suggest.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {
namespace {

const Engine* immortal_engine = nullptr;

enum CommonOption : int {
  kHelp = kFirstCommonOption,
  kBacking,
  kFollowReferences,
  kKvm,
  kLimit,
  kMemory,
  kRequire,
  kTimeout,
  kWorker,
};

constexpr OptionSpec kCommonOptions[] = {
    {kHelp, "help", false},    {kKvm, "kvm", true},         {kLimit, "limit", true},
    {kMemory, "memory", true}, {kRequire, "require", true}, {kTimeout, "timeout", true},
    {kWorker, "worker", true},
};

constexpr OptionSpec kReferenceOptions[] = {
    {kBacking, "backing", true},
    {kFollowReferences, "follow-references", true},
};

absl::Status SetSize(std::string_view text, uint64_t& limit) {
  const absl::StatusOr<uint64_t> size = ParseSize(text);
  if (!size.ok()) return size.status();
  limit = *size;
  return absl::OkStatus();
}

absl::Status SetTime(std::string_view text, absl::Duration& limit) {
  const absl::StatusOr<absl::Duration> time = ParseSeconds(text);
  if (!time.ok()) return time.status();
  limit = *time;
  return absl::OkStatus();
}

absl::Status SetCount(std::string_view text, std::string_view what, uint32_t& limit) {
  const absl::StatusOr<uint64_t> count = ParseCount(text, what, 1, UINT32_MAX);
  if (!count.ok()) return count.status();
  limit = static_cast<uint32_t>(*count);
  return absl::OkStatus();
}

// NAME=VALUE, with the names of struct Limits.
absl::Status SetLimit(std::string_view text, Limits& limits) {
  constexpr std::string_view kNames[] = {
      "memory",     "wall-time",    "cpu-time",     "output-bytes", "bytes-written",
      "bytes-read", "virtual-size", "report-bytes", "references",   "chain-depth"};
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError(Cat("'", Escape(text), "' is not of the form NAME=VALUE"));
  }
  // The library's fields are named with underscores.
  std::string name(text.substr(0, equals));
  std::replace(name.begin(), name.end(), '_', '-');
  const std::string_view value = text.substr(equals + 1);
  if (name == "memory") return SetSize(value, limits.guest_memory);
  if (name == "wall-time") return SetTime(value, limits.wall_time);
  if (name == "cpu-time") return SetTime(value, limits.cpu_time);
  if (name == "output-bytes") return SetSize(value, limits.output_bytes);
  if (name == "bytes-written") return SetSize(value, limits.bytes_written);
  if (name == "bytes-read") return SetSize(value, limits.bytes_read);
  if (name == "virtual-size") return SetSize(value, limits.virtual_size);
  if (name == "report-bytes") return SetSize(value, limits.report_bytes);
  if (name == "references") return SetCount(value, name, limits.references);
  if (name == "chain-depth") return SetCount(value, name, limits.chain_depth);
  absl::Status status = absl::InvalidArgumentError(Cat("unknown limit '", Escape(name), "'"));
  const std::optional<std::string_view> nearest = Nearest(name, kNames);
  if (!nearest.has_value()) return status;
  return WithRemedy(std::move(status), Cat("did you mean '", *nearest, "'?"));
}

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

// NAME=FILE, where NAME is written as error messages print it.
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

}  // namespace

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
    case kFollowReferences:
      if (value.empty()) return absl::InvalidArgumentError("--follow-references: no directory");
      options.references.FollowBelow(std::string(value));
      return absl::OkStatus();
    case kKvm:
      return SetPath("--kvm", value, options.engine.kvm_path);
    case kLimit:
      return SetLimit(value, options.limits);
    case kMemory:
      return SetSize(value, options.limits.guest_memory);
    case kRequire: {
      const absl::StatusOr<std::vector<v1::Layer>> layers = ParseLayers(value);
      if (!layers.ok()) return layers.status();
      options.required_layers.insert(options.required_layers.end(), layers->begin(), layers->end());
      return absl::OkStatus();
    }
    case kTimeout:
      return SetTime(value, options.limits.wall_time);
    case kWorker:
      return SetPath("--worker", value, options.engine.worker_path);
    default:
      return absl::InternalError(Cat("option ", id, " has no meaning"));
  }
}

absl::StatusOr<OutputFormat> ParseOutputFormat(std::string_view text) {
  if (text == "human") return OutputFormat::kHuman;
  if (text == "json") return OutputFormat::kJson;
  return absl::InvalidArgumentError(
      Cat("unknown output format '", Escape(text), "': human or json"));
}

absl::StatusOr<CacheMode> ParseCacheMode(std::string_view text) {
  if (text == "none" || text == "off") return CacheMode::kNone;
  if (text == "writeback") return CacheMode::kWriteback;
  if (text == "unsafe") return CacheMode::kUnsafe;
  if (text == "directsync") return CacheMode::kDirectSync;
  if (text == "writethrough") return CacheMode::kWriteThrough;
  return absl::InvalidArgumentError(Cat("unknown cache mode '", Escape(text),
                                        "': none, writeback, unsafe, directsync or writethrough"));
}

absl::StatusOr<uint32_t> ParseLanes(std::string_view text) {
  constexpr uint64_t kMaxLanes = 16;
  const absl::StatusOr<uint64_t> lanes = ParseCount(text, "lanes", 1, kMaxLanes);
  if (!lanes.ok()) return lanes.status();
  return static_cast<uint32_t>(*lanes);
}

absl::StatusOr<absl::Duration> ParseSeconds(std::string_view text) {
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  if (error != std::errc() || rest != end || !std::isfinite(seconds) || seconds <= 0) {
    return absl::InvalidArgumentError(
        Cat("'", Escape(text), "' is not a time: give seconds, more than 0"));
  }
  return absl::Seconds(seconds);
}

}  // namespace hotcell::cli
