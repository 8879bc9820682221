// libhotcell as a service uses it: descriptors in, a report out, and nothing left behind.
#include "hotcell/engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotcell/failure.h"
#include "hotcell/verdict.h"
#include "tests/api/memory_file.h"

namespace hotcell {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Field;
using ::testing::HasSubstr;

int OpenDescriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
    close(kvm);
    absl::StatusOr<Engine> engine = Engine::Create({.worker_path = HOTCELL_WORKER_PATH});
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = std::make_unique<Engine>(*std::move(engine));
  }

  static ConvertRequest Request(const MemoryFile& source, const std::string& source_format,
                                const MemoryFile& target, const std::string& target_format) {
    ConvertRequest request;
    request.source = {.fd = source.fd(), .name = "source", .format = source_format};
    request.target_fd = target.fd();
    request.target_format = target_format;
    return request;
  }

  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineTest, RoundTripThroughQcow2GivesTheSameBytes) {
  const MemoryFile source(DiskContent(5 * kMebibyte + 1536));
  const MemoryFile qcow2;
  const MemoryFile target;

  const auto there = engine_->Convert(Request(source, "raw", qcow2, "qcow2"));
  ASSERT_TRUE(there.ok()) << there.status();
  const auto back = engine_->Convert(Request(qcow2, "", target, "raw"));
  ASSERT_TRUE(back.ok()) << back.status();

  EXPECT_EQ(back->result.source_format, "qcow2");
  EXPECT_EQ(back->result.virtual_size, 5 * kMebibyte + 1536);
  EXPECT_TRUE(target.Content() == source.Content());
}

TEST_F(EngineTest, CallerKeepsItsDescriptorsAndGetsNoneMore) {
  const MemoryFile source(DiskContent(kMebibyte));
  const MemoryFile target;
  const int before = OpenDescriptors();

  ASSERT_TRUE(engine_->Convert(Request(source, "raw", target, "raw")).ok());
  engine_->ReapWorkers();

  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_TRUE(source.Content() == target.Content());
}

TEST_F(EngineTest, NoChildOutlivesTheEngine) {
  const MemoryFile source(DiskContent(kMebibyte));
  const MemoryFile target;

  ASSERT_TRUE(engine_->Convert(Request(source, "raw", target, "raw")).ok());
  engine_.reset();

  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(EngineTest, ProgressEndsAtTheTotal) {
  const MemoryFile source(DiskContent(8 * kMebibyte));
  const MemoryFile target;
  ConvertRequest request = Request(source, "raw", target, "raw");
  std::vector<std::pair<uint64_t, uint64_t>> calls;
  request.options.progress = [&](uint64_t done, uint64_t total) { calls.push_back({done, total}); };

  ASSERT_TRUE(engine_->Convert(request).ok());

  ASSERT_FALSE(calls.empty());
  EXPECT_EQ(calls.back().first, 8 * kMebibyte);
  EXPECT_EQ(calls.back().second, 8 * kMebibyte);
}

TEST_F(EngineTest, CancelledBeforeItStartsEndsAsCancelled) {
  const MemoryFile source(DiskContent(kMebibyte));
  const MemoryFile target;
  Cancellation cancellation;
  cancellation.Cancel();
  ConvertRequest request = Request(source, "raw", target, "raw");
  request.options.cancellation = &cancellation;

  EXPECT_EQ(engine_->Convert(request).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(EngineTest, CancelledFromAnotherThreadEndsAsCancelled) {
  const MemoryFile source(DiskContent(256 * kMebibyte));
  const MemoryFile target;
  Cancellation cancellation;
  ConvertRequest request = Request(source, "raw", target, "qcow2");
  request.compress = true;
  request.options.cancellation = &cancellation;
  std::thread canceller([&] {
    usleep(100'000);
    cancellation.Cancel();
  });

  const absl::Status status = engine_->Convert(request).status();
  canceller.join();

  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
}

TEST_F(EngineTest, WallTimeLimitIsNamed) {
  const MemoryFile source(DiskContent(256 * kMebibyte));
  const MemoryFile target;
  ConvertRequest request = Request(source, "raw", target, "qcow2");
  request.compress = true;
  request.options.limits.wall_time = absl::Milliseconds(50);

  const absl::Status status = engine_->Convert(request).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("time"));
}

TEST_F(EngineTest, OutputLimitIsNamed) {
  const MemoryFile source(DiskContent(8 * kMebibyte));
  const MemoryFile target;
  ConvertRequest request = Request(source, "raw", target, "qcow2");
  request.options.limits.output_bytes = kMebibyte;

  const absl::Status status = engine_->Convert(request).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("output"));
}

TEST_F(EngineTest, ReadLimitIsNamed) {
  const MemoryFile source(DiskContent(8 * kMebibyte));
  const MemoryFile target;
  ConvertRequest request = Request(source, "raw", target, "raw");
  request.options.limits.bytes_read = kMebibyte;

  const absl::Status status = engine_->Convert(request).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("read"));
}

TEST_F(EngineTest, VirtualSizeLimitIsNamed) {
  const MemoryFile source(DiskContent(8 * kMebibyte));
  const MemoryFile target;
  ConvertRequest request = Request(source, "raw", target, "raw");
  request.options.limits.virtual_size = kMebibyte;

  const absl::Status status = engine_->Convert(request).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("limit"));
}

