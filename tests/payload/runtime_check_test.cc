// The guest run-time at CPL 3: runtime_check.elf in a real guest, through the public API.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotcell/engine.h"

namespace hotcell {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

constexpr uint32_t kExitPanic = 0x70;
constexpr uint32_t kExitOutOfMemory = 0x71;

class RuntimeCheckTest : public testing::Test {
 protected:
  void SetUp() override {
    if (access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "/dev/kvm cannot be opened";
  }

  RunReply Check(char check, uint32_t vcpus = 1) {
    std::ifstream file(RUNTIME_CHECK_ELF, std::ios::binary);
    RunRequest request;
    request.program.assign(std::istreambuf_iterator<char>(file), {});
    request.program_is_elf = true;
    request.mode = GuestMode::kPayload;
    request.vcpus = vcpus;
    request.memory_size = 16 << 20;
    request.input = std::string(1, check);
    request.output_capacity = 4096;
    request.options.limits.wall_time = absl::Seconds(60);
    absl::StatusOr<Engine> engine = Engine::Create({.worker_path = HOTCELL_WORKER});
    EXPECT_TRUE(engine.ok()) << engine.status();
    if (!engine.ok()) return {};
    absl::StatusOr<RunReply> reply = engine->Run(request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    if (!reply.ok()) return {};
    EXPECT_EQ(reply->worker.end.reason, EndReason::kExited);
    return *std::move(reply);
  }
};

TEST_F(RuntimeCheckTest, StaticInitialisersRunOnceBeforeTheProgram) {
  const RunReply reply = Check('i', 4);
  EXPECT_EQ(reply.worker.end.exit_code, 0u);
  EXPECT_EQ(reply.output, "made before PayloadMain, 1 time");
}

TEST_F(RuntimeCheckTest, AllLanesWorkAndAllocateAtOnce) {
  const RunReply reply = Check('l', 4);
  EXPECT_EQ(reply.worker.end.exit_code, 0u) << reply.panic;
  EXPECT_EQ(reply.output, "4 lanes");
}

TEST_F(RuntimeCheckTest, CpuFeaturesAreFoundAndWork) {
  EXPECT_THAT(Check('f').output, AnyOf("AVX2", "no AVX2"));
}

TEST_F(RuntimeCheckTest, APanicSaysWhereAndWhy) {
  const RunReply reply = Check('p');
  EXPECT_EQ(reply.worker.end.exit_code, kExitPanic);
  EXPECT_THAT(reply.panic, MatchesRegex("runtime_check.cc:[0-9]+: the text of a panic"));
}

TEST_F(RuntimeCheckTest, ASmashedStackIsNoticed) {
  const RunReply reply = Check('s');
  EXPECT_EQ(reply.worker.end.exit_code, kExitPanic);
  EXPECT_THAT(reply.panic, HasSubstr("stack smashed"));
}

TEST_F(RuntimeCheckTest, RunningOutOfMemoryHasACodeOfItsOwn) {
  const RunReply reply = Check('m');
  EXPECT_EQ(reply.worker.end.exit_code, kExitOutOfMemory);
  EXPECT_THAT(reply.panic, MatchesRegex("out of guest memory: no [0-9]+ bytes left of 16 MiB"));
}

TEST_F(RuntimeCheckTest, AbortIsAPanic) {
  const RunReply reply = Check('a');
  EXPECT_EQ(reply.worker.end.exit_code, kExitPanic);
  EXPECT_THAT(reply.panic, StartsWith("libc.cc:"));
}

}  // namespace
}  // namespace hotcell
