// Run().
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/host/monotonic_clock.h"
#include "broker/jobs/engine_impl.h"
#include "broker/lanes/io_engine.h"
#include "broker/workers/arena.h"
#include "broker/workers/native_end.h"
#include "broker/workers/worker_shape.h"
#include "guest/abi/abi.h"
#include "hotcell/text.h"
#include "protos/control.pb.h"

namespace hotcell {

using broker::Arena;
using broker::FileTable;
using broker::IoEngine;
using broker::JobSpec;
using broker::ReferenceResolver;
using broker::Worker;

namespace {

uint64_t MemoryOf(const RunRequest& request) {
  return request.memory_size == 0 ? request.options.limits.guest_memory : request.memory_size;
}

absl::Status CheckRunRequest(const RunRequest& request) {
  const Limits& limits = request.options.limits;
  if (absl::Status status = broker::CheckMemory(MemoryOf(request)); !status.ok()) return status;
  if (request.vcpus == 0 || request.vcpus > abi::kMaxLanes) {
    return absl::InvalidArgumentError(absl::StrCat("a guest has 1 to ", abi::kMaxLanes, " vCPUs"));
  }
  if (request.output_capacity > limits.output_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("an output of ", request.output_capacity,
                                                   " bytes is more than the limit output-bytes, ",
                                                   limits.output_bytes));
  }
  return absl::OkStatus();
}

v1::Setup SetupOf(const RunRequest& request) {
  v1::Setup setup;
  setup.set_mode(broker::ToWire(request.mode));
  setup.set_memory_size(MemoryOf(request));
  setup.set_vcpus(request.vcpus);
  setup.set_log_dirty_pages(request.log_dirty_pages);
  setup.set_program_size(request.program.size());
  setup.set_program_is_elf(request.program_is_elf);
  setup.set_cpu_seconds(broker::CpuSeconds(request.options.limits.cpu_time));
  return setup;
}

void FillStart(const RunRequest& request, v1::Start& start) {
  start.set_load_address(request.load_address);
  start.set_entry(request.entry);
  start.set_serial_input(request.serial_input);
  start.set_verbose(request.verbose);
}

}  // namespace

absl::StatusOr<RunReply> Engine::Impl::Run(const RunRequest& request) {
  const Call call(*this);
  if (absl::Status status = CheckRunRequest(request); !status.ok()) return status;
  const bool payload = request.mode == GuestMode::kPayload;
  const Limits& limits = request.options.limits;
  FileTable files(broker::FileLimitsOf(limits));  // empty: a payload that asks for a file ends
  const absl::StatusOr<ReferenceResolver> resolver = ReferenceResolver::Create(ReferencePolicy());
  if (!resolver.ok()) return resolver.status();

  JobSpec spec;
  spec.begin = broker::MonotonicNow();
  const absl::StatusOr<std::unique_ptr<Worker>> started =
      Worker::Start(programs(),
                    {.lanes = payload ? request.vcpus : 0,
                     .report_capacity = limits.report_bytes,
                     .program_size = request.program.size(),
                     .input_size = request.input.size(),
                     .output_capacity = request.output_capacity},
                    SetupOf(request));
  if (!started.ok()) return started.status();
  Arena& arena = (*started)->arena();
  arena.SetProgram(request.program);
  arena.SetInput(request.input);
  const absl::StatusOr<std::unique_ptr<IoEngine>> io =
      IoEngine::Create(**started, files, *resolver);
  if (!io.ok()) return io.status();

  FillStart(request, spec.start);
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
  absl::StatusOr<WorkerReport> ran = SuperviseAndRefillPool(**started, spec);
  if (!ran.ok()) return ran.status();
  return reply_of(*std::move(ran));
}

}  // namespace hotcell
