#include "hotcell/engine.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/files/file_state.h"
#include "broker/files/file_table.h"
#include "broker/files/map_records.h"
#include "broker/files/reference_resolver.h"
#include "broker/host/event_fd.h"
#include "broker/host/monotonic_clock.h"
#include "broker/host/per_process.h"
#include "broker/host/posix_error.h"
#include "broker/host/unique_fd.h"
#include "broker/jobs/job_builder.h"
#include "broker/jobs/job_runner.h"
#include "broker/lanes/io_engine.h"
#include "broker/lanes/report_codec.h"
#include "broker/workers/arena.h"
#include "broker/workers/symbolizer.h"
#include "broker/workers/worker.h"
#include "broker/workers/worker_end.h"
#include "broker/workers/worker_pool.h"
#include "broker/workers/worker_process.h"
#include "broker/workers/worker_shape.h"
#include "guest/abi/abi.h"
#include "hotcell/failure.h"
#include "hotcell/text.h"

namespace hotcell {
namespace {

using broker::Arena;
using broker::FileTable;
using broker::IoEngine;
using broker::JobSpec;
using broker::PosixError;
using broker::ReferenceResolver;
using broker::UniqueFd;
using broker::Worker;
using broker::WorkerPool;
using broker::WorkerShape;

constexpr absl::string_view kWorkerName = "hotcell-worker";

absl::StatusOr<UniqueFd> OpenWorker(const std::string& path) {
  if (!path.empty()) {
    UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!fd.valid()) return PosixError(errno, absl::StrCat("open the worker ", Quote(path)));
    return fd;
  }
  std::array<char, PATH_MAX> self;
  const ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
  if (size < 0)
    return PosixError(errno, "find the worker (read /proc/self/exe; --worker FILE names it)");
  std::string directory(self.data(), static_cast<size_t>(size));
  directory.erase(directory.rfind('/') + 1);
  for (const absl::string_view below : {"", "../libexec/hotcell/"}) {
    const std::string beside = absl::StrCat(directory, below, kWorkerName);
    UniqueFd fd(open(beside.c_str(), O_PATH | O_CLOEXEC));
    if (fd.valid()) return fd;
    // A directory that is not there is no reason to look no further; one that may not be searched
    // is.
    if (errno != ENOENT && errno != ENOTDIR) {
      return PosixError(errno, absl::StrCat("open the worker ", Quote(beside)));
    }
  }
  return absl::NotFoundError(
      absl::StrCat("cannot find ", kWorkerName, " in ", Quote(directory),
                   " or ../libexec/hotcell/ beside it; install it there or "
                   "name it with --worker FILE (EngineOptions::worker_path)"));
}

absl::StatusOr<UniqueFd> OpenKvm(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (fd.valid()) return fd;
  const int error = errno;
  absl::string_view remedy = "see `hotcell doctor`";
  if (error == ENOENT || error == ENXIO || error == ENODEV) {
    remedy =
        "load kvm_intel or kvm_amd, having enabled virtualization in the firmware, or nested "
        "virtualization where this is a virtual machine; pass the device on to a container: "
        "--device /dev/kvm";
  } else if (error == EACCES || error == EPERM) {
    remedy =
        "let this user open it: usermod -aG kvm USER and log in again; in a container, pass it on "
        "with the group that owns it: --device /dev/kvm --group-add";
  }
  absl::Status status =
      absl::ErrnoToStatus(error, absl::StrCat("cannot open ", path, " (", remedy, ")"));
  if (error == EMFILE) status = PosixError(error, absl::StrCat("open ", path));
  return WithFailureKind(std::move(status), FailureKind::kKvm);
}

// Of a file on a file system; of others the most there can be.
uint64_t AllocatedBytes(int fd) {
  constexpr uint64_t kStatBlock = 512;
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return UINT64_MAX;
  return static_cast<uint64_t>(status.st_blocks) * kStatBlock;
}

absl::Status CheckMemory(uint64_t size) {
  if (size >= abi::kMinGuestMemory && size <= abi::kMaxGuestMemory && size % abi::kPageSize == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("a guest has ", abi::kMinGuestMemory, " to ",
                                                 abi::kMaxGuestMemory,
                                                 " bytes of memory, in pages; not ", size));
}

absl::Status NoResult() {
  return WithFailureKind(absl::InternalError("the guest reports success and no result"),
                         FailureKind::kGuestContract);
}

uint64_t WrittenBytes(const Limits& limits) {
  constexpr uint64_t kTimes = 4;
  constexpr uint64_t kMore = 64 << 20;
  if (limits.bytes_written != 0) return limits.bytes_written;
  return limits.output_bytes > (UINT64_MAX - kMore) / kTimes ? UINT64_MAX
                                                             : limits.output_bytes * kTimes + kMore;
}

std::string ChangedText(const ChangedFile& file) {
  const std::string known = broker::ChangeText(file.name, file.attributes_only, "read");
  return file.attributes_only ? known : absl::StrCat(known, "; the result may be of both contents");
}

// The guest's, and those of files that changed.
std::vector<std::string> Warnings(const v1::Report& report, const WorkerReport& worker) {
  std::vector<std::string> warnings = broker::ReportedWarnings(report);
  for (const ChangedFile& file : worker.changed_files) warnings.push_back(ChangedText(file));
  return warnings;
}

// The error of a map job. When the host has no room for its records, where that was.
absl::Status WithPlaceOfMap(const absl::Status& status, const FileTable& files,
                            absl::string_view directory) {
  if (directory.empty() || FailureKindOf(files.output_error()) != FailureKind::kHost) return status;
  return Reworded(status,
                  absl::StrCat(std::string(status.message()), "; it is a temporary file in ",
                               std::string(directory), ", and TMPDIR can name another directory"));
}

// The guest's error. Where a file changed, that may be all there is to it.
absl::Status GuestsError(const v1::Error& error, const FileTable& files) {
  absl::Status status = broker::ReportedError(error, files.error());
  const std::vector<ChangedFile> changed = files.ChangedInputs();
  if (changed.empty()) return status;
  return Reworded(
      status, absl::StrCat(std::string(status.message()), "; ",
                           broker::ChangeText(changed.front().name, changed.front().attributes_only,
                                              "read")));
}

broker::FileLimits FileLimitsOf(const Limits& limits) {
  return {.bytes_read = limits.bytes_read,
          .output_bytes = limits.output_bytes,
          .bytes_written = WrittenBytes(limits),
          .output_rate = limits.output_rate,
          .chain_depth = limits.chain_depth,
          .references = limits.references};
}

// How long a worker that was ready may take to ask for the first byte of its job. It takes less
// than a millisecond where the machine has a processor for it.
constexpr absl::Duration kAnswerLimit = absl::Seconds(1);

absl::Status CheckPool(const PoolOptions& pool) {
  constexpr uint32_t kMaxWorkers = 1024;
  if (pool.info_workers > kMaxWorkers || pool.convert_workers > kMaxWorkers ||
      pool.lanes > abi::kMaxLanes) {
    return absl::InvalidArgumentError(absl::StrCat("a pool has at most ", kMaxWorkers,
                                                   " workers of each kind, of at most ",
                                                   abi::kMaxLanes, " lanes"));
  }
  return CheckMemory(pool.limits.guest_memory);
}

}  // namespace

