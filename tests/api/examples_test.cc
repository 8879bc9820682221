// The examples of the README and of the public headers, as they stand there:
// tests/docs/docs_test.py compares them with what is between the marks below.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/engine.h"
#include "hotcell/failure.h"
#include "hotcell/output_file.h"
#include "hotcell/references.h"
#include "hotcell/remedy.h"
#include "hotcell/text.h"
#include "hotcell/verdict.h"
#include "tests/api/memory_file.h"

namespace hotcell {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

absl::StatusOr<ConvertReply> AsTheReadme(int image_fd, int output_fd) {
  // Example: README.md
  absl::StatusOr<hotcell::Engine> engine = hotcell::Engine::Create({});
  hotcell::ConvertRequest request;
  request.source.fd = image_fd;
  request.target_fd = output_fd;
  absl::StatusOr<hotcell::ConvertReply> reply = engine->Convert(request);
  // End.
  return reply;
}

absl::StatusOr<ConvertReply> AsTheEngine(int image_fd, int output_fd) {
  // Example: broker/include/hotcell/engine.h
  absl::StatusOr<hotcell::Engine> engine = hotcell::Engine::Create({});
  hotcell::ConvertRequest request;
  request.source.fd = image_fd;
  request.target_fd = output_fd;
  request.target_format = "raw";
  absl::StatusOr<hotcell::ConvertReply> reply = engine->Convert(request);
  // End.
  return reply;
}

// What would have been an alarm.
std::vector<std::string> AsTheFailure(const Engine* engine, const ConvertRequest& request) {
  std::vector<std::string> alarms;
  const auto Alarm = [&](std::string text) { alarms.push_back(std::move(text)); };
  // Example: broker/include/hotcell/failure.h
  absl::StatusOr<hotcell::ConvertReply> reply = engine->Convert(request);
  if (hotcell::FailureKindOf(reply.status()) == hotcell::FailureKind::kViolation) {
    Alarm(hotcell::DescribeViolation(*hotcell::ViolationOf(reply.status())));
  }
  // End.
  return alarms;
}

// Whether larger disks were offered.
bool AsTheRemedy(const Engine* engine, const DigestRequest& request) {
  bool offered = false;
  const auto OfferLargerDisks = [&] { offered = true; };
  // Example: broker/include/hotcell/remedy.h
  absl::StatusOr<hotcell::DigestReply> reply = engine->Digest(request);
  const std::optional<hotcell::RemedyNote> note = hotcell::RemedyOf(reply.status());
  if (note && note->remedy == hotcell::Remedy::kRaiseVirtualSize) OfferLargerDisks();
  // End.
  return offered;
}

// Whether the image was taken.
bool AsTheVerdict(const Engine* engine, const InspectRequest& request,
                  const VerdictPolicy& policy) {
  bool taken = false;
  const auto Take = [&] { taken = true; };
  // Example: broker/include/hotcell/verdict.h
  absl::StatusOr<hotcell::InspectReply> reply = engine->Inspect(request);
  if (reply.ok() && hotcell::Judge(*reply, policy, request.options.limits).safe()) Take();
  // End.
  return taken;
}

// How the image's data file may be shown; empty: it has none.
std::string AsTheImageInfo(const InfoReply* reply) {
  std::string shown;
  const auto Show = [&](std::string text) { shown = std::move(text); };
  // Example: broker/include/hotcell/image_info.h
  const hotcell::Detail* file = hotcell::FindDetail(reply->info, "data-file");
  if (file != nullptr && std::holds_alternative<hotcell::Detail::Name>(file->value)) {
    Show(hotcell::Escape(std::get<hotcell::Detail::Name>(file->value).bytes));
  }
  // End.
  return shown;
}

absl::Status AsTheOutputFile(const Engine* engine, ConvertRequest& request) {
  // Example: broker/include/hotcell/output_file.h
  absl::StatusOr<OutputFile> output = OutputFile::Create("disk.raw");
  if (!output.ok()) return output.status();
  request.target_fd = output->fd();
  // ...
  if (absl::Status converted = engine->Convert(request).status(); !converted.ok()) return converted;
  absl::Status status = output->Commit(/*sync=*/true);
  // End.
  return status;
}

ReferencePolicy AsTheReferences() {
  // Example: broker/include/hotcell/references.h
  ReferencePolicy policy;
  policy.Map("base.qcow2", "/images/debian-12.qcow2").FollowBelow("/images");
  // End.
  return policy;
}

class ExamplesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (kvm < 0) GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
    close(kvm);
  }

  const std::string content_ = DiskContent(kMebibyte);
  const MemoryFile image_{content_};
  const absl::StatusOr<Engine> engine_ = Engine::Create({.worker_path = HOTCELL_WORKER_PATH});
};

