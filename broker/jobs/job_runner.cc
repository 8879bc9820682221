#include "broker/jobs/job_runner.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "broker/host/host_limits.h"
#include "broker/host/monotonic_clock.h"
#include "broker/host/posix_error.h"
#include "broker/workers/control_channel.h"
#include "broker/workers/native_end.h"
#include "broker/workers/worker_end.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"

namespace hotcell::broker {
namespace {

// How long a worker that was told to stop may take to say where its guest was before it is killed.
// It takes a millisecond; a limit of time is kept within 100.
constexpr absl::Duration kStopGrace = absl::Milliseconds(40);
// How long one that has closed its pipe may take to die.
constexpr absl::Duration kDeathGrace = absl::Milliseconds(100);
// How often the pipe of a dead worker is read: as much as the largest pipe holds. A process of the
// worker's that lives on must not keep the broker.
constexpr int kMaxLastReads = 256;
// How much before the kernel ends a worker for an inherited limit of CPU time it is stopped: then
// the error says where its guest was.
constexpr absl::Duration kCpuMargin = absl::Milliseconds(50);
constexpr absl::Duration kProgressInterval = absl::Milliseconds(100);

absl::Status BrokenRules(absl::string_view what) {
  return WithFailureKind(absl::InternalError(what), FailureKind::kWorkerProtocol);
}

// The event loop of one job. The first thing that ends the job is what is told.
class Supervisor {
 public:
  Supervisor(const JobSpec& spec, Worker& worker)
      : spec_(spec),
        options_(*spec.options),
        worker_(worker),
        deadline_(MonotonicNow() + options_.limits.wall_time) {
    if (options_.progress) next_progress_ = MonotonicNow() + kProgressInterval;
    report_.pid = worker.process()->pid();
    report_.times.spawned = MonotonicNow() - spec.begin;
  }

  // Starts a worker that is confined already; another will be as soon as it says that it is.
  absl::Status Begin() { return worker_.confined() ? StartConfined() : absl::OkStatus(); }

  // Runs until the guest has finished (OK) or the job failed.
  absl::Status Loop() {
    while (!finished_) {
      absl::Status status = WaitForEvent();
      if (status.ok() && !finished_) status = CheckTime();
      if (!status.ok()) return stop_cause_.ok() ? status : stop_cause_;
    }
    if (stop_cause_.ok()) return absl::OkStatus();
    return Reworded(stop_cause_, absl::StrCat(stop_cause_.message(), "; the guest was at ",
                                              DescribePlace(report_.end.registers, spec_.symbols)));
  }

  WorkerReport& report() { return report_; }
  // Whether the guest did not end by itself, and its worker told how it was.
  bool was_stopped() const { return finished_ && !stop_cause_.ok(); }

 private:
  absl::Status WaitForEvent();
  absl::Status CheckTime();
  absl::Status HandleControl();
  absl::Status HandleMessage(const v1::FromWorker& message);
  absl::Status HandleWorkerDeath();
  absl::Status GiveUp();
  absl::Status DeathStatus(const WorkerDeath& death) const;
  absl::Status Stop(v1::StopReason reason, absl::Status cause);
  absl::Status StartConfined();
  ControlChannel& control() const { return worker_.control(); }
  absl::Duration Elapsed() const { return MonotonicNow() - spec_.begin; }

