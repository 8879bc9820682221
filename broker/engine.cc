#include "hotcell/engine.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/arena.h"
#include "broker/event_fd.h"
#include "broker/file_table.h"
#include "broker/io_engine.h"
#include "broker/job_builder.h"
#include "broker/job_runner.h"
#include "broker/posix_error.h"
#include "broker/reference_resolver.h"
#include "broker/report_codec.h"
#include "broker/symbolizer.h"
#include "broker/unique_fd.h"
#include "broker/worker_end.h"
#include "broker/worker_process.h"
#include "guest/abi/abi.h"
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

constexpr absl::string_view kWorkerName = "hotcell-worker";

absl::StatusOr<UniqueFd> OpenWorker(const std::string& path) {
  if (!path.empty()) {
    UniqueFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!fd.valid()) return PosixError(errno, absl::StrCat("open the worker ", Quote(path)));
    return fd;
  }
  std::array<char, PATH_MAX> self;
  const ssize_t size = readlink("/proc/self/exe", self.data(), self.size());
  if (size < 0) return PosixError(errno, "find the worker (read /proc/self/exe)");
  std::string directory(self.data(), static_cast<size_t>(size));
  directory.erase(directory.rfind('/') + 1);
  for (const absl::string_view below : {"", "../libexec/hotcell/"}) {
    UniqueFd fd(open(absl::StrCat(directory, below, kWorkerName).c_str(), O_PATH | O_CLOEXEC));
    if (fd.valid()) return fd;
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
  if (error == ENOENT) {
    remedy = "enable virtualization in the firmware and load kvm_intel or kvm_amd";
  } else if (error == EACCES || error == EPERM) {
    remedy = "let this user open it, usually by adding it to the group kvm";
  }
  return absl::ErrnoToStatus(error, absl::StrCat("cannot open ", path, " (", remedy, ")"));
}

uint32_t DefaultLanes() {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof(cpus), &cpus) != 0) return 1;
  return std::clamp<uint32_t>(static_cast<uint32_t>(CPU_COUNT(&cpus)), 1, abi::kMaxLanes);
}

absl::Status CheckMemory(uint64_t size) {
  if (size >= abi::kMinGuestMemory && size <= abi::kMaxGuestMemory && size % abi::kPageSize == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("a guest has ", abi::kMinGuestMemory, " to ",
                                                 abi::kMaxGuestMemory,
                                                 " bytes of memory, in pages; not ", size));
}

broker::FileLimits FileLimitsOf(const Limits& limits) {
  return {.bytes_read = limits.bytes_read,
          .output_bytes = limits.output_bytes,
          .chain_depth = limits.chain_depth,
          .references = limits.references};
}

// Runs the built-in transcoder on `job`; `report` is the guest's answer when the status is OK.
absl::Status Transcode(const broker::WorkerPrograms& programs, broker::DyingWorkers& dying,
                       const v1::Job& job, const JobOptions& options,
                       const ReferencePolicy& references, FileTable& files, v1::Report& report,
                       WorkerReport& worker) {
  const Limits& limits = options.limits;
  if (absl::Status status = CheckMemory(limits.guest_memory); !status.ok()) return status;
  const absl::StatusOr<ReferenceResolver> resolver = ReferenceResolver::Create(references);
  if (!resolver.ok()) return resolver.status();
  absl::StatusOr<Arena> arena =
      Arena::Create({.lanes = job.lanes(), .report_capacity = limits.report_bytes});
  if (!arena.ok()) return arena.status();
  const absl::StatusOr<std::string> encoded = broker::EncodeJob(job);
  if (!encoded.ok()) return encoded.status();
  arena->SetJob(*encoded);
  const absl::StatusOr<std::unique_ptr<IoEngine>> io = IoEngine::Create(*arena, files, *resolver);
  if (!io.ok()) return io.status();

  JobSpec spec;
  spec.setup.set_mode(v1::GUEST_MODE_PAYLOAD);
  spec.setup.set_memory_size(limits.guest_memory);
  spec.setup.set_vcpus(job.lanes());
  spec.setup.set_arena_size(arena->header().arena_size);
  // Reading a few tables takes less time than an ioeventfd takes to go.
  spec.setup.set_forward_doorbells(job.has_info());
  spec.arena = &*arena;
  spec.io = io->get();
  spec.options = &options;
  spec.symbols = broker::TranscoderSymbols();
  absl::StatusOr<WorkerReport> ran = broker::RunJob(programs, spec, dying);
  if (!ran.ok()) return ran.status();
  worker = *std::move(ran);
  worker.bytes_read = files.bytes_read();

  absl::Status end = broker::GuestEndStatus(worker.finished, arena->CopyPanicText(), spec.symbols);
  if (!end.ok()) return end;
  absl::StatusOr<v1::Report> decoded = broker::DecodeReport(arena->CopyReport());
  if (!decoded.ok()) return decoded.status();
  report = *std::move(decoded);
  return report.has_error() ? broker::ReportedError(report.error(), files.error())
                            : absl::OkStatus();
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

struct Engine::Impl {
  UniqueFd worker;
  UniqueFd kvm;
  broker::DyingWorkers dying;

  broker::WorkerPrograms programs() const {
    return {.worker_fd = worker.get(), .kvm_fd = kvm.get()};
  }
};

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
  return Engine(std::move(impl));
}

