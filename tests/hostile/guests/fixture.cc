#include "tests/hostile/guests/fixture.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hotcell::hostile {
namespace {

using testing::ContainsRegex;

constexpr size_t kDataSize = 256 << 10;

size_t CountEntries(const char* directory) {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}

// Paths of the temporary directory have nothing of an expression but dots.
std::string Unexpected(absl::string_view direction, uint64_t address, uint32_t size) {
  return absl::StrFormat("unexpected exit of the guest: KVM exit reason 2, %s of %u bytes at 0x%x,",
                         direction, size, address);
}

}  // namespace

End Fault(const std::string& vectors, const std::string& error_code, uint32_t vcpu) {
  return {absl::StatusCode::kInternal,
          absl::StrCat("^guest fault: .*\\(vector ", vectors, ", error ", error_code, "\\) at .* ",
                       "on vCPU ", vcpu, "$")};
}

End PageFault(uint64_t error_code, uint64_t address) {
  return {absl::StatusCode::kInternal,
          absl::StrFormat("^guest fault: page fault \\(vector 14, error 0x%x\\) at .*, "
                          "address 0x%x on vCPU 0$",
                          error_code, address)};
}

End UnexpectedOut(uint16_t port, uint32_t size) {
  return {absl::StatusCode::kInternal, Unexpected("write", port, size)};
}

End UnexpectedIn(uint16_t port, uint32_t size) {
  return {absl::StatusCode::kInternal, Unexpected("read", port, size)};
}

End Told(const std::string& text) {
  return {absl::StatusCode::kInternal, absl::StrCat("^the guest gave up: ", text, "$")};
}

End WentOn() { return ExitedWith(kExitWentOn); }

End ExitedWith(uint32_t code) {
  return {absl::StatusCode::kInternal, absl::StrCat("^the guest exited with code ", code, "$")};
}

End BrokeTheRings(const std::string& what) {
  return {absl::StatusCode::kInternal, absl::StrCat("^the guest broke the ring protocol: ", what)};
}

void PrintTo(const GuestCase& guest_case, std::ostream* out) { *out << guest_case.name; }
void PrintTo(const AttackJob& job, std::ostream* out) { *out << job.guest; }

HostileGuestTest::HostileGuestTest() { options_.limits.wall_time = absl::Seconds(10); }

void HostileGuestTest::SetUp() {
  if (!UniqueFd(open("/dev/kvm", O_RDWR | O_CLOEXEC)).valid()) {
    GTEST_SKIP() << "/dev/kvm is unusable: " << std::strerror(errno);
  }
  absl::StatusOr<Engine> engine = Engine::Create({.worker_path = HOSTILE_WORKER_PATH});
  ASSERT_TRUE(engine.ok()) << engine.status();
  engine_ = std::make_unique<Engine>(*std::move(engine));
  dir_.Write("canary", "a file beside the input");
  dir_.Write("beside/canary", "a file in a directory beside the input");
  dir_.Write("output.raw", "");
  SetScript("");
  // Writable, so that nothing but the broker stands before the input.
  input_ = dir_.Open("input.raw", O_RDWR);
  output_ = dir_.Open("output.raw", O_RDWR);
  resources_ = Count();
}

void HostileGuestTest::TearDown() {
  if (engine_ == nullptr) return;  // skipped
  engine_->ReapWorkers();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG | __WALL), -1) << "a process is left";
  EXPECT_EQ(errno, ECHILD);
  const Resources left = Count();
  EXPECT_EQ(left.descriptors, resources_.descriptors);
  EXPECT_EQ(left.threads, resources_.threads);
  EXPECT_EQ(Files(), files_) << "a file changed that is not the job's output";
  ExpectOrdinaryJobsSucceed();
}

HostileGuestTest::Resources HostileGuestTest::Count() {
  return {.descriptors = CountEntries("/proc/self/fd"), .threads = CountEntries("/proc/self/task")};
}