  const JobSpec& spec_;
  const JobOptions& options_;
  Worker& worker_;
  absl::Duration deadline_;
  absl::Duration next_progress_ = absl::InfiniteDuration();
  const absl::Duration inherited_cpu_ = InheritedCpu();
  absl::Duration next_cpu_check_;  // at once: sets itself
  absl::Duration give_up_at_ = absl::InfiniteDuration();
  absl::Duration answer_at_ = absl::InfiniteDuration();
  absl::Status stop_cause_;  // the limit or the cancellation for which the guest was told to stop
  bool finished_ = false;
  WorkerReport report_;
};

absl::Status Supervisor::WaitForEvent() {
  enum { kControlIn, kControlOut, kWorker, kFailure, kCancel, kCount };
  std::array<pollfd, kCount> fds{};
  fds[kControlIn] = {.fd = control().at_eof() ? -1 : control().read_fd(), .events = POLLIN};
  fds[kControlOut] = {.fd = control().wants_write() ? control().write_fd() : -1, .events = POLLOUT};
  fds[kWorker] = {.fd = worker_.process()->pidfd(), .events = POLLIN};
  fds[kFailure] = {.fd = spec_.io->failure_fd(), .events = POLLIN};
  const bool cancellable = options_.cancellation != nullptr && stop_cause_.ok();
  fds[kCancel] = {.fd = cancellable ? options_.cancellation->fd() : -1, .events = POLLIN};
  const absl::Duration next =
      std::min({deadline_, next_progress_, next_cpu_check_, give_up_at_, answer_at_});
  if (poll(fds.data(), fds.size(), PollTimeout(next)) < 0 && errno != EINTR) {
    return PosixError(errno, "wait for the worker");
  }
  const auto ready = [&](int index) { return fds[index].revents != 0; };
  if (ready(kFailure)) return spec_.io->failure();
  if (ready(kControlIn)) {
    if (absl::Status status = HandleControl(); !status.ok() || finished_) return status;
  }
  if (ready(kWorker)) return HandleWorkerDeath();
  if (ready(kControlOut)) {
    if (absl::Status status = control().WritePending(); !status.ok()) return status;
  }
  if (ready(kCancel)) {
    return Stop(v1::STOP_REASON_CANCELLED, absl::CancelledError("the job was cancelled"));
  }
  return absl::OkStatus();
}

absl::Status Supervisor::CheckTime() {
  const absl::Duration now = MonotonicNow();
  const Limits& limits = options_.limits;
  if (now >= give_up_at_) {
    return GiveUp();
  }
  if (now >= answer_at_) {
    answer_at_ = absl::InfiniteDuration();
    if (spec_.io->counters().requests == 0) {
      return WithFailureKind(
          absl::AbortedError(absl::StrCat("the worker did not take up its job within ",
                                          absl::FormatDuration(spec_.answer_limit))),
          FailureKind::kWorkerDied);
    }
  }
  if (now >= next_progress_) {
    next_progress_ = now + kProgressInterval;
    const Arena::Progress progress = worker_.arena().ReadProgress();
    options_.progress(progress.done, progress.total);
  }
  if (!stop_cause_.ok()) return absl::OkStatus();
  if (now >= deadline_) {
    deadline_ = absl::InfiniteDuration();
    return Stop(v1::STOP_REASON_DEADLINE,
                WithRemedy(absl::DeadlineExceededError(
                               absl::StrCat("the job took longer than its limit `wall-time` of ",
                                            absl::FormatDuration(limits.wall_time))),
                           Remedy::kRaiseWallTime));
  }
  if (now >= next_cpu_check_) {
    const absl::Duration left_of_ours = limits.cpu_time - worker_.process()->CpuTime();
    const absl::Duration left_of_inherited =
        inherited_cpu_ - kCpuMargin - worker_.process()->LimitedCpuTime();
    const absl::Duration left = std::min(left_of_ours, left_of_inherited);
    if (left <= absl::ZeroDuration()) {
      next_cpu_check_ = absl::InfiniteDuration();
      if (left_of_ours > absl::ZeroDuration()) {
        return Stop(v1::STOP_REASON_DEADLINE, CpuUsedUp(inherited_cpu_));
      }
      return Stop(v1::STOP_REASON_DEADLINE,
                  WithRemedy(absl::DeadlineExceededError(
                                 absl::StrCat("the job used more than its limit `cpu-time` of ",
                                              absl::FormatDuration(limits.cpu_time))),
                             Remedy::kRaiseCpuTime));
    }
    // The next look is not due before all vCPUs together can have used what is left.
    next_cpu_check_ = now + left / std::max<int64_t>(1, worker_.setup().vcpus());
  }
  return absl::OkStatus();
}

absl::Status Supervisor::Stop(v1::StopReason reason, absl::Status cause) {
  stop_cause_ = std::move(cause);
  // Before the guest runs there is nothing to be learnt from an orderly stop.
  if (control().state() != WorkerState::kRunning) return stop_cause_;
  give_up_at_ = MonotonicNow() + kStopGrace;
  return control().SendStop(reason);
}

// Job and Start may wait until the worker has made its VM, but not be there before the broker has
// seen that the guest is confined as it must be.
absl::Status Supervisor::StartConfined() {
  absl::Status status = CheckLayers(*worker_.confined(), options_.required_layers);
  if (!status.ok()) return status;
  if (!spec_.job.empty()) worker_.arena().SetJob(spec_.job);
  status = control().SendStart(spec_.start);
  answer_at_ = MonotonicNow() + spec_.answer_limit;
  // The built-in program may be running by now and wait for its job.
  if (!spec_.job.empty()) spec_.io->AnnounceJob();
  return status;
}

absl::Status Supervisor::HandleControl() {
  if (absl::Status status = control().ReadAvailable(); !status.ok()) return status;
  while (!finished_) {
    const absl::StatusOr<std::optional<v1::FromWorker>> message = control().Next();
    if (!message.ok()) return message.status();
    if (!message->has_value()) break;
    if (absl::Status status = HandleMessage(**message); !status.ok()) return status;
  }
  if (control().at_eof() && !finished_)
    give_up_at_ = std::min(give_up_at_, MonotonicNow() + kDeathGrace);
  return absl::OkStatus();
}

absl::Status Supervisor::HandleMessage(const v1::FromWorker& message) {
  switch (message.message_case()) {
    case v1::FromWorker::kConfined:
      report_.times.confined = Elapsed();
      worker_.set_confined(message.confined());
      return StartConfined();
    case v1::FromWorker::kReady:
      report_.times.ready = Elapsed();
      return worker_.SetReady(message.ready(), options_.required_layers);
    case v1::FromWorker::kOutput:
      if (!spec_.serial_output) {
        return BrokenRules("the guest has no console and wrote to one");
      }
      spec_.serial_output(message.output().serial());
      return absl::OkStatus();
    case v1::FromWorker::kTrace:
      if (spec_.trace) spec_.trace(message.trace().text());
      return absl::OkStatus();
    case v1::FromWorker::kFinished:
      if (message.finished().reason() == v1::END_REASON_STOPPED && stop_cause_.ok()) {
        return BrokenRules("the worker stopped the guest without being told");
      }
      report_.times.finished = Elapsed();
      report_.end = ToNative(message.finished());
      finished_ = true;
      return absl::OkStatus();
    case v1::FromWorker::kViolation:
      return ViolationStatus(message.violation());
    case v1::FromWorker::kFailure:
      return FailureStatus(message.failure());
    case v1::FromWorker::MESSAGE_NOT_SET:
      break;
  }
  return BrokenRules("the worker sent an unknown message");
}

absl::Status Supervisor::HandleWorkerDeath() {
  // Its last words may still be in the pipe.
  for (int reads = 0; reads < kMaxLastReads && !control().at_eof() && !finished_; ++reads) {
    pollfd readable{.fd = control().read_fd(), .events = POLLIN};
    if (poll(&readable, 1, 0) != 1) break;
    if (absl::Status status = HandleControl(); !status.ok()) return status;
  }
  if (finished_) return absl::OkStatus();
  const absl::Duration limited_cpu_time = worker_.process()->LimitedCpuTime();
  WorkerDeath death = worker_.process()->KillAndReap();
  death.cpu_time = std::max(death.cpu_time, limited_cpu_time);
  return DeathStatus(death);
}

// Ends a worker that has closed its pipe and is not dead. The kernel may have been ending it, and
// may take its time to destroy the VM: then that is what it died of.
absl::Status Supervisor::GiveUp() {
  const WorkerDeath& death = worker_.process()->KillAndReap();
  if (!death.known || (death.code != CLD_EXITED && death.status == SIGKILL)) {
    return BrokenRules("the worker closed its control pipe and went on");
  }
  return DeathStatus(death);
}

absl::Status Supervisor::DeathStatus(const WorkerDeath& death) const {
  const WorkerState state = control().state();
  const bool set_up = state == WorkerState::kReady || state == WorkerState::kRunning;
  return WorkerDeathStatus(death, DeathContext::Read(set_up ? Phase::kRun : Phase::kSetup));
}

// What is known once the I/O threads are gone.
void Complete(Worker& worker, const JobSpec& spec, WorkerReport& report) {
  const IoEngine::Counters counters = spec.io->counters();
  report.times.stopped = MonotonicNow() - spec.begin;
  report.layers = ToNative(*worker.confined());
  report.requests = counters.requests;
  report.doorbells = counters.doorbells;
  report.bytes_written = counters.bytes_written;
}

}  // namespace

absl::StatusOr<WorkerReport> SuperviseJob(Worker& worker, const JobSpec& spec,
                                          DyingWorkers& dying) {
  Supervisor supervisor(spec, worker);
  // The worker dies, and its I/O threads end, also when a callback throws.
  absl::Cleanup end = [&] {
    worker.process()->Kill();
    spec.io->Stop();
  };
  // The I/O threads start while the worker sets itself up.
  absl::Status status = spec.io->Start(/*has_job=*/!spec.job.empty());
  if (status.ok()) status = supervisor.Begin();
  if (status.ok()) status = supervisor.Loop();
  std::move(end).Invoke();

  std::unique_ptr<WorkerProcess> process = worker.TakeProcess();
  // The first cause wins, and a callback that throws is one; the guest may have broken its rings
  // and finished before anybody looked.
  if (status.ok() || status == spec.io->failure()) spec.io->RethrowFailure();
  if (status.ok()) status = spec.io->failure();
  if (!status.ok()) {
    if (spec.stopped && supervisor.was_stopped()) {
      Complete(worker, spec, supervisor.report());
      spec.stopped(supervisor.report());
    }
    return status;
  }
  dying.Add(std::move(process));
  dying.ReapDead();

  WorkerReport& report = supervisor.report();
  Complete(worker, spec, report);
  if (spec.options->progress) {
    const Arena::Progress progress = worker.arena().ReadProgress();
    spec.options->progress(progress.done, progress.total);
  }
  return std::move(report);
}

}  // namespace hotcell::broker
