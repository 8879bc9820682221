#include "tests/hostile/worker/attempts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>

#include "tests/hostile/worker/attacked_host.h"

namespace hotcell::tests {

void PrintTo(const Attempt& attempt, std::ostream* out) { *out << attempt.name; }

namespace {

using ::testing::ValuesIn;

class IntruderTest : public AttackedHost, public ::testing::WithParamInterface<Attempt> {};

// Under the whole lock-down: the worker dies of the first call, and the job ends with its name.
TEST_P(IntruderTest, DiesOfTheFirstCall) {
  const Outcome outcome = Run(GetParam().chain);
  ExpectViolation(outcome, GetParam().chain.attack().step[0].number);
}

// Without seccomp: nothing is gained by it all the same, or the table says what is.
TEST_P(IntruderTest, GainsNothingWithoutTheFilterEither) {
  for (const v1::Layer layer : {GetParam().stopped_by, v1::LAYER_PID_NAMESPACE}) {
    if (layer != kTheKernel && !HasLayer(layer)) GTEST_SKIP() << v1::Layer_Name(layer);
  }
  const Outcome outcome = Run(GetParam().chain, Confinement::kLayersAlone);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  ASSERT_EQ(outcome.results.size(), GetParam().chain.attack().steps);
  EXPECT_THAT(GetParam().errors, ::testing::Contains(outcome.results.back().error))
      << strerrorname_np(static_cast<int>(outcome.results.back().error)) << ", result "
      << outcome.results.back().result;
}

std::string NameOf(const ::testing::TestParamInfo<Attempt>& attempt) { return attempt.param.name; }

INSTANTIATE_TEST_SUITE_P(Files, IntruderTest, ValuesIn(FileAttempts()), NameOf);
INSTANTIATE_TEST_SUITE_P(Network, IntruderTest, ValuesIn(NetworkAttempts()), NameOf);
INSTANTIATE_TEST_SUITE_P(Processes, IntruderTest, ValuesIn(ProcessAttempts()), NameOf);
INSTANTIATE_TEST_SUITE_P(Memory, IntruderTest, ValuesIn(MemoryAttempts()), NameOf);
INSTANTIATE_TEST_SUITE_P(Privileges, IntruderTest, ValuesIn(PrivilegeAttempts()), NameOf);
INSTANTIATE_TEST_SUITE_P(Kvm, IntruderTest, ValuesIn(KvmAttempts()), NameOf);

}  // namespace
}  // namespace hotcell::tests
