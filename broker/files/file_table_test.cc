#include "broker/files/file_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>
#include <vector>

#include "broker/testing/temp_dir.h"
#include "hotcell/text.h"

namespace hotcell::broker {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;

constexpr FileLimits kLimits = {
    .bytes_read = 1000, .output_bytes = 1000, .chain_depth = 3, .references = 4};

class FileTableTest : public testing::Test {
 protected:
  uint32_t AddInput(const std::string& name) {
    opened_.push_back(dir_.Open(name, O_RDONLY));
    return *files_.AddInput(opened_.back().get(), name);
  }
  absl::StatusOr<uint32_t> Refer(const std::string& name, uint32_t from,
                                 abi::ReferenceKind kind = abi::ReferenceKind::kBackingFile) {
    return files_.AddReference(dir_.Open(name, O_RDONLY), name, from, kind);
  }

  TempDir dir_;
  std::vector<UniqueFd> opened_;
  FileTable files_{kLimits};
};

TEST_F(FileTableTest, GivesSlotsInOrderAndNothingBeyond) {
  dir_.Write("a", "12345");
  dir_.Write("b", "");
  EXPECT_EQ(AddInput("a"), 0u);
  EXPECT_EQ(AddInput("b"), 1u);
  EXPECT_EQ(files_.Find(0)->size, 5u);
  EXPECT_FALSE(files_.Find(0)->writable);
  EXPECT_EQ(files_.Find(2), nullptr);
  EXPECT_EQ(files_.Find(UINT32_MAX), nullptr);
}

TEST_F(FileTableTest, RefusesDescriptorsThatCannotServe) {
  dir_.Write("a", "x");
  const UniqueFd writing = dir_.Open("a", O_WRONLY);
  EXPECT_THAT(std::string(files_.AddInput(writing.get(), "a").status().message()),
              HasSubstr("not open for reading"));
  const UniqueFd reading = dir_.Open("a", O_RDONLY);
  EXPECT_FALSE(files_.AddOutput(reading.get(), "a", Durability::kNone, false).ok());
  const UniqueFd appending = dir_.Open("a", O_RDWR | O_APPEND);
  EXPECT_FALSE(files_.AddOutput(appending.get(), "a", Durability::kNone, false).ok());
  const UniqueFd directory(open(dir_.path().c_str(), O_RDONLY));
  EXPECT_THAT(std::string(files_.AddInput(directory.get(), "d").status().message()),
              HasSubstr("neither a regular file nor a block device"));
  EXPECT_FALSE(files_.AddInput(-1, "none").ok());
}

TEST_F(FileTableTest, RefusesTheSourceAsTarget) {
  dir_.Write("a", "x");
  AddInput("a");
  const UniqueFd target = dir_.Open("a", O_RDWR);
  EXPECT_THAT(
      std::string(files_.AddOutput(target.get(), "a", Durability::kNone, true).status().message()),
      HasSubstr("the source and the target"));
  EXPECT_EQ(dir_.Read("a"), "x");
}

TEST_F(FileTableTest, TellsThatAFileSystemHasNoDirectAccess) {
  // procfs has regular files and no O_DIRECT.
  const UniqueFd fd(open("/proc/version", O_RDONLY | O_CLOEXEC));
  const absl::Status status = files_.AddInput(fd.get(), "v", Access::kDirect).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "the file system of 'v' does not support O_DIRECT, which -T none and -T directsync ask "
            "for; use -T writeback");
  EXPECT_TRUE(files_.AddInput(fd.get(), "v").ok());
}

TEST_F(FileTableTest, EmptiesAFreshOutputAndKeepsAnExistingOne) {
  dir_.Write("fresh", "old");
  dir_.Write("existing", "old");
  const UniqueFd fresh = dir_.Open("fresh", O_RDWR);
  const UniqueFd existing = dir_.Open("existing", O_RDWR);
  ASSERT_TRUE(files_.AddOutput(fresh.get(), "fresh", Durability::kNone, true).ok());
  ASSERT_TRUE(files_.AddOutput(existing.get(), "existing", Durability::kNone, false).ok());
  EXPECT_EQ(dir_.Read("fresh"), "old") << "until something is done with it";
  EXPECT_TRUE(files_.EmptyOutputs().ok());
  EXPECT_EQ(dir_.Read("fresh"), "");
  EXPECT_EQ(dir_.Read("existing"), "old");
  dir_.Write("fresh", "new");
  EXPECT_TRUE(files_.EmptyOnce(*files_.Find(0)).ok());
  EXPECT_EQ(dir_.Read("fresh"), "new") << "it is emptied once";
  EXPECT_EQ(files_.Find(1)->written_end, 3u);
}

TEST_F(FileTableTest, CapsTheDepthOfAChain) {
  for (const char* name : {"a", "b", "c", "d"}) dir_.Write(name, name);
  AddInput("a");
  EXPECT_EQ(*Refer("b", 0), 1u);
  EXPECT_EQ(*Refer("c", 1), 2u);
  const absl::Status fourth = Refer("d", 2).status();
  EXPECT_EQ(fourth.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(fourth.message()), HasSubstr("longer than 3"));
}