Cancellation::Cancellation() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Cancellation::~Cancellation() {
  if (fd_ >= 0) close(fd_);
}

void Cancellation::Cancel() {
  const int saved_errno = errno;
  broker::SignalEventFd(fd_);
  errno = saved_errno;
}

// Moves the result out of the report.
absl::StatusOr<InspectReply> MakeInspectReply(v1::Report& report, uint64_t file_size,
                                              const absl::Status& file_error) {
  if (!report.has_inspect()) return NoResult();
  InspectReply reply;
  reply.file_size = file_size;
  reply.inspection = std::move(*report.mutable_inspect());
  if (reply.inspection.has_failure()) {
    reply.failure = broker::ReportedError(reply.inspection.failure(), file_error);
  }
  if (reply.inspection.has_check_failure()) {
    reply.check_failure = broker::ReportedError(reply.inspection.check_failure(), file_error);
  }
  reply.warnings = broker::ReportedWarnings(report);
  return reply;
}

// Why a job that was to be judged is no success, whatever its guest says.
absl::Status CheckJudged(const ConvertRequest& request, const FileTable& files,
                         const broker::FileState& before) {
  if (absl::Status refusal = files.refusal(); !refusal.ok()) return refusal;
  if (files.writes_held()) {
    return WithFailureKind(
        absl::InternalError("the guest never said what it found out about the image"),
        FailureKind::kGuestContract);
  }
  const broker::FileChange change = before.ChangeUntil(broker::FileState(request.source.fd));
  if (change == broker::FileChange::kNone) return absl::OkStatus();
  const bool attributes_only = change == broker::FileChange::kAttributes;
  const std::string text = broker::ChangeText(Quote(request.source.name), attributes_only, "read");
  return WithFailureKind(
      absl::FailedPreconditionError(
          absl::StrCat(text, attributes_only ? "; what was judged may not be what was converted"
                                             : "; what was judged is not what was converted")),
      FailureKind::kHost);
}

