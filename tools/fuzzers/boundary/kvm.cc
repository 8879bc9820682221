// Guests out of a fuzzer's bytes, run for real: a worker of its own for each, on KVM, with real
// files, served by the broker that is in this process. Whatever the guest does, the job ends in
// time and in a way that a guest can bring about, its files are as they must be, and the next job
// does well.
//
// The first byte of an input says whether it is a payload (kvm_guest.h), a flat program of 64-bit
// code or one of 16-bit code.
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "broker/files/file_table.h"
#include "broker/files/reference_resolver.h"
#include "broker/host/monotonic_clock.h"
#include "broker/jobs/job_runner.h"
#include "broker/lanes/io_engine.h"
#include "broker/lanes/report_codec.h"
#include "broker/workers/worker.h"
#include "broker/workers/worker_end.h"
#include "hotcell/engine.h"
#include "tools/fuzzers/boundary/byte_source.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/boundary/job_files.h"
#include "tools/fuzzers/boundary/kvm_guest.h"
#include "tools/fuzzers/check.h"

namespace hotcell::fuzz {
namespace {

constexpr absl::Duration kWallTime = absl::Milliseconds(150);
// The time that a job may take beyond its limit, on a machine that does other things too.
constexpr absl::Duration kMargin = absl::Seconds(10);
constexpr uint64_t kInputSize = 40000;
constexpr uint64_t kQuota = 256 << 10;
constexpr uint64_t kReportCapacity = 4096;
constexpr int kJobsBetweenOrdinaryOnes = 32;
constexpr size_t kMaxFlatProgram = 4096;
// Descriptors to the process that libFuzzer names functions with, which starts when it likes.
constexpr int kSymbolizerPipes = 2;

int CountEntries(const char* directory) {
  DIR* const entries = opendir(directory);
  Check(entries != nullptr, "a directory can be listed");
  int count = 0;
  while (readdir(entries) != nullptr) ++count;
  closedir(entries);
  return count;
}

// This thread's children, but for the one that libFuzzer names functions with.
int CountChildren() {
  std::ifstream children("/proc/thread-self/children");
  int count = 0;
  for (std::string pid; children >> pid;) {
    std::string name;
    std::getline(std::ifstream("/proc/" + pid + "/comm") >> std::ws, name);
    if (name != "llvm-symbolizer") ++count;
  }
  return count;
}

void CheckText(const absl::Status& status) {
  CheckClean(std::string(status.message()), "an error's text");
}

// What a guest can bring about. Everything else (a worker that is killed by a signal, that makes a
// forbidden system call or breaks its protocol) means that the guest got somewhere.
void CheckFailure(const absl::Status& status) {
  CheckText(status);
  if (status.code() == absl::StatusCode::kDeadlineExceeded) return;
  Check(absl::StrContains(status.message(), "the guest broke the ring protocol"),
        "a job ends in a way that its guest can bring about", std::string(status.message()));
}

void CheckEnd(const GuestEnd& end, bool payload) {
  CheckText(broker::GuestEndStatus(end, "", {}));
  switch (end.reason) {
    case EndReason::kExited:
    case EndReason::kGuestFault:
    case EndReason::kUnexpectedExit:
      return;
    case EndReason::kHalted:
    case EndReason::kLoadError:
      Check(!payload, "a payload cannot halt, and this one can be loaded", end.detail);
      return;
    case EndReason::kKvmError:
      // Instructions that KVM would have to emulate and cannot.
      return;
    default:
      Check(false, "a guest's end has a reason", absl::StrCat(static_cast<int>(end.reason)));
  }
}

class Session {
 public:
  Session()
      : engine_(MakeEngine()),
        worker_(open(HOTCELL_WORKER_PATH, O_PATH | O_CLOEXEC)),
        kvm_(open("/dev/kvm", O_RDWR | O_CLOEXEC)),
        input_(MakeFile(input_bytes_)),
        output_(MakeFile("")),
        canary_(MakeFile(canary_bytes_)) {
    Check(worker_.valid() && kvm_.valid(), "the worker and KVM can be opened");
    RunOrdinaryJob();
    descriptors_ = CountEntries("/proc/self/fd");
  }

  void Run(ByteSource input) {
    const absl::Duration begin = broker::MonotonicNow();
    switch (input.Choose(8)) {
      case 6:
        RunFlat(GuestMode::kLong, input);
        break;
      case 7:
        RunFlat(GuestMode::kReal, input);
        break;
      default:
        RunPayload(input);
    }
    Check(broker::MonotonicNow() - begin < kWallTime + kMargin, "a job ends in time",
          absl::FormatDuration(broker::MonotonicNow() - begin));
    Check(ReadFile(input_.get()) == input_bytes_, "an input never changes");
    Check(ReadFile(canary_.get()) == canary_bytes_, "other files never change");
    Check(ReadFile(output_.get()).size() <= kQuota, "an output stays within its quota");
    if (++jobs_ % kJobsBetweenOrdinaryOnes == 0) CheckHealth();
  }

 private:
  static Engine MakeEngine() {
    absl::StatusOr<Engine> engine = Engine::Create({.worker_path = HOTCELL_WORKER_PATH});
    Check(engine.ok(), "an engine can be made", std::string(engine.status().message()));
    return *std::move(engine);
  }

