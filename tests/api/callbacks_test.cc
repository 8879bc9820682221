// Callbacks and descriptors that are the caller's mistake: they end its job, and are told as what
// they are.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/engine.h"
#include "hotcell/failure.h"
#include "hotcell/verdict.h"
#include "tests/api/memory_file.h"

namespace hotcell {
namespace {

using ::testing::HasSubstr;

class CallbacksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
    close(kvm);
    absl::StatusOr<Engine> engine = Engine::Create({.worker_path = HOTCELL_WORKER_PATH});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = std::make_unique<Engine>(*std::move(engine));
    request_.source = {.fd = source_.fd(), .name = "source", .format = "raw"};
    request_.target_fd = target_.fd();
    request_.target_format = "raw";
  }

  // A target of several files.
  void WriteFlatVmdk(ExtentFileOpener opener) {
    request_.target_format = "vmdk";
    request_.target_name = "disk.vmdk";
    request_.target_options = {{"subformat", "monolithicFlat"}};
    request_.open_extent_file = std::move(opener);
  }

  // The job fails with what the callback threw, and the engine is as good as before.
  void ExpectThrown(const std::function<void()>& job) {
    try {
      job();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "boo");
    }
    EXPECT_TRUE(engine_->ReapWorkers());
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1) << "a worker is left";
    const MemoryFile target;
    ConvertRequest request = request_;
    request.target_fd = target.fd();
    request.target_format = "raw";
    request.target_options.clear();
    request.open_extent_file = nullptr;
    request.inspect.reset();
    request.options.progress = nullptr;
    EXPECT_TRUE(engine_->Convert(request).ok());
    EXPECT_TRUE(target.Content() == source_.Content());
  }

  absl::Status Convert() { return engine_->Convert(request_).status(); }

  const MemoryFile source_{DiskContent(3 * kMebibyte)};
  const MemoryFile target_;
  ConvertRequest request_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(CallbacksTest, ExceptionOfAnExtentOpenerLeavesTheCall) {
  WriteFlatVmdk([](uint32_t) -> absl::StatusOr<ExtentFile> { throw std::runtime_error("boo"); });
  ExpectThrown([&] { (void)Convert(); });
}

TEST_F(CallbacksTest, ExceptionOfAJudgeLeavesTheCall) {
  request_.inspect = InspectFirst{
      .judge = [](const InspectReply&) -> absl::Status { throw std::runtime_error("boo"); }};
  ExpectThrown([&] { (void)Convert(); });
  EXPECT_EQ(target_.Content(), "");
}

TEST_F(CallbacksTest, ExceptionOfProgressLeavesTheCall) {
  request_.options.progress = [](uint64_t, uint64_t) { throw std::runtime_error("boo"); };
  ExpectThrown([&] { (void)Convert(); });
}

TEST_F(CallbacksTest, ExceptionOfAMapLeavesTheCall) {
  MapRequest request;
  request.source = request_.source;
  request.extent = [](const MapExtent&) -> absl::Status { throw std::runtime_error("boo"); };
  ExpectThrown([&] { (void)engine_->Map(request); });
}

TEST_F(CallbacksTest, ExceptionOfSerialOutputLeavesTheCall) {
  RunRequest request;
  // 1: mov $'x', %al; mov $0x3f8, %dx; out %al, (%dx); jmp 1b
  request.program = std::string("\xB0\x78\x66\xBA\xF8\x03\xEE\xEB\xF7", 9);
  request.serial_output = [](std::string_view) { throw std::runtime_error("boo"); };
  ExpectThrown([&] { (void)engine_->Run(request); });
}

TEST_F(CallbacksTest, ExtentThatIsNoDescriptorIsTheCallersMistake) {
  WriteFlatVmdk([](uint32_t) { return ExtentFile{.fd = -1, .name = "nothing"}; });
  const absl::Status status = Convert();
  EXPECT_EQ(FailureKindOf(status), FailureKind::kRequest) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'nothing' is not open"));
}

TEST_F(CallbacksTest, ErrorOfAnExtentOpenerIsNotTheGuests) {
  for (const absl::Status& error :
       {absl::FailedPreconditionError("boo"), absl::InternalError("boo"),
        absl::InvalidArgumentError("boo"), absl::PermissionDeniedError("boo")}) {
    WriteFlatVmdk([&](uint32_t) -> absl::StatusOr<ExtentFile> { return error; });
    const absl::Status status = Convert();
    EXPECT_THAT(std::string(status.message()), HasSubstr("boo"));
    EXPECT_NE(FailureKindOf(status), FailureKind::kGuestContract) << status;
  }
}

TEST_F(CallbacksTest, DescriptorsThatAreNotOpenAreTheCallersMistake) {
  const int closed = dup(source_.fd());
  close(closed);
  for (const int fd : {-1, closed}) {
    ConvertRequest request = request_;
    request.source.fd = fd;
    EXPECT_EQ(FailureKindOf(engine_->Convert(request).status()), FailureKind::kRequest);
    request = request_;
    request.target_fd = fd;
    EXPECT_EQ(FailureKindOf(engine_->Convert(request).status()), FailureKind::kRequest);
  }
}

TEST_F(CallbacksTest, FormatThatDoesNotExistIsTheCallersMistake) {
  request_.source.format = "qcow9";
  const absl::Status status = Convert();
  EXPECT_EQ(FailureKindOf(status), FailureKind::kRequest) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'qcow9'"));
  EXPECT_EQ(FailureKindOf(engine_->Info({.source = request_.source}).status()),
            FailureKind::kRequest);
}

}  // namespace
}  // namespace hotcell
