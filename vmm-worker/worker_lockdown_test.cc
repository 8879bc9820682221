// A worker whose guest runs, as it looks from outside: what is open, mapped and allowed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "guest/abi/abi.h"
#include "tests/support/process_limits.h"
#include "vmm-worker/testing/elf_builder.h"
#include "vmm-worker/testing/worker_process.h"

// testing/payload_guests.S
extern "C" const char payload_guests_begin[];
extern "C" const char payload_guests_end[];
extern "C" const char payload_ring_and_loop[];

namespace hotcell::worker {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::ElfBuilder;
using ::testing::HasSubstr;
using testing::KvmProblem;
using ::testing::Pair;
using ::testing::StartsWith;
using testing::WorkerOptions;
using testing::WorkerProcess;

WorkerOptions Options() {
  constexpr uint64_t kText = 0x200000;
  ElfBuilder elf;
  elf.AddSegment(kText, PF_R | PF_X, std::string(payload_guests_begin, payload_guests_end),
                 payload_guests_end - payload_guests_begin);
  elf.header().e_entry = kText + (payload_ring_and_loop - payload_guests_begin);
  return {.mode = v1::GUEST_MODE_PAYLOAD, .program = elf.Build(), .vcpus = 2};
}

class WorkerLockdownTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = KvmProblem(); !problem.empty()) GTEST_SKIP() << problem;
    if (geteuid() != 0) GTEST_SKIP() << "only root may look into an undumpable process";
  }

  // Starts the worker, and returns when each vCPU has executed its first instructions.
  static void RunUntilTheGuestLoops(WorkerProcess& worker, const WorkerOptions& options) {
    ASSERT_TRUE(worker.Start());
    for (uint32_t lane = 0; lane < options.vcpus; ++lane) {
      uint64_t rings = 0;
      while (read(worker.doorbell(lane), &rings, sizeof(rings)) < 0) usleep(500);
    }
  }

  static std::string Proc(const WorkerProcess& worker, const std::string& name) {
    return "/proc/" + std::to_string(worker.pid()) + "/" + name;
  }

  static std::map<int, std::string> OpenFiles(const WorkerProcess& worker) {
    std::map<int, std::string> open;
    for (const auto& entry : std::filesystem::directory_iterator(Proc(worker, "fd"))) {
      open[std::stoi(entry.path().filename())] = std::filesystem::read_symlink(entry.path());
    }
    return open;
  }

  static rlim_t LimitOf(const WorkerProcess& worker, __rlimit_resource resource) {
    const rlimit limit = tests::LimitOfProcess(worker.pid(), resource).value();
    EXPECT_EQ(limit.rlim_cur, limit.rlim_max);
    return limit.rlim_max;
  }
};

TEST_F(WorkerLockdownTest, OnlyPipesWakesAndVcpusAreOpenWhileTheGuestRuns) {
  const WorkerOptions options = Options();
  WorkerProcess worker(options);
  RunUntilTheGuestLoops(worker, options);
  EXPECT_THAT(OpenFiles(worker),
              ElementsAre(Pair(0, "/dev/null"), Pair(1, "/dev/null"), Pair(2, "/dev/null"),
                          Pair(abi::kFdControlIn, StartsWith("pipe:")),
                          Pair(abi::kFdControlOut, StartsWith("pipe:")),
                          Pair(abi::kFdWake, "anon_inode:[eventfd]"),
                          Pair(abi::kFdWake + 1, "anon_inode:[eventfd]"),
                          Pair(abi::kFdVcpu, "anon_inode:kvm-vcpu:0"),
                          Pair(abi::kFdVcpu + 1, "anon_inode:kvm-vcpu:1")));
}

TEST_F(WorkerLockdownTest, TheVmStaysOpenOnlyForADirtyPageLog) {
  WorkerOptions options = Options();
  options.log_dirty_pages = true;
  WorkerProcess worker(options);
  RunUntilTheGuestLoops(worker, options);
  EXPECT_THAT(OpenFiles(worker), Contains(Pair(abi::kFdVm, "anon_inode:kvm-vm")));
}

TEST_F(WorkerLockdownTest, TheDoorbellStaysOpenOnlyWhereTheWorkerRingsIt) {
  WorkerOptions options = Options();
  options.vcpus = 1;
  options.forward_doorbells = true;
  WorkerProcess worker(options);
  RunUntilTheGuestLoops(worker, options);
  EXPECT_THAT(OpenFiles(worker), Contains(Pair(abi::kFdDoorbell, "anon_inode:[eventfd]")));
}

