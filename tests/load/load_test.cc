// Many jobs, a third of them hostile: each ends as it does alone, and nothing is left of any.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hotcell/engine.h"
#include "tests/load/jobs.h"
#include "tests/load/usage.h"

namespace hotcell::load {
namespace {

// Resident anonymous memory may grow by this much after the first fifth of a run, bytes: what the
// allocator keeps for one thread more or less.
constexpr uint64_t kMaxGrowth = 6 << 20;
// Allocated and not freed after a run: the counters of the C++ run-time, no job's.
constexpr uint64_t kMaxHeapGrowth = 64 << 10;

class LoadTest : public testing::Test {
 protected:
  void SetUp() override {
    if (access("/dev/kvm", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
    }
    // Files that the test reads go back to the kernel and are not taken for the engine's memory.
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
    std::string pattern = testing::TempDir() + "/hotcell-load-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    std::filesystem::create_directory(images());
    std::filesystem::create_directory(targets());
    // A copy, by which its processes are told from those of other tests.
    std::filesystem::copy_file(HOTCELL_WORKER_PATH, worker());
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::string images() const { return directory_ + "/images"; }
  std::string targets() const { return directory_ + "/targets"; }
  std::string worker() const { return directory_ + "/hotcell-worker"; }

  std::unique_ptr<Engine> MakeEngine(uint32_t pool) const {
    PoolOptions options;
    options.info_workers = options.convert_workers = pool;
    absl::StatusOr<Engine> engine = Engine::Create({.worker_path = worker(), .pool = options});
    EXPECT_TRUE(engine.ok()) << engine.status();
    return std::make_unique<Engine>(*std::move(engine));
  }

  // Runs jobs 0 to `jobs` - 1, `at_once` at the same time, on an engine with `pool` workers of each
  // kind kept ready. Checks all that must hold.
  void RunJobs(size_t jobs, size_t at_once, uint32_t pool);

 private:
  void Serve(const Engine& engine, const JobMix& mix, size_t jobs, Watch* watch);
  void Round(const JobMix& mix, size_t jobs, size_t at_once, uint32_t pool, Watch* watch);

  std::string directory_;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  std::vector<std::string> wrong_;
};

void LoadTest::Serve(const Engine& engine, const JobMix& mix, size_t jobs, Watch* watch) {
  for (size_t i = 0; (i = next_++) < jobs;) {
    const LoadJob& job = mix.job(i);
    const std::string outcome = job.run(engine, targets() + "/" + std::to_string(i));
    if (watch != nullptr) watch->Step();
    if (outcome.find(job.expected) != std::string::npos) continue;
    const std::lock_guard lock(mutex_);
    wrong_.push_back(job.name + ": " + outcome);
  }
}

void LoadTest::Round(const JobMix& mix, size_t jobs, size_t at_once, uint32_t pool, Watch* watch) {
  const std::unique_ptr<Engine> engine = MakeEngine(pool);
  next_ = 0;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < at_once; ++i) {
    threads.emplace_back([&] { Serve(*engine, mix, jobs, watch); });
  }
  for (std::thread& thread : threads) thread.join();
}

void LoadTest::RunJobs(size_t jobs, size_t at_once, uint32_t pool) {
  absl::StatusOr<JobMix> mix = JobMix::Make(*MakeEngine(0), images());
  ASSERT_TRUE(mix.ok()) << mix.status();
  Round(*mix, 3 * at_once, at_once, pool, nullptr);  // allocators and caches fill
  const ResourceCounts before = ResourceCounts::Count(worker(), targets());
  malloc_trim(0);
  const Memory memory_before = Memory::Now();

  const absl::Time begin = absl::Now();
  Watch watch(jobs);
  Round(*mix, jobs, at_once, pool, &watch);
  watch.Stop();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begin);

  malloc_trim(0);
  const Memory memory_after = Memory::Now();
  EXPECT_EQ(wrong_, std::vector<std::string>());
  EXPECT_EQ(ResourceCounts::Count(worker(), targets()), before);
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
  EXPECT_LT(memory_after.heap, memory_before.heap + kMaxHeapGrowth);
  EXPECT_LT(memory_after.anonymous, memory_before.anonymous + kMaxGrowth);
  EXPECT_LE(memory_after.shared, memory_before.shared + (64 << 10));
  const std::vector<uint64_t>& peaks = watch.anonymous_peaks();
  const uint64_t early = std::max(peaks[0], peaks[1]);
  for (size_t part = 2; part < peaks.size(); ++part) EXPECT_LT(peaks[part], early + kMaxGrowth);

  std::printf("%zu jobs, %zu at once, %u pooled: %.1f s, %.0f jobs/s\n", jobs, at_once, pool,
              seconds, static_cast<double>(jobs) / seconds);
  std::printf("anonymous memory, peak of each tenth (KiB):");
  for (const uint64_t peak : peaks) std::printf(" %lu", peak >> 10);
  std::printf("; at rest %lu -> %lu, heap in use %lu -> %lu bytes\n", memory_before.anonymous >> 10,
              memory_after.anonymous >> 10, memory_before.heap, memory_after.heap);
  std::printf("peaks: %lu KiB of arenas, %zu children, %zu descriptors\n",
              watch.shared_peak() >> 10, watch.children_peak(), watch.fds_peak());
}

TEST_F(LoadTest, AHundredAndFiftyJobsEightAtOnceLeaveNothing) { RunJobs(150, 8, 0); }
TEST_F(LoadTest, SixtyJobsFourAtOnceOnAPoolLeaveNothing) { RunJobs(60, 4, 2); }

// Minutes each: label slow.
TEST_F(LoadTest, SlowAThousandJobsBackToBackLeaveNothing) { RunJobs(1000, 1, 0); }
TEST_F(LoadTest, SlowAThousandJobsSixteenAtOnceLeaveNothing) { RunJobs(1000, 16, 0); }
TEST_F(LoadTest, SlowAThousandJobsSixteenAtOnceOnAPoolLeaveNothing) { RunJobs(1000, 16, 4); }

}  // namespace
}  // namespace hotcell::load
