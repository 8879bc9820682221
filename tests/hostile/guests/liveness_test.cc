// Guests that do not end, and guests that keep the broker busy: the deadline ends the first, and
// the second cost it no more than a processor and no other job anything.
#include <sys/resource.h>

#include <thread>

#include "absl/time/clock.h"
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

constexpr absl::Duration kWallTime = absl::Milliseconds(250);
// The deadline fires within 100 ms; the rest is for a machine that is busy with other tests.
constexpr absl::Duration kPatience = absl::Seconds(2);

absl::Duration BrokerCpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

// A worker that is slow to say where the guest was, on a busy machine, is killed without that.
const End kWallTimeOver = {absl::StatusCode::kDeadlineExceeded,
                           "^the job took longer than its limit `wall-time` of 250ms"
                           "(; the guest was at 0x33:0x[0-9a-f]+, .*)?$",
                           Remedy::kRaiseWallTime};

class EndlessGuest : public HostileGuestTest, public testing::WithParamInterface<AttackJob> {};

TEST_P(EndlessGuest, MeetsItsDeadline) {
  // The request of the flood: a read of what is not there, which takes nothing of a quota.
  const abi::Submission read = {.opcode = static_cast<uint32_t>(abi::Opcode::kRead),
                                .slot = kInputSlot,
                                .offset = 1ull << 40,
                                .length = 512,
                                .buffer = kInBuffers};
  SetRequests({&read, 1});
  options_.limits.wall_time = kWallTime;
  const absl::Time begin = absl::Now();
  ExpectConvertEnds(GetParam(), kWallTimeOver);
  EXPECT_LT(absl::Now() - begin, kWallTime + kPatience);
}

const AttackJob kEndless[] = {
    {"loop"},
    {"loop_on_all", 0, 0, 4},
    {"loop_cpuid"},
    {"loop_split_lock"},
    {"ring_doorbell"},
    {"wait_for_nobody"},
    {"all_wait_for_nobody", 0, 0, 4},
    {"wake_storm"},
    {"wake_each_other", 0, 0, 4},
    {"others_exit", 0, 0, 4},
    {"outs_heap", abi::kPortDoorbell},
    {"flood"},
};
INSTANTIATE_TEST_SUITE_P(Liveness, EndlessGuest, testing::ValuesIn(kEndless),
                         [](const auto& job) { return job.param.guest; });

TEST_F(HostileGuestTest, AnEndlessGuestMeetsItsCpuTime) {
  options_.limits.cpu_time = absl::Milliseconds(200);
  ExpectConvertEnds({"loop"}, {absl::StatusCode::kDeadlineExceeded, "its limit `cpu-time` of 200"});
}

TEST_F(HostileGuestTest, AnEndlessGuestIsCancelled) {
  for (const char* guest : {"loop", "wait_for_nobody", "ring_doorbell"}) {
    Cancellation cancellation;
    options_.cancellation = &cancellation;
    std::thread canceller([&] {
      absl::SleepFor(absl::Milliseconds(100));
      cancellation.Cancel();
    });
    ExpectConvertEnds({guest}, {absl::StatusCode::kCancelled, "the job was cancelled"});
    canceller.join();
  }
}

TEST_F(HostileGuestTest, AGuestThatSleepsCostsTheBrokerNothing) {
  options_.limits.wall_time = absl::Milliseconds(500);
  const absl::Duration before = BrokerCpuTime();
  EXPECT_FALSE(Convert({"wait_for_nobody"}).ok());
  EXPECT_LT(BrokerCpuTime() - before, absl::Milliseconds(100));
}

TEST_F(HostileGuestTest, AHundredThousandDoorbellsCostTheBrokerLessThanAProcessor) {
  const absl::Duration before = BrokerCpuTime();
  const absl::Time begin = absl::Now();
  ExpectConvertEnds({"ring_doorbell", 100'000}, WentOn());
  EXPECT_LT(BrokerCpuTime() - before, 1.2 * (absl::Now() - begin));
}

TEST_F(HostileGuestTest, DoorbellsThatTheWorkerForwardsAreServedToo) {
  ExpectEnd(Info({"ring_doorbell", 5'000}).status(), WentOn());
}

TEST_F(HostileGuestTest, AHundredThousandWakeUpsEndNothing) {
  ExpectConvertEnds({"wake_storm", 100'000}, WentOn());
}

TEST_F(HostileGuestTest, OtherJobsAreServedDuringAStorm) {
  options_.limits.wall_time = absl::Seconds(1);
  std::thread storm([this] {
    ExpectConvertEnds({"ring_doorbell"}, {absl::StatusCode::kDeadlineExceeded, "`wall-time`"});
  });
  absl::SleepFor(absl::Milliseconds(100));
  ExpectOrdinaryJobsSucceed();
  storm.join();
}

// A pooled worker is one of those that are ready before their job comes.
TEST_F(HostileGuestTest, GuestsOfAPoolEndLikeOthers) {
  absl::StatusOr<Engine> pooled =
      Engine::Create({.worker_path = HOSTILE_WORKER_PATH,
                      .pool = {.info_workers = 1, .convert_workers = 1, .lanes = 1, .limits = {}}});
  ASSERT_TRUE(pooled.ok()) << pooled.status();
  for (int i = 0; i < 10; ++i) {
    absl::SleepFor(absl::Milliseconds(20));
    ExpectEnd(ConvertWith(*pooled, {"ud2"}).status(), Fault(6));
    ExpectOrdinaryJobsSucceedWith(*pooled);
  }
}

}  // namespace
}  // namespace hotcell::hostile