TEST_F(EngineTest, ChangeOfTheSourceIsToldAndAnErrorWhereThatIsWanted) {
  MemoryFile source(DiskContent(kMebibyte));
  const MemoryFile target;
  ConvertRequest request = Request(source, "raw", target, "raw");
  request.options.fail_if_changed = true;
  ASSERT_TRUE(engine_->Convert(request).ok());

  // It is called at the end at the latest.
  request.options.progress = [&](uint64_t, uint64_t) { source.Write(0, "x"); };
  const absl::Status status = engine_->Convert(request).status();
  request.options.fail_if_changed = false;
  const absl::StatusOr<ConvertReply> reply = engine_->Convert(request);

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(FailureKindOf(status), FailureKind::kHost);
  EXPECT_THAT(std::string(status.message()), HasSubstr("'source' changed while it was read"));
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_THAT(reply->worker.changed_files,
              ElementsAre(AllOf(Field(&ChangedFile::name, "'source'"),
                                Field(&ChangedFile::attributes_only, false))));
  EXPECT_THAT(reply->warnings, ElementsAre(HasSubstr("'source' changed while it was read")));
}

TEST_F(EngineTest, RequestsThatOnlyLookHaveMinutes) {
  EXPECT_EQ(InfoRequest().options.limits.wall_time, kLookTime);
  EXPECT_EQ(InspectRequest().options.limits.wall_time, kLookTime);
  EXPECT_EQ(CheckRequest().options.limits.wall_time, kSurveyTime);
  EXPECT_EQ(MapRequest().options.limits.wall_time, kSurveyTime);
  EXPECT_EQ(MeasureRequest().options.limits.wall_time, kSurveyTime);
  EXPECT_EQ(ConvertRequest().options.limits.wall_time, Limits().wall_time);
}

// The rest of its parameters are Resize()'s and Rebase()'s own.
EditedImage Edited(const MemoryFile& image, const std::string& format) {
  return {.fd = image.fd(), .name = "image", .format = format};
}

TEST_F(EngineTest, ResizedImageKeepsItsDisk) {
  const MemoryFile source(DiskContent(kMebibyte));
  const MemoryFile qcow2;
  const MemoryFile target;
  ASSERT_TRUE(engine_->Convert(Request(source, "raw", qcow2, "qcow2")).ok());
  ResizeRequest request;
  request.image = Edited(qcow2, "");
  request.change = SizeChange::kGrowBy;
  request.size = 2 * kMebibyte;

  const auto resized = engine_->Resize(request);
  ASSERT_TRUE(resized.ok()) << resized.status();
  ASSERT_TRUE(engine_->Convert(Request(qcow2, "qcow2", target, "raw")).ok());

  EXPECT_EQ(resized->result.outcome, ResizeResult::Outcome::kResized);
  EXPECT_EQ(resized->result.format, "qcow2");
  EXPECT_EQ(resized->result.old_size, kMebibyte);
  EXPECT_EQ(resized->result.new_size, 3 * kMebibyte);
  EXPECT_TRUE(target.Content() == source.Content() + std::string(2 * kMebibyte, '\0'));
}