TEST_F(FileTableTest, CapsTheNumberOfReferences) {
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(files_.CountReference().ok());
  EXPECT_EQ(files_.CountReference().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FileTableTest, RefusesCyclesUnderWhateverName) {
  dir_.Write("a", "a");
  dir_.Write("b", "b");
  std::filesystem::create_hard_link(dir_.File("a"), dir_.File("another-a"));
  AddInput("a");
  EXPECT_EQ(Refer("a", 0).status().code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(Refer("b", 0).ok());
  const absl::Status cycle = Refer("another-a", 1).status();
  EXPECT_EQ(cycle.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(cycle.message()), HasSubstr("cycle"));
}

TEST_F(FileTableTest, AllowsTwoImagesToShareABackingFile) {
  for (const char* name : {"a", "b", "base"}) dir_.Write(name, name);
  AddInput("a");
  AddInput("b");
  EXPECT_TRUE(Refer("base", 0).ok());
  EXPECT_TRUE(Refer("base", 1).ok());
}

TEST_F(FileTableTest, RefusesTheJobsOutputAsReference) {
  dir_.Write("a", "a");
  dir_.Write("out", "");
  AddInput("a");
  const UniqueFd out = dir_.Open("out", O_RDWR);
  ASSERT_TRUE(files_.AddOutput(out.get(), "out", Durability::kNone, true).ok());
  EXPECT_EQ(Refer("out", 0).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(FileTableTest, RefusesReferencesToWhatTheTargetReplaces) {
  for (const char* name : {"a", "base", "other"}) dir_.Write(name, name);
  AddInput("a");
  struct stat base {};
  ASSERT_EQ(stat(dir_.File("base").c_str(), &base), 0);
  const FileIdentity replaced = {.device = base.st_dev, .inode = base.st_ino};
  EXPECT_TRUE(files_.AddReplacedFile(replaced).ok());
  EXPECT_EQ(Refer("base", 0).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(Refer("other", 0).ok());
}

TEST_F(FileTableTest, ReplacesNothingThatAReferenceLedTo) {
  for (const char* name : {"a", "base"}) dir_.Write(name, name);
  AddInput("a");
  ASSERT_TRUE(Refer("base", 0).ok());
  struct stat base {};
  ASSERT_EQ(stat(dir_.File("base").c_str(), &base), 0);
  EXPECT_EQ(files_.AddReplacedFile({.device = base.st_dev, .inode = base.st_ino}).code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(FileTableTest, HasABoundedNumberOfSlots) {
  dir_.Write("a", "");
  const UniqueFd fd = dir_.Open("a", O_RDONLY);
  absl::Status status;
  int added = 0;
  while (status.ok() && added < 10000) {
    status = files_.AddInput(fd.get(), "a").status();
    ++added;
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(FileTableTest, TheReadQuotaIsExactWithManyThreads) {
  std::atomic<uint64_t> granted = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) {
        if (files_.TakeReadQuota(7)) granted += 7;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(granted, 994u);  // the last whole 7 below 1000
  EXPECT_FALSE(files_.TakeReadQuota(UINT64_MAX));
  files_.ReturnReadQuota(94);
  EXPECT_TRUE(files_.TakeReadQuota(100));
}

TEST_F(FileTableTest, KeepsTheFirstError) {
  JobFile output;
  output.writable = true;
  files_.RecordIoError(output, ENOSPC, "write 'x'");
  files_.RecordIoError(JobFile(), EIO, "read 'y'");
  EXPECT_EQ(files_.error().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(files_.error().message(), "cannot write 'x': No space left on device");
}

TEST_F(FileTableTest, TellsErrorsOfOutputsApart) {
  files_.RecordIoError(JobFile(), EIO, "read 'y'");
  EXPECT_TRUE(files_.output_error().ok());
  JobFile output;
  output.writable = true;
  files_.RecordIoError(output, EIO, "write 'x'");
  EXPECT_EQ(files_.error().message(), "cannot read 'y': Input/output error");
  EXPECT_EQ(files_.output_error().message(), "cannot write 'x': Input/output error");
}

TEST_F(FileTableTest, TellsWhatOfAnInputChanged) {
  for (const char* name : {"same", "mode", "reset", "written"}) {
    dir_.Write(name, "12345");
    AddInput(name);
  }
  struct stat before {};
  ASSERT_EQ(stat(dir_.File("reset").c_str(), &before), 0);
  // Times are as coarse as the clock's tick.
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ASSERT_EQ(chmod(dir_.File("mode").c_str(), 0640), 0);
  dir_.Write("written", "54321");
  dir_.Write("reset", "54321");
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, dir_.File("reset").c_str(), times, 0), 0);

  const auto changed = [](const char* name, bool attributes_only) {
    return AllOf(Field(&ChangedFile::name, Quote(name)),
                 Field(&ChangedFile::attributes_only, attributes_only));
  };
  EXPECT_THAT(files_.ChangedInputs(), ElementsAre(changed("mode", true), changed("reset", true),
                                                  changed("written", false)));
}

}  // namespace
}  // namespace hotcell::broker
