// A host with something to lose, and the broker on it that runs jobs in compromised workers.
#ifndef HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTACKED_HOST_H_
#define HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTACKED_HOST_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotcell/engine.h"
#include "hotcell/failure.h"
#include "tests/hostile/compromised_worker/chain.h"

namespace hotcell::tests {

// How much of the lock-down there is.
enum class Confinement {
  kAll,
  kLayersAlone,          // filters that allow everything
  kLayersWithoutLimits,  // and policy::kRunLimits left out
  kTrapsInTheRun,        // all, but a handler in the worker has to tell of forbidden calls
};

class AttackedHost : public ::testing::Test {
 protected:
  // A file of the user's and a process of the user's, for every test of this process.
  static const std::string& VictimFile();
  static pid_t VictimProcess();

  void SetUp() override;
  // Nothing on the host has changed, and the broker's next job succeeds.
  void TearDown() override;

  struct Outcome {
    absl::Status status;
    std::vector<StepResult> results;  // when the worker lived to tell
    WorkerReport worker;              // likewise
    absl::Duration elapsed;
  };
  static Outcome Run(const Chain& chain, Confinement confinement = Confinement::kAll,
                     absl::Duration deadline = absl::Seconds(10));
  static RunRequest Request(const Chain& chain);
  static const Engine& engine(Confinement confinement);
  // Afterwards this process has no child but the victim.
  static void ReapWorkers();

  // The broker says that the worker was killed for a call while its guest ran, and soon.
  static void ExpectViolation(const Outcome& outcome);
  // The worker is killed for the chain's first call. The kernel does not tell the broker which one
  // it was, but a chain that ends with it would end the job well if it were answered.
  static void ExpectDeathOfTheFirstCall(const Chain& chain) { ExpectViolation(Run(chain.First())); }
  // It was killed by SIGSEGV.
  static void ExpectCrash(const Outcome& outcome);
  // Whether the workers of this process have that layer; a test without it is skipped.
  static bool HasLayer(Layer layer);
};

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_ATTACKED_HOST_H_
