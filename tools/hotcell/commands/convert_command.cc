#include <cstdio>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "hotcell/engine.h"
#include "hotcell/failure.h"
#include "hotcell/verdict.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/commands/job.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/convert_options.h"
#include "tools/hotcell/options/target_backing.h"
#include "tools/hotcell/report/convert_stats.h"
#include "tools/hotcell/report/progress.h"
#include "tools/hotcell/report/verdict_report.h"
#include "tools/hotcell/target/existing_image.h"
#include "tools/hotcell/target/image_lock.h"
#include "tools/hotcell/target/target.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kName = "convert";

// Opens the sources, in the order of ConvertOptions::source_paths. None of them may be the target.
absl::StatusOr<std::vector<File>> OpenSources(const ConvertOptions& options) {
  std::vector<File> files;
  for (const std::string& path : options.source_paths) {
    absl::StatusOr<File> file = OpenForReading(path);
    if (!file.ok()) return file.status();
    absl::Status status = CheckTargetIsNoSource(options.target_path, path, *file);
    if (status.ok() && !options.force_share) status = LockForCopying(*file, path);
    if (!status.ok()) return status;
    files.push_back(*std::move(file));
  }
  absl::Status status = CheckTargetIsNoReference(options.target_path, options.request.references);
  if (!status.ok()) return status;
  return files;
}

// Checks that a file beside the target is neither a source nor a file that was given for a name in
// an image.
absl::Status CheckExtent(const ConvertOptions& options, const std::vector<File>& sources,
                         const std::string& path) {
  for (size_t i = 0; i < sources.size(); ++i) {
    absl::Status status = CheckTargetIsNoSource(path, options.source_paths[i], sources[i]);
    if (!status.ok()) return status;
  }
  return CheckTargetIsNoReference(path, options.request.references);
}

// Completes what is asked of the engine with the target's backing image. The user named that file,
// so the source may refer to it by the same name.
absl::Status SetBacking(const Engine& engine, const ConvertOptions& options,
                        ConvertRequest& request) {
  if (!options.backing.name) return absl::OkStatus();
  const JobOptions inspect = {.limits = request.options.limits,
                              .cancellation = request.options.cancellation,
                              .required_layers = request.options.required_layers};
  absl::StatusOr<BackingImage> backing =
      DescribeBacking(engine, options.target_path, options.backing, inspect);
  if (!backing.ok()) return backing.status();
  const std::string& name = *options.backing.name;
  if (!request.references.mappings().contains(name)) {
    request.references.Map(name, BackingPath(options.target_path, name));
  }
  request.target_backing = *std::move(backing);
  return CheckTargetIsNoReference(options.target_path, request.references);
}

absl::Status CancelledBy(int signal, const ConvertOptions& options, bool in_place) {
  return absl::CancelledError(Cat("cancelled by SIG", sigabbrev_np(signal), "; '",
                                  options.target_path,
                                  in_place ? "' is half-written" : "' is as it was before"));
}

// `verdict` is what comes of it; both are the job's until it has ended.
InspectFirst JudgeBefore(const ConvertOptions& options, InspectReport& verdict) {
  verdict.filename = options.source_paths.front();
  const auto judge = [&](const InspectReply& reply) {
    verdict.reply = reply;
    verdict.verdict = JudgeBy(options.verdict, reply, options.common.limits);
    return VerdictStatus(verdict.verdict);
  };
  return {.check = options.verdict.check, .judge = judge};
}

// Says why an image is not converted. The document is that of `inspect`.
int PrintRefusal(const absl::Status& status, const InspectReport& verdict, OutputFormat format) {
  const int exit_status = ReportError(kName, status, OutputFormat::kHuman);
  if (format == OutputFormat::kJson) {
    InspectJson(verdict).Write(Print);
    Print("\n");
  }
  return exit_status;
}

void PrintResult(const ConvertOptions& options, const ConvertReply& reply, const JobCost& cost,
                 const InspectReport* verdict) {
  if (!options.quiet) PrintWarnings(kName, reply.warnings);
  if (options.common.format == OutputFormat::kJson) {
    Print(ConvertReplyJson(reply, cost, options.stats, verdict) + "\n");
  } else if (options.stats) {
    Print(ConvertStatsText(reply, cost));
  }
}

// Why there is no output. A verdict of "unsafe" has a document of its own.
absl::StatusOr<int> Fail(const absl::Status& status, const ConvertOptions& options, const Job& job,
                         const Target& target, const InspectReport& verdict) {
  if (FailureKindOf(status) == FailureKind::kUnsafe) {
    return PrintRefusal(status, verdict, options.common.format);
  }
  const int signal = job.signals().caught();
  return signal == 0 ? status : CancelledBy(signal, options, target.in_place());
}

absl::StatusOr<int> Convert(ConvertOptions& options, Job& job) {
  const OutputFormat format = options.common.format;
  const absl::StatusOr<std::vector<File>> sources = OpenSources(options);
  if (!sources.ok()) return sources.status();
  const absl::StatusOr<const Engine*> engine = job.StartEngine();
  if (!engine.ok()) return engine.status();
  ConvertRequest& request = options.request;
  request.options = job.Options();
  if (request.target_exists && request.target_format == "qcow2") {
    job.RestartTime();
    absl::Status status = MakeAnew(**engine, options.target_path, request.options, request);
    if (!status.ok()) return status;
  }
  absl::StatusOr<Target> target = Target::Open(
      options.target_path, {.format = request.target_format,
                            .existing = request.target_exists,
                            .making = Cat("error while converting ", request.target_format)});
  if (!target.ok()) return target.status();

  // Standard output belongs to the JSON document when there is one, or to the image.
  const bool is_taken = format == OutputFormat::kJson || target->is_pipe();
  std::FILE* progress_file = is_taken ? stderr : TextOutput();
  const bool is_shown = options.progress && !options.quiet && progress_file != nullptr;
  ProgressPrinter progress(is_shown, progress_file, stderr, format);
  job.ShowProgress(progress);

  request.source.fd = sources->front().fd();
  for (size_t i = 0; i < request.more_sources.size(); ++i) {
    request.more_sources[i].fd = (*sources)[i + 1].fd();
  }
  request.target_fd = target->fd();
  request.target_exists = target->is_existing();
  request.target_replaces = target->replaces();

  job.RestartTime();
  if (absl::Status status = SetBacking(**engine, options, request); !status.ok()) return status;

  request.open_extent_file = target->OpenExtents(
      request.target_format, request.target_options,
      [&](const std::string& path) { return CheckExtent(options, *sources, path); });

  InspectReport verdict;
  if (options.inspect) request.inspect = JudgeBefore(options, verdict);

  const absl::Time start = absl::Now();
  progress.Begin();
  const absl::StatusOr<ConvertReply> reply = job.Perform(&Engine::Convert, request);
  const absl::Status status = reply.ok()
                                  ? target->Commit(request.target_cache != CacheMode::kUnsafe)
                                  : target->Explain(reply.status());
  if (!status.ok()) {
    progress.Abandon();
    return Fail(status, options, job, *target, verdict);
  }
  progress.Finish();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  if (options.stats) (*engine)->ReapWorkers();  // the worker's share is known once it is gone
  PrintResult(options, *reply, MeasureCost(seconds), options.inspect ? &verdict : nullptr);
  return kExitOk;
}

}  // namespace

int ConvertMain(int argc, char** argv) {
  return RunJob(kName, argc, argv, ParseConvertOptions, Convert);
}

}  // namespace hotcell::cli