// A mapping of /proc/PID/smaps: its first line, and its flags.
std::vector<std::pair<std::string, std::string>> Mappings(const std::string& path) {
  std::vector<std::pair<std::string, std::string>> mappings;
  std::ifstream file(path);
  std::string first;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmFlags:")) mappings.emplace_back(first, line);
    const size_t colon = line.find(':');
    if (colon == std::string::npos || line.find('-') < colon) first = line;
  }
  return mappings;
}

bool IsWritable(const std::string& mapping) {
  std::istringstream fields(mapping);
  std::string range;
  std::string rights;
  fields >> range >> rights;
  return rights.size() == 4 && rights[1] == 'w';
}

TEST_F(WorkerLockdownTest, NoWritableMemoryIsDumped) {
  const WorkerOptions options = Options();
  WorkerProcess worker(options);
  RunUntilTheGuestLoops(worker, options);
  int writable = 0;
  for (const auto& [mapping, flags] : Mappings(Proc(worker, "smaps"))) {
    if (!IsWritable(mapping)) continue;
    ++writable;
    EXPECT_THAT(flags, HasSubstr(" dd")) << mapping;
  }
  EXPECT_GE(writable, 8);  // data, heap, three stacks, guest memory, arena, kvm_run
}

TEST_F(WorkerLockdownTest, EachWorkersCodeIsAtAPlaceOfItsOwn) {
  int randomize = 0;
  std::ifstream("/proc/sys/kernel/randomize_va_space") >> randomize;
  if (randomize == 0) GTEST_SKIP() << "addresses are not randomised on this machine";
  std::set<std::string> places;
  for (int i = 0; i < 4; ++i) {
    WorkerProcess worker(Options());
    ASSERT_TRUE(worker.Read().has_value());
    std::ifstream maps(Proc(worker, "maps"));
    std::string line;
    while (std::getline(maps, line) && line.find("r-xp") == std::string::npos) {
    }
    places.insert(line.substr(0, line.find('-')));
  }
  EXPECT_GT(places.size(), 1u);
}

TEST_F(WorkerLockdownTest, NoMemoryIsWritableAndExecutable) {
  const WorkerOptions options = Options();
  WorkerProcess worker(options);
  RunUntilTheGuestLoops(worker, options);
  for (const auto& [mapping, flags] : Mappings(Proc(worker, "smaps"))) {
    EXPECT_FALSE(flags.find(" wr") != std::string::npos && flags.find(" ex") != std::string::npos)
        << mapping;
  }
}

TEST_F(WorkerLockdownTest, LimitsLeaveNothingToAcquire) {
  WorkerOptions options = Options();
  options.cpu_seconds = 123;
  WorkerProcess worker(options);
  RunUntilTheGuestLoops(worker, options);
  for (const __rlimit_resource resource :
       {RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_AS, RLIMIT_DATA,
        RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO}) {
    EXPECT_EQ(LimitOf(worker, resource), 0u) << resource;
  }
  EXPECT_EQ(LimitOf(worker, RLIMIT_CPU), 123u);
}

TEST_F(WorkerLockdownTest, TheKernelEndsAWorkerThatOutlivesItsCpuTime) {
  WorkerOptions options = Options();
  options.cpu_seconds = 1;  // of two vCPUs: half a second, with two processors to run on
  WorkerProcess worker(options);
  RunUntilTheGuestLoops(worker, options);
  EXPECT_EQ(worker.WaitForExit(), 128 + SIGKILL);
}

TEST_F(WorkerLockdownTest, ReadyCompletesTheLayers) {
  WorkerProcess worker(Options());
  const v1::Confined confined = worker.Read().value().confined();
  const v1::Ready ready = worker.Read().value().ready();
  std::vector<int> pending;
  for (const v1::LayerResult& result : confined.layers()) {
    if (result.state() == v1::LAYER_STATE_PENDING) pending.push_back(result.layer());
  }
  std::vector<int> applied;
  for (const v1::LayerResult& result : ready.layers()) {
    EXPECT_EQ(result.state(), v1::LAYER_STATE_ACHIEVED);
    applied.push_back(result.layer());
  }
  EXPECT_EQ(applied, pending);
  EXPECT_THAT(applied, ElementsAre(v1::LAYER_DONTDUMP, v1::LAYER_RUN_RLIMITS));
}

}  // namespace
}  // namespace hotcell::worker