struct Engine::Impl {
  // One of the engine's jobs, from the beginning of the call to its end.
  class Call;

  ~Impl();

  UniqueFd worker;
  UniqueFd kvm;
  broker::DyingWorkers dying;
  std::unique_ptr<WorkerPool> pool;  // null: none was asked for

  struct Calls {
    std::mutex mutex;
    std::condition_variable ended;
    uint32_t under_way = 0;
  };
  broker::PerProcess<Calls> calls;

  broker::WorkerPrograms programs() const {
    return {.worker_fd = worker.get(), .kvm_fd = kvm.get()};
  }

  // A ready worker of one of the shapes; null: there is none.
  std::unique_ptr<Worker> TakeReady(std::span<const WorkerShape> shapes) const;
  // Runs the built-in transcoder of this worker on `job`. `requests`: so many of its guest's were
  // served.
  absl::StatusOr<WorkerReport> RunOn(Worker& transcoder, v1::Job& job,
                                     const ReferenceResolver& resolver, FileTable& files,
                                     JobSpec& spec, uint64_t& requests);
  // Runs the built-in transcoder on `job`, whose lanes are set to those of the worker; `report` is
  // the guest's answer when the status is OK.
  absl::Status Transcode(std::span<const WorkerShape> shapes, v1::Job& job,
                         const JobOptions& options, const ReferencePolicy& references,
                         FileTable& files, v1::Report& report, WorkerReport& worker_report);
  absl::StatusOr<ConvertReply> RunConvert(std::span<const WorkerShape> shapes, v1::Job job,
                                          const JobOptions& options,
                                          const ReferencePolicy& references, FileTable& files);
  absl::StatusOr<WorkerReport> RunJob(Worker& worker_of_job, const JobSpec& spec);
};

