// Jobs on workers that lie, stall or die, and what the broker has to make of it: an error that says
// so, and nothing lost.
#ifndef HOTCELL_TESTS_HOSTILE_SCRIPTED_WORKER_FIXTURE_H_
#define HOTCELL_TESTS_HOSTILE_SCRIPTED_WORKER_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotcell/engine.h"
#include "protos/control.pb.h"
#include "tests/hostile/scripted_worker/script.h"

namespace hotcell::hostile {

// ---- What workers say ---------------------------------------------------------------------------

// A message as a frame, with the length that is right, or another.
std::string Frame(const v1::FromWorker& message);
std::string Frame(std::string_view body);
std::string Frame(std::string_view body, uint32_t length);

v1::FromWorker Confined();  // all layers achieved
v1::FromWorker Ready();
v1::FromWorker Output(std::string_view serial);
v1::FromWorker Trace(std::string_view text);
v1::FromWorker Finished(v1::EndReason reason);
v1::FromWorker Violation(int syscall, v1::Phase phase);
v1::FromWorker Failure(int step, int error, std::string_view detail);

// A worker that has behaved well until its guest runs.
Script Running();

// ---- What may come of it ------------------------------------------------------------------------

// How much of the machine this process and its children hold.
struct ResourceCounts {
  size_t fds = 0;
  size_t threads = 0;
  size_t children = 0;    // zombies too
  size_t namespaces = 0;  // of other processes than this one, below it

  static ResourceCounts Count();
  bool operator==(const ResourceCounts&) const = default;
};
std::ostream& operator<<(std::ostream& out, const ResourceCounts& counts);

// An engine whose workers do as their scripts say. After each test it has lost nothing and serves a
// good worker's job.
class HostileWorkerTest : public testing::Test {
 protected:
  // Time that any job of a test may take more than it was given: for a machine under load.
  static constexpr absl::Duration kSlack = absl::Seconds(8);
  void SetUp() override;
  void TearDown() override;

  // Runs a guest program whose worker plays `script`.
  absl::StatusOr<RunReply> Run(const Script& script);
  // Runs `info` on a worker that plays `script` once it has its job. `memory`: how it behaves
  // before.
  absl::StatusOr<InfoReply> Info(const Script& script, uint64_t memory = kMisbehaves);
  // The error of Run(), which must have this code.
  std::string Error(const Script& script, absl::StatusCode code);
  // The error of Info(), likewise.
  std::string InfoError(const Script& script, absl::StatusCode code);

  void MakeEngine(const PoolOptions& pool);

  std::unique_ptr<Engine> engine_;
  JobOptions options_;  // of the jobs; 20 s of wall time
  // Memory that a job may take for a while, bytes. A megabyte is what threads and buffers take.
  uint64_t max_growth_ = 8 << 20;
  std::string serial_input_;
  bool has_console_ = false;
  std::string console_;
  size_t traces_ = 0;
  absl::Duration elapsed_;  // of the last job

 private:
  template <typename Job>
  auto Measure(const Job& job);

  ResourceCounts before_;
};

constexpr auto kInternal = absl::StatusCode::kInternal;
constexpr auto kDeadline = absl::StatusCode::kDeadlineExceeded;

}  // namespace hotcell::hostile

#endif  // HOTCELL_TESTS_HOSTILE_SCRIPTED_WORKER_FIXTURE_H_