void Engine::ReapWorkers() const { impl_->dying.ReapAll(); }

absl::StatusOr<ConvertReply> Engine::Convert(const ConvertRequest& request) const {
  const uint32_t lanes = request.lanes == 0 ? DefaultLanes() : request.lanes;
  FileTable files(FileLimitsOf(request.options.limits));
  const absl::StatusOr<v1::Job> job = broker::BuildConvertJob(request, lanes, files);
  if (!job.ok()) return job.status();
  v1::Report report;
  ConvertReply reply;
  if (absl::Status status = Transcode(impl_->programs(), impl_->dying, *job, request.options,
                                      request.references, files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_convert()) {
    return absl::InternalError("the guest reports success and no result");
  }
  reply.result = report.convert();
  reply.warnings = broker::ReportedWarnings(report);
  return reply;
}

absl::StatusOr<InfoReply> Engine::Info(const InfoRequest& request) const {
  FileTable files(FileLimitsOf(request.options.limits));
  const absl::StatusOr<v1::Job> job = broker::BuildInfoJob(request, files);
  if (!job.ok()) return job.status();
  v1::Report report;
  InfoReply reply;
  // Info reports references and opens none.
  if (absl::Status status = Transcode(impl_->programs(), impl_->dying, *job, request.options,
                                      ReferencePolicy(), files, report, reply.worker);
      !status.ok()) {
    return status;
  }
  if (!report.has_info()) return absl::InternalError("the guest reports success and no result");
  reply.info = report.info();
  reply.warnings = broker::ReportedWarnings(report);
  return reply;
}

absl::StatusOr<RunReply> Engine::Run(const RunRequest& request) const {
  const bool payload = request.mode == v1::GUEST_MODE_PAYLOAD;
  const Limits& limits = request.options.limits;
  const uint64_t memory = request.memory_size == 0 ? limits.guest_memory : request.memory_size;
  if (absl::Status status = CheckMemory(memory); !status.ok()) return status;
  if (request.vcpus == 0 || request.vcpus > abi::kMaxLanes) {
    return absl::InvalidArgumentError(absl::StrCat("a guest has 1 to ", abi::kMaxLanes, " vCPUs"));
  }
  absl::StatusOr<Arena> arena = Arena::Create({.lanes = payload ? request.vcpus : 0,
                                               .report_capacity = limits.report_bytes,
                                               .program_size = request.program.size(),
                                               .input_size = request.input.size(),
                                               .output_capacity = request.output_capacity});
  if (!arena.ok()) return arena.status();
  arena->SetProgram(request.program);
  arena->SetInput(request.input);
  FileTable files(FileLimitsOf(limits));  // empty: a payload that asks for a file ends
  const absl::StatusOr<ReferenceResolver> resolver = ReferenceResolver::Create(ReferencePolicy());
  if (!resolver.ok()) return resolver.status();
  const absl::StatusOr<std::unique_ptr<IoEngine>> io = IoEngine::Create(*arena, files, *resolver);
  if (!io.ok()) return io.status();

  JobSpec spec;
  v1::Setup& setup = spec.setup;
  setup.set_mode(request.mode);
  setup.set_memory_size(memory);
  setup.set_vcpus(request.vcpus);
  setup.set_arena_size(arena->header().arena_size);
  setup.set_log_dirty_pages(request.log_dirty_pages);
  setup.set_program_offset(arena->program_offset());
  setup.set_program_size(request.program.size());
  setup.set_program_is_elf(request.program_is_elf);
  spec.start.set_load_address(request.load_address);
  spec.start.set_entry(request.entry);
  spec.start.set_serial_input(request.serial_input);
  spec.start.set_verbose(request.verbose);
  spec.arena = &*arena;
  spec.io = io->get();
  spec.options = &request.options;
  if (!payload) {
    spec.serial_output = request.serial_output ? request.serial_output : [](std::string_view) {};
  }
  spec.trace = request.trace;
  absl::StatusOr<WorkerReport> ran = broker::RunJob(impl_->programs(), spec, impl_->dying);
  if (!ran.ok()) return ran.status();

  RunReply reply;
  reply.worker = *std::move(ran);
  reply.output = arena->CopyOutput();
  if (payload) reply.panic = Escape(arena->CopyPanicText(), kMaxShownMessage);
  return reply;
}

}  // namespace hotcell