std::map<std::string, std::string> HostileGuestTest::Files() const {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.path())) {
    const std::string name = std::filesystem::relative(entry.path(), dir_.path());
    if (name == "output.raw") continue;
    struct stat status {};
    EXPECT_EQ(lstat(entry.path().c_str(), &status), 0) << name;
    files[name] =
        absl::StrFormat("inode %u, mode %o, %u bytes, changed %d.%09d: %s", status.st_ino,
                        status.st_mode, status.st_size, status.st_ctim.tv_sec,
                        status.st_ctim.tv_nsec, entry.is_regular_file() ? dir_.Read(name) : "");
  }
  return files;
}

std::string HostileGuestTest::InputData() {
  std::string data(kDataSize, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 + i / 251);
  return data;
}

void HostileGuestTest::SetScript(const std::string& bytes) {
  ASSERT_LE(bytes.size(), kScriptSize);
  std::string content = bytes;
  content.resize(kScriptSize);
  // The file is written in place: the descriptor stays that of the input.
  dir_.Write("input.raw", content + InputData());
}

void HostileGuestTest::SetRequests(std::span<const abi::Submission> requests) {
  ASSERT_LE(requests.size(), Script::kMaxRequests);
  Script script{.count = requests.size(), .requests = {}};
  std::copy(requests.begin(), requests.end(), script.requests);
  SetScript(std::string(reinterpret_cast<const char*>(&script), sizeof(script)));
}

std::string HostileGuestTest::Selector(const AttackJob& job) {
  return absl::StrFormat("%s%s %x %x", kAttackMark, job.guest, job.first, job.second);
}

absl::StatusOr<ConvertReply> HostileGuestTest::ConvertWith(const Engine& engine,
                                                           const AttackJob& job) {
  TakeNote();
  ConvertRequest request;
  request.source = {.fd = input_.get(), .name = "input.raw", .format = "raw"};
  request.snapshot = Selector(job);
  request.target_fd = output_.get();
  request.target_name = "output.raw";
  request.lanes = job.lanes;
  request.references = references_;
  request.open_extent_file = open_extent_file_;
  request.inspect = inspect_;
  request.options = options_;
  return engine.Convert(request);
}

absl::StatusOr<InfoReply> HostileGuestTest::Info(const AttackJob& job) {
  TakeNote();
  InfoRequest request;
  request.source = {.fd = input_.get(), .name = "input.raw", .format = Selector(job)};
  request.backing_chain = true;
  request.references = references_;
  request.options = options_;
  return engine_->Info(request);
}

absl::Status HostileGuestTest::Map(const AttackJob& job) {
  TakeNote();
  MapRequest request;
  request.source = {.fd = input_.get(), .name = "input.raw", .format = Selector(job)};
  request.extent = [](const MapExtent&) { return absl::OkStatus(); };
  request.options = options_;
  return engine_->Map(request).status();
}

void HostileGuestTest::ExpectEnd(const absl::Status& status, const End& end) {
  EXPECT_EQ(status.code(), end.code) << status;
  EXPECT_THAT(std::string(status.message()), ContainsRegex(end.message));
  if (!end.remedy.has_value()) return;
  EXPECT_EQ(RemedyOf(status).value_or(RemedyNote()).remedy, *end.remedy) << status;
}

void HostileGuestTest::ExpectOrdinaryJobsSucceedWith(const Engine& engine) const {
  InfoRequest info;
  info.source = {.fd = input_.get(), .name = "input.raw", .format = "raw"};
  const auto described = engine.Info(info);
  ASSERT_TRUE(described.ok()) << described.status();
  EXPECT_EQ(described->info.virtual_size, kScriptSize + kDataSize);

  const UniqueFd target(memfd_create("ordinary", MFD_CLOEXEC));
  ConvertRequest convert;
  convert.source = info.source;
  convert.target_fd = target.get();
  convert.lanes = 2;
  const auto converted = engine.Convert(convert);
  ASSERT_TRUE(converted.ok()) << converted.status();
  std::string copy(kScriptSize + kDataSize + 1, '\0');
  EXPECT_EQ(pread(target.get(), copy.data(), copy.size(), 0), kScriptSize + kDataSize);
  copy.pop_back();
  EXPECT_TRUE(copy == dir_.Read("input.raw")) << "the next job's output is wrong";
}

TEST_P(HostileGuest, EndsAsStated) { ExpectConvertEnds(GetParam().job, GetParam().end); }

}  // namespace hotcell::hostile