TEST_F(EngineTest, ShrinkingHasToBeAllowed) {
  const MemoryFile image(DiskContent(kMebibyte));
  ResizeRequest request;
  request.image = Edited(image, "raw");
  request.size = 64 << 10;

  const auto kept = engine_->Resize(request);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->result.outcome, ResizeResult::Outcome::kShrinking);
  EXPECT_EQ(image.Content().size(), kMebibyte);

  request.shrink = true;
  const auto shrunk = engine_->Resize(request);
  ASSERT_TRUE(shrunk.ok()) << shrunk.status();
  EXPECT_TRUE(image.Content() == DiskContent(kMebibyte).substr(0, 64 << 10));
}

TEST_F(EngineTest, AnEditStaysWithinItsLimits) {
  const MemoryFile image(DiskContent(kMebibyte));
  ResizeRequest request;
  request.image = Edited(image, "raw");
  request.size = 4 * kMebibyte;
  request.options.limits.output_bytes = 2 * kMebibyte;

  const auto limited = engine_->Resize(request);
  EXPECT_EQ(limited.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(limited.status().message()), HasSubstr("output-bytes"));
  EXPECT_EQ(image.Content().size(), kMebibyte);
}

TEST_F(EngineTest, RebasedImageNamesAnotherFile) {
  const MemoryFile source(DiskContent(kMebibyte));
  const MemoryFile qcow2;
  ASSERT_TRUE(engine_->Convert(Request(source, "raw", qcow2, "qcow2")).ok());
  RebaseRequest request;
  request.image = Edited(qcow2, "qcow2");
  request.backing_name = "other \xff";
  request.backing_format = "raw";

  const auto rebased = engine_->Rebase(request);
  ASSERT_TRUE(rebased.ok()) << rebased.status();
  InfoRequest info;
  info.source = {.fd = qcow2.fd(), .name = "image", .format = "qcow2"};
  const auto described = engine_->Info(info);
  ASSERT_TRUE(described.ok()) << described.status();

  EXPECT_EQ(rebased->result.outcome, RebaseResult::Outcome::kRebased);
  EXPECT_EQ(described->info.backing_file, "other \xff");
  EXPECT_EQ(described->info.backing_format, "raw");
}

TEST_F(EngineTest, UnknownFormatIsRefused) {
  const MemoryFile source(DiskContent(kMebibyte));
  const MemoryFile target;

  const absl::Status status = engine_->Convert(Request(source, "nosuch", target, "raw")).status();

  EXPECT_THAT(status.code(),
              AnyOf(Eq(absl::StatusCode::kNotFound), Eq(absl::StatusCode::kInvalidArgument),
                    Eq(absl::StatusCode::kUnimplemented)));
  EXPECT_THAT(std::string(status.message()), HasSubstr("nosuch"));
}

TEST_F(EngineTest, ClosedSourceIsRefused) {
  const MemoryFile target;
  ConvertRequest request;
  request.source = {.fd = -1, .name = "nothing"};
  request.target_fd = target.fd();

  EXPECT_FALSE(engine_->Convert(request).ok());
}

// Conversions of a qcow2 image that is judged first.
class InspectFirstTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const MemoryFile disk(DiskContent(kMebibyte));
    ASSERT_TRUE(engine_->Convert(Request(disk, "raw", source_, "qcow2")).ok());
  }

  // Converts if `policy` allows what the inspection finds, which is kept in found_.
  absl::StatusOr<ConvertReply> Convert(const VerdictPolicy& policy) {
    ConvertRequest request = Request(source_, "", target_, "raw");
    request.inspect = InspectFirst{.judge = [&](const InspectReply& reply) {
      if (before_verdict_) before_verdict_();
      found_ = reply;
      return VerdictStatus(Judge(reply, policy, request.options.limits));
    }};
    return engine_->Convert(request);
  }

  MemoryFile source_;
  MemoryFile target_{"what the target was before"};
  std::function<void()> before_verdict_;
  InspectReply found_;
};