  void RunPayload(ByteSource& input) {
    broker::FileTable files(
        {.bytes_read = 1 << 20, .output_bytes = kQuota, .chain_depth = 2, .references = 2});
    Check(files.AddInput(input_.get(), "input").ok() &&
              files.AddOutput(output_.get(), "output", broker::Durability::kNone, true).ok(),
          "files can be added");
    ReferencePolicy policy;
    if (input.Choose(2) == 0) policy.Map("base", absl::StrCat("/proc/self/fd/", input_.get()));
    const absl::StatusOr<broker::ReferenceResolver> resolver =
        broker::ReferenceResolver::Create(policy);
    v1::Setup setup;
    setup.set_mode(v1::GUEST_MODE_PAYLOAD);
    setup.set_memory_size(abi::kMinGuestMemory);
    setup.set_vcpus(input.Choose(4) == 0 ? kGuestVcpus : 1);
    setup.set_forward_doorbells(setup.vcpus() == 1 && input.Choose(2) == 0);
    setup.set_program_size(kPayloadSize);
    setup.set_program_is_elf(true);
    const uint32_t lanes = setup.vcpus();
    JobOptions options;
    options.limits.wall_time = kWallTime;
    broker::JobSpec spec;
    spec.begin = broker::MonotonicNow();
    spec.options = &options;
    const absl::StatusOr<std::unique_ptr<broker::Worker>> worker = broker::Worker::Start(
        {.worker_fd = worker_.get(), .kvm_fd = kvm_.get()},
        {.lanes = lanes, .report_capacity = kReportCapacity, .program_size = kPayloadSize},
        std::move(setup));
    Check(resolver.ok() && worker.ok(), "a worker starts", std::string(worker.status().message()));
    broker::Arena& arena = (*worker)->arena();
    arena.SetProgram(MakePayload(input, arena.header()));
    const absl::StatusOr<std::unique_ptr<broker::IoEngine>> io =
        broker::IoEngine::Create(**worker, files, *resolver);
    Check(io.ok(), "an I/O engine can be made");
    spec.io = io->get();
    const absl::StatusOr<WorkerReport> report = broker::SuperviseJob(**worker, spec, dying_);
    if (!report.ok()) return CheckFailure(report.status());
    CheckEnd(report->end, /*payload=*/true);
    Check(files.bytes_read() <= 1 << 20, "reads stay within their quota");
    CheckText(files.error());
    const absl::StatusOr<v1::Report> decoded =
        broker::DecodeReport(arena.CopyReport(), arena.header().report_capacity);
    if (!decoded.ok()) CheckText(decoded.status());
    CheckText(broker::GuestEndStatus(report->end, arena.CopyPanicText(), {}));
  }

  void RunFlat(GuestMode mode, ByteSource& input) {
    RunRequest request;
    request.mode = mode;
    request.memory_size = abi::kMinGuestMemory;
    if (mode == GuestMode::kLong) {
      const uint8_t flags = input.Take<uint8_t>();
      request.vcpus = (flags & 1) != 0 ? 2 : 1;
      if ((flags & 2) != 0) request.input = "typed";
      if ((flags & 4) != 0) request.output_capacity = 4096;
    }
    request.serial_input = "typed\r";
    request.program = input.TakeBytes(kMaxFlatProgram);
    request.options.limits.wall_time = kWallTime;
    size_t console = 0;
    request.serial_output = [&](std::string_view text) { console += text.size(); };
    const absl::StatusOr<RunReply> reply = engine_.Run(request);
    if (!reply.ok()) return CheckFailure(reply.status());
    Check(reply->output.size() <= request.output_capacity, "an output is no larger than its area");
    CheckEnd(reply->worker.end, /*payload=*/false);
  }

  void RunOrdinaryJob() {
    InfoRequest request;
    request.source = {.fd = input_.get(), .name = "input", .format = "raw"};
    const absl::StatusOr<InfoReply> reply = engine_.Info(request);
    Check(reply.ok(), "an ordinary job does well", std::string(reply.status().message()));
    Check(reply->info.format == "raw" && reply->info.virtual_size >= kInputSize,
          "an ordinary job's result is right");
  }

  void CheckHealth() {
    RunOrdinaryJob();
    engine_.ReapWorkers();
    dying_.ReapAll();
    Check(CountChildren() == 0, "no process is left");
    Check(CountEntries("/proc/self/fd") <= descriptors_ + kSymbolizerPipes,
          "no descriptor is left");
  }

  const std::string input_bytes_ = Pattern(kInputSize, 1);
  const std::string canary_bytes_ = Pattern(1000, 2);
  Engine engine_;
  UniqueFd worker_;
  UniqueFd kvm_;
  UniqueFd input_;
  UniqueFd output_;
  UniqueFd canary_;
  broker::DyingWorkers dying_;
  int descriptors_ = 0;
  uint64_t jobs_ = 0;
};

}  // namespace
}  // namespace hotcell::fuzz

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  if (access("/dev/kvm", R_OK | W_OK) == 0) return 0;
  std::perror("skipped: /dev/kvm");
  constexpr int kSkipped = 77;
  std::exit(kSkipped);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const session = new hotcell::fuzz::Session();
  session->Run(hotcell::fuzz::ByteSource(data, size));
  return 0;
}
