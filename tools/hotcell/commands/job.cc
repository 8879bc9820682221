#include "tools/hotcell/commands/job.h"

namespace hotcell::cli {

Job::Job(const CommonOptions& options, const ErrorManner& manner)
    : options_(options),
      signals_(cancellation_, manner),
      time_(std::in_place, options.limits.wall_time) {}

JobOptions Job::Options() {
  JobOptions job = options_.Job();
  job.cancellation = &cancellation_;
  if (progress_ == nullptr) return job;
  job.progress = [this](uint64_t done, uint64_t total) {
    progress_->Update(done, total);
    if (signals_.TakeProgressRequest()) progress_->PrintOnce(done, total);
  };
  return job;
}

void Job::RestartTime() {
  if (!time_) time_.emplace(options_.limits.wall_time);
  time_->Restart();
}

int FailBeforeJob(const Command& command, const absl::Status& status, OutputFormat format) {
  const int failed = ReportError(command.name, status, format);
  return failed == kExitFailure ? command.error_status : failed;
}

}  // namespace hotcell::cli
