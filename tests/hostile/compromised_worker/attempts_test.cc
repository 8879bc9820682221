#include "tests/hostile/compromised_worker/attempts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <ostream>

#include "tests/hostile/compromised_worker/attacked_host.h"

namespace hotcell::tests {

void PrintTo(const Attempt& attempt, std::ostream* out) { *out << attempt.name; }

namespace {

using ::testing::ValuesIn;

class IntruderTest : public AttackedHost, public ::testing::WithParamInterface<Attempt> {
 protected:
  static bool HasLayers(std::initializer_list<Layer> layers) {
    return std::ranges::all_of(layers,
                               [](Layer layer) { return layer == kTheKernel || HasLayer(layer); });
  }
  // Expects that the last step ended with one of `errors`.
  static void ExpectErrors(const Outcome& outcome, const std::vector<int>& errors) {
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    ASSERT_EQ(outcome.results.size(), GetParam().chain.attack().steps);
    const StepResult& last = outcome.results.back();
    EXPECT_THAT(errors, ::testing::Contains(last.error))
        << strerrorname_np(static_cast<int>(last.error)) << ", result " << last.result;
  }
};

// Without a pid namespace none of this is tried: it would meet the host's processes.
#define SKIP_WITHOUT_LAYERS(...)                                    \
  if (!HasLayers({Layer::kPidNamespace, __VA_ARGS__})) {            \
    GTEST_SKIP() << "this host has not got the layers to be tried"; \
  }

// The whole lock-down is on.
TEST_P(IntruderTest, DiesOfTheFirstCall) { ExpectDeathOfTheFirstCall(GetParam().chain); }

// Without seccomp: nothing is gained by it all the same, or the table says what is.
TEST_P(IntruderTest, GainsNothingWithoutTheFilterEither) {
  SKIP_WITHOUT_LAYERS(GetParam().stopped_by, Layer::kRunRlimits);
  const std::vector<int>& limited = GetParam().errors_by_limits;
  ExpectErrors(Run(GetParam().chain, Confinement::kLayersAlone),
               limited.empty() ? GetParam().errors : limited);
}

TEST_P(IntruderTest, GainsNothingWithoutFilterAndLimits) {
  SKIP_WITHOUT_LAYERS(GetParam().stopped_by, kTheKernel);
  ExpectErrors(Run(GetParam().chain, Confinement::kLayersWithoutLimits), GetParam().errors);
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
