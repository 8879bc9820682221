#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "hotcell/engine.h"
#include "hotcell/output_file.h"
#include "tools/hotcell/command.h"
#include "tools/hotcell/convert_options.h"
#include "tools/hotcell/convert_stats.h"
#include "tools/hotcell/exit_codes.h"
#include "tools/hotcell/files.h"
#include "tools/hotcell/formats.h"
#include "tools/hotcell/progress.h"
#include "tools/hotcell/signals.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "convert";

// Where the output goes: a file that appears when it is complete, or one that is there already.
class Target {
 public:
  static absl::StatusOr<Target> Open(const ConvertOptions& options);

  int fd() const { return in_place_.has_value() ? in_place_->fd() : fresh_->fd(); }
  bool in_place() const { return in_place_.has_value(); }
  absl::Status Commit(bool sync) { return in_place() ? absl::OkStatus() : fresh_->Commit(sync); }

 private:
  std::optional<File> in_place_;
  std::optional<OutputFile> fresh_;
};

absl::StatusOr<Target> Target::Open(const ConvertOptions& options) {
  const std::string& path = options.target_path;
  struct stat info = {};
  const bool exists = stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(Cat("cannot write to '", path, "': it is a directory"));
  }
  Target target;
  if (options.request.target_is_existing || (exists && S_ISBLK(info.st_mode))) {
    absl::StatusOr<File> file = OpenInPlace(path);
    if (!file.ok()) return file.status();
    target.in_place_ = *std::move(file);
    return target;
  }
  absl::StatusOr<OutputFile> file = OutputFile::Create(path);
  if (!file.ok()) return file.status();
  target.fresh_ = *std::move(file);
  return target;
}

// The target may not be a file that the job reads.
absl::Status CheckTargetIsNoSource(const ConvertOptions& options, const File& source) {
  struct stat target = {};
  if (stat(options.target_path.c_str(), &target) != 0) return absl::OkStatus();
  if (IsSameFile(source.info(), target)) {
    return absl::InvalidArgumentError(
        Cat("'", options.source_path, "' and '", options.target_path, "' are the same file"));
  }
  for (const auto& [name, path] : options.request.references.mappings()) {
    struct stat backing = {};
    if (stat(path.c_str(), &backing) == 0 && IsSameFile(backing, target)) {
      return absl::InvalidArgumentError(
          Cat("'", options.target_path, "' is the file given for '", name, "' by --backing"));
    }
  }
  return absl::OkStatus();
}

absl::Status CancelledBy(int signal, const ConvertOptions& options, bool in_place) {
  return absl::CancelledError(Cat("cancelled by SIG", sigabbrev_np(signal), "; '",
                                  options.target_path,
                                  in_place ? "' is half-written" : "' is as it was before"));
}

void PrintResult(const ConvertOptions& options, const ConvertReply& reply, const JobCost& cost) {
  if (!options.quiet) {
    for (const std::string& warning : reply.warnings) PrintWarning(kName, warning);
  }
  if (options.common.format == OutputFormat::kJson) {
    Print(ConvertReplyJson(reply, cost, options.stats) + "\n");
  } else if (options.stats) {
    Print(ConvertStatsText(reply, cost));
  }
}

// Returns the exit status.
int Convert(const ConvertOptions& options) {
  const OutputFormat format = options.common.format;
  const auto fail = [&](const absl::Status& status) { return ReportError(kName, status, format); };

  const absl::StatusOr<File> source = OpenForReading(options.source_path);
  if (!source.ok()) return fail(source.status());
  if (absl::Status status = CheckTargetIsNoSource(options, *source); !status.ok()) {
    return fail(status);
  }
  const absl::StatusOr<const Engine*> engine = options.common.StartEngine();
  if (!engine.ok()) return fail(engine.status());
  absl::StatusOr<Target> target = Target::Open(options);
  if (!target.ok()) return fail(target.status());

  Cancellation cancellation;
  JobSignals signals(cancellation);
  // Standard output belongs to the JSON document when there is one.
  std::FILE* progress_file = format == OutputFormat::kJson ? stderr : stdout;
  ProgressPrinter progress(options.progress && !options.quiet, progress_file, stderr);

  ConvertRequest request = options.request;
  request.source.fd = source->fd();
  request.target_fd = target->fd();
  request.target_is_existing = target->in_place();
  request.options = options.common.Job();
  request.options.cancellation = &cancellation;
  request.options.progress = [&](uint64_t done, uint64_t total) {
    progress.Update(done, total);
    if (signals.TakeProgressRequest()) progress.PrintOnce(done, total);
  };

  const absl::Time start = absl::Now();
  progress.Begin();
  const absl::StatusOr<ConvertReply> reply = (*engine)->Convert(request);
  const absl::Status status =
      reply.ok() ? target->Commit(request.target_cache != CacheMode::kUnsafe) : reply.status();
  if (!status.ok()) {
    progress.Abandon();
    if (signals.caught() == 0) return fail(status);
    (void)fail(CancelledBy(signals.caught(), options, target->in_place()));
    return kExitSignalBase + signals.caught();
  }
  progress.Finish();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (options.stats) (*engine)->ReapWorkers();  // the worker's share is known once it is gone
  PrintResult(options, *reply, MeasureCost(seconds));
  return kExitOk;
}

}  // namespace

int ConvertMain(int argc, char** argv) {
  ConvertOptions options;
  const absl::Status status = ParseConvertOptions(argc, argv, options);
  if (!status.ok()) return ReportError(kName, status, options.common.format);
  if (options.common.help) {
    PrintHelp(*FindCommand(kName));
    return kExitOk;
  }
  if (options.list_target_options) {
    Print(TargetOptionsHelp(options.request.target_format));
    return kExitOk;
  }
  return Convert(options);
}

}  // namespace hotcell::cli
