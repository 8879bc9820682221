// How a command runs: one way from the command line to the exit status.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMANDS_JOB_H_
#define HOTCELL_TOOLS_HOTCELL_COMMANDS_JOB_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/engine.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/watch.h"
#include "tools/hotcell/options/common_options.h"
#include "tools/hotcell/options/formats.h"
#include "tools/hotcell/report/progress.h"

namespace hotcell::cli {

// What a command has while it works: signals cancel it, and its time runs, from when this is made
// on. One at a time.
class Job {
 public:
  Job(const CommonOptions& options, const ErrorManner& manner);

  // The options for a request of this job: limits, cancellation and progress. They live as long as
  // this.
  JobOptions Options();
  // What it prints also when SIGUSR1 asks for it. `progress` must outlive the requests.
  void ShowProgress(ProgressPrinter& progress) { progress_ = &progress; }

  // Makes the call of the engine's, with Options() and all the time that a job may have. When this
  // is back, whoever reads what the command prints may take all the time they like.
  template <typename Request, typename Reply>
  absl::StatusOr<Reply> Perform(absl::StatusOr<Reply> (Engine::*call)(const Request&) const,
                                Request& request) {
    const absl::StatusOr<const Engine*> engine = StartEngine();
    if (!engine.ok()) return engine.status();
    request.options = Options();
    RestartTime();
    absl::StatusOr<Reply> reply = ((*engine)->*call)(request);
    EndTime();
    return reply;
  }

  // These are for jobs of several calls.
  absl::StatusOr<const Engine*> StartEngine() const { return options_.StartEngine(); }
  void RestartTime();
  void EndTime() { time_.reset(); }

  const JobSignals& signals() const { return signals_; }

 private:
  const CommonOptions& options_;
  Cancellation cancellation_;
  JobSignals signals_;
  std::optional<JobTime> time_;
  ProgressPrinter* progress_ = nullptr;
};

// Reports an error from before the job, and returns its exit status: the command's own for errors,
// unless exit_codes.h has one for the kind.
int FailBeforeJob(const Command& command, const absl::Status& status, OutputFormat format);

// Parses the command line and does what is no work: errors, -h, and -o help. Returns the exit
// status then, and nothing where there is work to do.
template <typename Options>
std::optional<int> Prepare(const Command& command, int argc, char** argv,
                           absl::Status (*parse)(int argc, char** argv, Options& options),
                           Options& options) {
  const absl::Status status = parse(argc, argv, options);
  if (!status.ok()) return FailBeforeJob(command, status, options.common.format);
  if (options.common.help) {
    PrintHelp(command);
    return kExitOk;
  }
  if constexpr (requires { options.list_target_options; }) {
    if (options.list_target_options) {
      Print(TargetOptionsHelp(options.request.target_format));
      return kExitOk;
    }
  }
  return std::nullopt;
}

// Runs a command that is one job: `run` does its work and returns the exit status, or why there is
// no result.
template <typename Options>
int RunJob(std::string_view name, int argc, char** argv,
           absl::Status (*parse)(int argc, char** argv, Options& options),
           absl::StatusOr<int> (*run)(Options& options, Job& job)) {
  const Command& command = *FindCommand(name);
  Options options;
  if (const std::optional<int> done = Prepare(command, argc, argv, parse, options)) return *done;
  Job job(options.common, {command.name, options.common.format, command.error_status});
  const absl::StatusOr<int> exit_status = run(options, job);
  return exit_status.ok() ? *exit_status : job.signals().Fail(exit_status.status());
}

// Runs a command that has no job, or makes those that it has itself.
template <typename Options>
int RunWithoutJob(std::string_view name, int argc, char** argv,
                  absl::Status (*parse)(int argc, char** argv, Options& options),
                  int (*run)(Options& options)) {
  Options options;
  const std::optional<int> done = Prepare(*FindCommand(name), argc, argv, parse, options);
  return done ? *done : run(options);
}

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMANDS_JOB_H_