TEST_F(InspectFirstTest, SafeImageIsConverted) {
  const auto reply = Convert({});

  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(found_.inspection.format, "qcow2");
  EXPECT_EQ(found_.inspection.info.value().virtual_size, kMebibyte);
  EXPECT_TRUE(found_.inspection.check.has_value());
  EXPECT_EQ(found_.file_size, source_.Content().size());
  EXPECT_TRUE(target_.Content() == DiskContent(kMebibyte));
}

TEST_F(InspectFirstTest, UnsafeImageLeavesTheTargetAsItWas) {
  const absl::Status status = Convert({.max_virtual_size = 4096}).status();

  EXPECT_EQ(FailureKindOf(status), FailureKind::kUnsafe) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("more than the 4096 allowed"));
  EXPECT_EQ(target_.Content(), "what the target was before");
}

TEST_F(InspectFirstTest, FileThatCannotBeOpenedIsJudgedAsWell) {
  source_.Write(4, std::string(4, '\xff'));  // the version

  const absl::Status status = Convert({}).status();

  EXPECT_EQ(FailureKindOf(status), FailureKind::kUnsafe) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("the image cannot be opened"));
  EXPECT_EQ(target_.Content(), "what the target was before");
}

TEST_F(InspectFirstTest, ChangeOfTheSourceIsAnError) {
  before_verdict_ = [this] { source_.Write(0, "Q"); };  // as it was

  const absl::Status status = Convert({}).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("'source' changed while it was read"));
}

TEST_F(InspectFirstTest, OneImageIsJudged) {
  ConvertRequest request = Request(source_, "", target_, "raw");
  request.more_sources = {request.source};
  request.inspect = InspectFirst{.judge = [](const InspectReply&) { return absl::OkStatus(); }};
  EXPECT_EQ(engine_->Convert(request).status().code(), absl::StatusCode::kInvalidArgument);
  request.more_sources.clear();
  request.inspect->judge = nullptr;
  EXPECT_EQ(engine_->Convert(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(EngineTest, EightThreadsDoNotDisturbEachOther) {
  const MemoryFile source(DiskContent(3 * kMebibyte));
  const std::string expected = source.Content();
  std::vector<std::thread> threads;
  std::vector<int> wrong(8, 1);
  for (int& result : wrong) {
    threads.emplace_back([&] {
      const MemoryFile target;
      const auto reply = engine_->Convert(Request(source, "raw", target, "raw"));
      result = reply.ok() && target.Content() == expected ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_THAT(wrong, ::testing::Each(0));
}

// A qcow2 image whose header names a backing file.
class ReferenceTest : public EngineTest {
 protected:
  void SetUp() override {
    EngineTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    const MemoryFile empty(std::string(kMebibyte, '\0'));
    const auto made = engine_->Convert(Request(empty, "raw", image_, "qcow2"));
    ASSERT_TRUE(made.ok()) << made.status();
    // backing_file_offset, backing_file_size; the name lies at the end of the first cluster.
    const std::string name = "base.raw";
    image_.Write(8, std::string("\0\0\0\0\0\0\xf0\0\0\0\0\x08", 12));
    image_.Write(0xf000, name);
  }

  MemoryFile image_;
};

TEST_F(ReferenceTest, InfoTellsTheNameAndOpensNothing) {
  InfoRequest request;
  request.source = {.fd = image_.fd(), .name = "image", .format = "qcow2"};

  const auto reply = engine_->Info(request);

  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->info.backing_file, "base.raw");
}

TEST_F(ReferenceTest, ConvertRefusesUnlessAllowed) {
  const MemoryFile target;

  const absl::Status status = engine_->Convert(Request(image_, "qcow2", target, "raw")).status();

  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("base.raw"));
}

TEST_F(ReferenceTest, MappedNameIsServedByItsFile) {
  const std::string path = ::testing::TempDir() + "/mapped.raw";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(ftruncate(fd, kMebibyte), 0);
  close(fd);
  const MemoryFile target;
  ConvertRequest request = Request(image_, "qcow2", target, "raw");
  request.references.Map("base.raw", path);

  const auto reply = engine_->Convert(request);
  unlink(path.c_str());

  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(target.Content(), std::string(kMebibyte, '\0'));
}

}  // namespace
}  // namespace hotcell