class Engine::Impl::Call {
 public:
  explicit Call(Impl& engine) : engine_(engine), outer_(innermost_) {
    innermost_ = this;
    Calls& calls = *engine_.calls;
    const std::lock_guard lock(calls.mutex);
    ++calls.under_way;
  }
  ~Call() {
    innermost_ = outer_;
    Calls& calls = *engine_.calls;
    const std::lock_guard lock(calls.mutex);
    if (--calls.under_way == 0) calls.ended.notify_all();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Whether this thread is within a call of `engine`, in a callback that is.
  static bool IsWithin(const Impl& engine) {
    const Call* call = innermost_;
    while (call != nullptr && &call->engine_ != &engine) call = call->outer_;
    return call != nullptr;
  }

 private:
  static thread_local const Call* innermost_;

  Impl& engine_;
  const Call* const outer_;
};
thread_local const Engine::Impl::Call* Engine::Impl::Call::innermost_ = nullptr;

Engine::Impl::~Impl() {
  if (Call::IsWithin(*this)) {
    std::fputs("hotcell: an Engine is destroyed by a callback of a job of its own\n", stderr);
    std::abort();
  }
  {
    Calls& mine = *calls;
    std::unique_lock lock(mine.mutex);
    mine.ended.wait(lock, [&] { return mine.under_way == 0; });
  }
  // What the pool's thread was doing at the time of fork() is half done in a child for ever.
  if (pool != nullptr && !pool->mine()) [[maybe_unused]]
    WorkerPool* const left = pool.release();
}

std::unique_ptr<Worker> Engine::Impl::TakeReady(std::span<const WorkerShape> shapes) const {
  if (pool == nullptr) return nullptr;
  for (const WorkerShape& shape : shapes) {
    if (std::unique_ptr<Worker> ready = pool->Take(shape)) return ready;
  }
  return nullptr;
}

absl::StatusOr<WorkerReport> Engine::Impl::RunJob(Worker& worker_of_job, const JobSpec& spec) {
  absl::StatusOr<WorkerReport> report = broker::RunJob(worker_of_job, spec, dying);
  if (pool != nullptr) pool->Nudge();
  return report;
}

absl::StatusOr<WorkerReport> Engine::Impl::RunOn(Worker& transcoder, v1::Job& job,
                                                 const ReferenceResolver& resolver,
                                                 FileTable& files, JobSpec& spec,
                                                 uint64_t& requests) {
  job.set_lanes(transcoder.setup().vcpus());
  absl::StatusOr<std::string> encoded = broker::EncodeJob(job);
  if (!encoded.ok()) return encoded.status();
  spec.job = *std::move(encoded);
  const absl::StatusOr<std::unique_ptr<IoEngine>> io =
      IoEngine::Create(transcoder, files, resolver);
  if (!io.ok()) return io.status();
  spec.io = io->get();
  absl::StatusOr<WorkerReport> ran = RunJob(transcoder, spec);
  requests = spec.io->counters().requests;
  spec.io = nullptr;
  return ran;
}

absl::Status Engine::Impl::Transcode(std::span<const WorkerShape> shapes, v1::Job& job,
                                     const JobOptions& options, const ReferencePolicy& references,
                                     FileTable& files, v1::Report& report,
                                     WorkerReport& worker_report) {
  JobSpec spec;
  spec.begin = broker::MonotonicNow();
  if (absl::Status status = CheckMemory(options.limits.guest_memory); !status.ok()) return status;
  const absl::StatusOr<ReferenceResolver> resolver = ReferenceResolver::Create(references);
  if (!resolver.ok()) return resolver.status();
  spec.options = &options;
  spec.symbols = broker::BuiltinSymbols();
  std::unique_ptr<Worker> transcoder = TakeReady(shapes);
  absl::StatusOr<WorkerReport> ran = WorkerReport();
  if (transcoder != nullptr) {
    spec.answer_limit = kAnswerLimit;
    uint64_t requests = 0;
    ran = RunOn(*transcoder, job, *resolver, files, spec, requests);
    // It was killed or stopped while it waited, and nobody had noticed. Its guest has seen nothing
    // of the job's files and done nothing to them.
    const bool lost = FailureKindOf(ran.status()) == FailureKind::kWorkerDied && requests == 0;
    if (lost) transcoder.reset();
  }
  if (transcoder == nullptr) {
    absl::StatusOr<std::unique_ptr<Worker>> started =
        broker::StartTranscoder(programs(), shapes.front());
    if (!started.ok()) return started.status();
    transcoder = *std::move(started);
    spec.answer_limit = absl::InfiniteDuration();
    uint64_t requests = 0;
    ran = RunOn(*transcoder, job, *resolver, files, spec, requests);
  }
  if (!ran.ok()) return ran.status();
  worker_report = *std::move(ran);
  worker_report.bytes_read = files.bytes_read();

  Arena& arena = transcoder->arena();
  absl::Status end =
      broker::GuestEndStatus(worker_report.finished, arena.CopyPanicText(), spec.symbols);
  if (!end.ok()) return end;
  absl::StatusOr<v1::Report> decoded =
      broker::DecodeReport(arena.CopyReport(), options.limits.report_bytes);
  if (!decoded.ok()) return decoded.status();
  report = *std::move(decoded);
  if (report.has_error()) return GuestsError(report.error(), files);
  worker_report.changed_files = files.ChangedInputs();
  if (options.fail_if_changed && !worker_report.changed_files.empty()) {
    return WithFailureKind(
        absl::FailedPreconditionError(ChangedText(worker_report.changed_files.front())),
        FailureKind::kHost);
  }
  // Nor is it the guest's to say that what could not be written is there.
  if (absl::Status status = files.output_error(); !status.ok()) return status;
  return files.EmptyOutputs();
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

absl::StatusOr<Engine> Engine::Create(const EngineOptions& options) {
  absl::StatusOr<UniqueFd> worker = OpenWorker(options.worker_path);
  if (!worker.ok()) return worker.status();
  absl::StatusOr<UniqueFd> kvm = OpenKvm(options.kvm_path);
  if (!kvm.ok()) return kvm.status();
  auto impl = std::make_unique<Impl>();
  impl->worker = *std::move(worker);
  impl->kvm = *std::move(kvm);
  const PoolOptions& wanted = options.pool;
  if (wanted.info_workers == 0 && wanted.convert_workers == 0) return Engine(std::move(impl));
  if (absl::Status status = CheckPool(wanted); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<WorkerPool>> pool =
      WorkerPool::Create(impl->programs(),
                         {{.shape = broker::InfoShape(wanted.limits), .count = wanted.info_workers},
                          {.shape = broker::ConvertShape(wanted.limits, wanted.lanes),
                           .count = wanted.convert_workers}},
                         impl->dying);
  if (!pool.ok()) return pool.status();
  impl->pool = *std::move(pool);
  return Engine(std::move(impl));
}

bool Engine::ReapWorkers(absl::Duration at_most) const {
  return impl_->dying.ReapAll(broker::MonotonicNow() + at_most);
}

absl::StatusOr<ConvertReply> Engine::Impl::RunConvert(std::span<const WorkerShape> shapes,
                                                      v1::Job job, const JobOptions& options,
                                                      const ReferencePolicy& references,
                                                      FileTable& files) {
  v1::Report report;
  ConvertReply reply;
  if (absl::Status status =
          Transcode(shapes, job, options, references, files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_convert()) return NoResult();
  reply.result = report.convert();
  reply.warnings = Warnings(report, reply.worker);
  return reply;
}

absl::StatusOr<ConvertReply> Engine::Convert(const ConvertRequest& request) const {
  const Impl::Call call(*impl_);
  const Limits& limits = request.options.limits;
  FileTable files(FileLimitsOf(limits));
  const broker::FileState before(request.source.fd);
  uint64_t source_size = 0;  // bytes; known once the job is made
  if (request.inspect) {
    if (!request.inspect->judge) {
      return absl::InvalidArgumentError("nobody judges what is found out about the image");
    }
    files.HoldWrites([&](v1::Report& report) -> absl::Status {
      if (report.has_error()) return broker::ReportedError(report.error(), files.error());
      const absl::StatusOr<InspectReply> reply =
          MakeInspectReply(report, source_size, files.error());
      return reply.ok() ? request.inspect->judge(*reply) : reply.status();
    });
  }
  absl::StatusOr<v1::Job> job = broker::BuildConvertJob(request, files);
  if (!job.ok()) return job.status();
  source_size = job->convert().source().size();
  uint64_t allocated = AllocatedBytes(request.source.fd);
  for (const ImageSource& source : request.more_sources) {
    const uint64_t more = AllocatedBytes(source.fd);
    allocated = allocated > UINT64_MAX - more ? UINT64_MAX : allocated + more;
  }
  const std::vector<WorkerShape> shapes =
      broker::ShapesFor(limits, request.lanes, request.references, allocated);
  absl::StatusOr<ConvertReply> reply =
      impl_->RunConvert(shapes, *job, request.options, request.references, files);
  if (!request.inspect) return reply;
  // A guest that goes on after a refusal, or without asking, is told as what it is first.
  if (!reply.ok() && files.refusal().ok()) return reply;
  if (absl::Status status = CheckJudged(request, files, before); !status.ok()) return status;
  return reply;
}

absl::StatusOr<ConvertReply> Engine::CreateImage(const CreateRequest& request) const {
  const Impl::Call call(*impl_);
  FileTable files(FileLimitsOf(request.options.limits));
  const absl::StatusOr<v1::Job> job = broker::BuildCreateJob(request, files);
  if (!job.ok()) return job.status();
  // There is little to write, and nothing to read.
  const WorkerShape shape = broker::InfoShape(request.options.limits);
  return impl_->RunConvert({&shape, 1}, *job, request.options, ReferencePolicy(), files);
}

absl::StatusOr<InfoReply> Engine::Info(const InfoRequest& request) const {
  const Impl::Call call(*impl_);
  FileTable files(FileLimitsOf(request.options.limits));
  absl::StatusOr<v1::Job> job = broker::BuildInfoJob(request, files);
  if (!job.ok()) return job.status();
  v1::Report report;
  InfoReply reply;
  // Without the chain it reports references and opens none.
  const ReferencePolicy references = request.backing_chain ? request.references : ReferencePolicy();
  const WorkerShape shape = broker::InfoShape(request.options.limits);
  if (absl::Status status = impl_->Transcode({&shape, 1}, *job, request.options, references, files,
                                             report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_info()) return NoResult();
  // Each entry may cost a hundred times the two bytes that it has in the report.
  if (static_cast<uint32_t>(report.backing_chain_size()) > request.options.limits.chain_depth) {
    return WithFailureKind(
        absl::InternalError("the guest describes more images than a chain may have"),
        FailureKind::kGuestContract);
  }
  reply.info = std::move(*report.mutable_info());
  for (v1::ImageInfo& image : *report.mutable_backing_chain()) {
    const broker::JobFile* const file = files.Find(image.slot());
    if (file == nullptr) {
      return WithFailureKind(absl::InternalError("the guest describes a file it does not have"),
                             FailureKind::kGuestContract);
    }
    reply.backing_chain.push_back(
        {.info = std::move(image), .allocated_size = AllocatedBytes(file->fd)});
  }
  reply.warnings = Warnings(report, reply.worker);
  return reply;
}

absl::StatusOr<CompareReply> Engine::Compare(const CompareRequest& request) const {
  const Impl::Call call(*impl_);
  FileTable files(FileLimitsOf(request.options.limits));
  absl::StatusOr<v1::Job> job = broker::BuildCompareJob(request, files);
  if (!job.ok()) return job.status();
  const uint64_t first = AllocatedBytes(request.first.fd);
  const uint64_t second = AllocatedBytes(request.second.fd);
  const std::vector<WorkerShape> shapes =
      broker::ShapesFor(request.options.limits, request.lanes, request.references,
                        first > UINT64_MAX - second ? UINT64_MAX : first + second);
  v1::Report report;
  CompareReply reply;
  if (absl::Status status = impl_->Transcode(shapes, *job, request.options, request.references,
                                             files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_compare()) return NoResult();
  reply.result = report.compare();
  if (reply.result.has_failure()) {
    reply.failure = broker::ReportedError(reply.result.failure(), files.error());
  }
  reply.warnings = Warnings(report, reply.worker);
  return reply;
}

absl::StatusOr<DigestReply> Engine::Digest(const DigestRequest& request) const {
  const Impl::Call call(*impl_);
  FileTable files(FileLimitsOf(request.options.limits));
  absl::StatusOr<v1::Job> job = broker::BuildDigestJob(request, files);
  if (!job.ok()) return job.status();
  const std::vector<WorkerShape> shapes = broker::ShapesFor(
      request.options.limits, request.lanes, request.references, AllocatedBytes(request.source.fd));
  v1::Report report;
  DigestReply reply;
  if (absl::Status status = impl_->Transcode(shapes, *job, request.options, request.references,
                                             files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  constexpr size_t kSha256Size = 32;
  if (!report.has_digest() || report.digest().sha256().size() != kSha256Size) {
    return NoResult();
  }
  reply.result = report.digest();
  reply.warnings = Warnings(report, reply.worker);
  return reply;
}

absl::StatusOr<CheckReply> Engine::Check(const CheckRequest& request) const {
  const Impl::Call call(*impl_);
  FileTable files(FileLimitsOf(request.options.limits));
  absl::StatusOr<v1::Job> job = broker::BuildCheckJob(request, files);
  if (!job.ok()) return job.status();
  v1::Report report;
  CheckReply reply;
  const WorkerShape shape = broker::InfoShape(request.options.limits);
  if (absl::Status status = impl_->Transcode({&shape, 1}, *job, request.options, request.references,
                                             files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_check()) return NoResult();
  reply.report = std::move(*report.mutable_check());
  reply.warnings = Warnings(report, reply.worker);
  return reply;
}

absl::StatusOr<InspectReply> Engine::Inspect(const InspectRequest& request) const {
  const Impl::Call call(*impl_);
  FileTable files(FileLimitsOf(request.options.limits));
  absl::StatusOr<v1::Job> job = broker::BuildInspectJob(request, files);
  if (!job.ok()) return job.status();
  v1::Report report;
  WorkerReport worker;
  const WorkerShape shape = broker::InfoShape(request.options.limits);
  if (absl::Status status = impl_->Transcode({&shape, 1}, *job, request.options, ReferencePolicy(),
                                             files, report, worker);
      !status.ok()) {
    return status;
  }
  absl::StatusOr<InspectReply> reply =
      MakeInspectReply(report, job->inspect().source().size(), files.error());
  if (reply.ok()) reply->worker = std::move(worker);
  return reply;
}

absl::StatusOr<MapReply> Engine::Map(const MapRequest& request) const {
  const Impl::Call call(*impl_);
  const absl::StatusOr<broker::MapFile> records = broker::MakeMapFile();
  if (!records.ok()) return records.status();
  Limits limits = request.options.limits;
  limits.output_bytes = std::min(limits.output_bytes, broker::kMaxMapBytes);
  FileTable files(FileLimitsOf(limits));
  absl::StatusOr<v1::Job> job = broker::BuildMapJob(request, records->fd.get(), files);
  if (!job.ok()) return job.status();
  v1::Report report;
  MapReply reply;
  const WorkerShape shape = broker::InfoShape(request.options.limits);
  if (absl::Status status = impl_->Transcode({&shape, 1}, *job, request.options, request.references,
                                             files, report, reply.worker);
      !status.ok()) {
    return WithPlaceOfMap(status, files, records->directory);
  }
  if (!report.has_map()) return NoResult();
  reply.warnings = Warnings(report, reply.worker);
  if (!records->warning.empty()) reply.warnings.push_back(records->warning);
  const absl::Status status =
      broker::ReadMapRecords(records->fd.get(), report.map().records(), files, request);
  if (!status.ok()) return status;
  return reply;
}

absl::StatusOr<MeasureReply> Engine::Measure(const MeasureRequest& request) const {
  const Impl::Call call(*impl_);
  FileTable files(FileLimitsOf(request.options.limits));
  absl::StatusOr<v1::Job> job = broker::BuildMeasureJob(request, files);
  if (!job.ok()) return job.status();
  v1::Report report;
  MeasureReply reply;
  const WorkerShape shape = broker::InfoShape(request.options.limits);
  if (absl::Status status = impl_->Transcode({&shape, 1}, *job, request.options, request.references,
                                             files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_measure()) return NoResult();
  reply.result = report.measure();
  reply.warnings = Warnings(report, reply.worker);
  return reply;
}

absl::StatusOr<ResizeReply> Engine::Resize(const ResizeRequest& request) const {
  FileTable files(FileLimitsOf(request.options.limits));
  absl::StatusOr<v1::Job> job = broker::BuildResizeJob(request, files);
  if (!job.ok()) return job.status();
  v1::Report report;
  ResizeReply reply;
  const WorkerShape shape = broker::InfoShape(request.options.limits);
  if (absl::Status status = impl_->Transcode({&shape, 1}, *job, request.options, request.references,
                                             files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_resize()) return NoResult();
  reply.result = report.resize();
  reply.warnings = broker::ReportedWarnings(report);
  return reply;
}

absl::StatusOr<RebaseReply> Engine::Rebase(const RebaseRequest& request) const {
  FileTable files(FileLimitsOf(request.options.limits));
  absl::StatusOr<v1::Job> job = broker::BuildRebaseJob(request, files);
  if (!job.ok()) return job.status();
  v1::Report report;
  RebaseReply reply;
  const WorkerShape shape = broker::InfoShape(request.options.limits);
  if (absl::Status status = impl_->Transcode({&shape, 1}, *job, request.options, ReferencePolicy(),
                                             files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_rebase()) return NoResult();
  reply.result = report.rebase();
  reply.warnings = broker::ReportedWarnings(report);
  return reply;
}

absl::StatusOr<RunReply> Engine::Run(const RunRequest& request) const {
  const Impl::Call call(*impl_);
  const bool payload = request.mode == v1::GUEST_MODE_PAYLOAD;
  const Limits& limits = request.options.limits;
  const uint64_t memory = request.memory_size == 0 ? limits.guest_memory : request.memory_size;
  if (absl::Status status = CheckMemory(memory); !status.ok()) return status;
  if (request.vcpus == 0 || request.vcpus > abi::kMaxLanes) {
    return absl::InvalidArgumentError(absl::StrCat("a guest has 1 to ", abi::kMaxLanes, " vCPUs"));
  }
  if (request.output_capacity > limits.output_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("an output of ", request.output_capacity,
                                                   " bytes is more than the limit output-bytes, ",
                                                   limits.output_bytes));
  }
  FileTable files(FileLimitsOf(limits));  // empty: a payload that asks for a file ends
  const absl::StatusOr<ReferenceResolver> resolver = ReferenceResolver::Create(ReferencePolicy());
  if (!resolver.ok()) return resolver.status();

  JobSpec spec;
  spec.begin = broker::MonotonicNow();
  v1::Setup setup;
  setup.set_mode(request.mode);
  setup.set_memory_size(memory);
  setup.set_vcpus(request.vcpus);
  setup.set_log_dirty_pages(request.log_dirty_pages);
  setup.set_program_size(request.program.size());
  setup.set_program_is_elf(request.program_is_elf);
  setup.set_cpu_seconds(broker::CpuSeconds(limits.cpu_time));
  const absl::StatusOr<std::unique_ptr<Worker>> worker =
      Worker::Start(impl_->programs(),
                    {.lanes = payload ? request.vcpus : 0,
                     .report_capacity = limits.report_bytes,
                     .program_size = request.program.size(),
                     .input_size = request.input.size(),
                     .output_capacity = request.output_capacity},
                    std::move(setup));
  if (!worker.ok()) return worker.status();
  Arena& arena = (*worker)->arena();
  arena.SetProgram(request.program);
  arena.SetInput(request.input);
  const absl::StatusOr<std::unique_ptr<IoEngine>> io = IoEngine::Create(**worker, files, *resolver);
  if (!io.ok()) return io.status();

  spec.start.set_load_address(request.load_address);
  spec.start.set_entry(request.entry);
  spec.start.set_serial_input(request.serial_input);
  spec.start.set_verbose(request.verbose);
  spec.io = io->get();
  spec.options = &request.options;
  if (!payload) {
    spec.serial_output = request.serial_output ? request.serial_output : [](std::string_view) {};
  }
  spec.trace = request.trace;
  const auto reply_of = [&](WorkerReport report) {
    RunReply reply{.output = arena.CopyOutput(), .panic = {}, .worker = std::move(report)};
    if (payload) reply.panic = Escape(arena.CopyPanicText(), kMaxShownMessage);
    return reply;
  };
  if (request.stopped) {
    spec.stopped = [&](const WorkerReport& report) { request.stopped(reply_of(report)); };
  }
  absl::StatusOr<WorkerReport> ran = impl_->RunJob(**worker, spec);
  if (!ran.ok()) return ran.status();
  return reply_of(*std::move(ran));
}

}  // namespace hotcell