TEST_F(ExamplesTest, Convert) {
  for (const auto example : {AsTheReadme, AsTheEngine}) {
    const MemoryFile output;
    const absl::StatusOr<ConvertReply> reply = example(image_.fd(), output.fd());
    ASSERT_TRUE(reply.ok()) << reply.status();
    EXPECT_EQ(reply->result.virtual_size, kMebibyte);
    EXPECT_TRUE(output.Content() == content_);
  }
}

TEST_F(ExamplesTest, RaiseNoAlarmOfAnHonestWorker) {
  ASSERT_TRUE(engine_.ok()) << engine_.status();
  const MemoryFile output;
  ConvertRequest request;
  request.source.fd = image_.fd();
  request.target_fd = output.fd();
  EXPECT_THAT(AsTheFailure(&*engine_, request), IsEmpty());
}

TEST_F(ExamplesTest, OfferLargerDisksWhereThatIsWhatIsMissing) {
  ASSERT_TRUE(engine_.ok()) << engine_.status();
  DigestRequest request;
  request.source.fd = image_.fd();
  EXPECT_FALSE(AsTheRemedy(&*engine_, request));
  request.options.limits.virtual_size = kMebibyte - 1;
  EXPECT_TRUE(AsTheRemedy(&*engine_, request));
}

TEST_F(ExamplesTest, TakeWhatIsSafeAndNothingElse) {
  ASSERT_TRUE(engine_.ok()) << engine_.status();
  InspectRequest request;
  request.source.fd = image_.fd();
  EXPECT_TRUE(AsTheVerdict(&*engine_, request, {}));
  EXPECT_FALSE(AsTheVerdict(&*engine_, request, {.allowed_formats = {"qcow2"}}));
}

TEST_F(ExamplesTest, NameAFileOnceItIsWhole) {
  ASSERT_TRUE(engine_.ok()) << engine_.status();
  std::string directory = ::testing::TempDir() + "examples-XXXXXX";
  ASSERT_NE(mkdtemp(directory.data()), nullptr);
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(directory);
  ConvertRequest request;
  request.source.fd = image_.fd();
  const absl::Status status = AsTheOutputFile(&*engine_, request);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(std::filesystem::file_size("disk.raw"), kMebibyte);
  std::filesystem::current_path(before);
  std::filesystem::remove_all(directory);
}

TEST(ExamplesOfImageInfoTest, ShowADataFile) {
  InfoReply reply;
  EXPECT_EQ(AsTheImageInfo(&reply), "");
  reply.info.details = {{.key = "compat", .value = "1.1"},
                        {.key = "data-file", .value = Detail::Name{"a\n"}}};
  EXPECT_EQ(AsTheImageInfo(&reply), "a\\n");
  reply.info.details.back().value = true;
  EXPECT_EQ(AsTheImageInfo(&reply), "");
}

TEST(ExamplesOfReferencesTest, AllowWhatTheySay) {
  const ReferencePolicy policy = AsTheReferences();
  EXPECT_THAT(policy.mappings(), ElementsAre(Pair("base.qcow2", "/images/debian-12.qcow2")));
  EXPECT_THAT(policy.directories(), ElementsAre("/images"));
}

}  // namespace
}  // namespace hotcell
