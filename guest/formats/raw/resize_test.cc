#include "guest/formats/raw/resize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;

class RawResizeTest : public testing::Test {
 protected:
  RawResizeTest() {
    auto memory = std::make_unique<MemoryFile>(std::vector<std::byte>(kMebibyte, std::byte{7}));
    memory_ = memory.get();
    file_ = files_.Add(std::move(memory));
  }

  Status Resize(uint64_t new_size, Preallocation preallocation, bool device = false) {
    return ResizeRaw(io_, file_,
                     {.old_size = kMebibyte,
                      .new_size = new_size,
                      .preallocation = preallocation,
                      .device = device});
  }
  // The first bytes are as they were and the rest is zero.
  bool KeptBytesAndZeroes(uint64_t kept) const {
    const std::vector<std::byte>& bytes = memory_->bytes();
    const auto end = bytes.begin() + static_cast<ptrdiff_t>(kept);
    return std::all_of(bytes.begin(), end, [](std::byte b) { return b == std::byte{7}; }) &&
           std::all_of(end, bytes.end(), [](std::byte b) { return b == std::byte{0}; });
  }

  NativeFiles files_;
  NativeChannel io_{files_};
  MemoryFile* memory_;
  FileHandle file_;
};

TEST_F(RawResizeTest, GrowsWithZeroes) {
  for (const Preallocation mode :
       {Preallocation::kOff, Preallocation::kFalloc, Preallocation::kFull}) {
    ASSERT_TRUE(memory_->SetSize(kMebibyte).ok());
    EXPECT_TRUE(Resize(5 * kMebibyte + 512, mode).ok());
    EXPECT_EQ(memory_->bytes().size(), 5 * kMebibyte + 512);
    EXPECT_TRUE(KeptBytesAndZeroes(kMebibyte));
  }
}

TEST_F(RawResizeTest, Shrinks) {
  EXPECT_TRUE(Resize(1000, Preallocation::kOff).ok());
  EXPECT_EQ(memory_->bytes().size(), 1000u);
  EXPECT_TRUE(KeptBytesAndZeroes(1000));
}

TEST_F(RawResizeTest, HasOneSizeOrTheOtherWhereverItStops) {
  for (int stop = 0; stop < 8; ++stop) {
    ASSERT_TRUE(memory_->SetSize(kMebibyte).ok());
    int changes = 0;
    files_.set_fault_hook([&](const NativeRequest& request) -> std::optional<IoResult> {
      if (request.opcode == abi::Opcode::kFlush || changes++ < stop) return std::nullopt;
      return IoResult{.status = IoStatus::kIoError};
    });
    const bool done = Resize(4 * kMebibyte, Preallocation::kFull).ok();
    const uint64_t size = memory_->bytes().size();
    EXPECT_TRUE(size == 4 * kMebibyte || (!done && size == kMebibyte)) << stop << ": " << size;
    EXPECT_TRUE(KeptBytesAndZeroes(kMebibyte));
  }
}

TEST_F(RawResizeTest, AFileThatCannotBeFilledKeepsItsSize) {
  files_.set_fault_hook([](const NativeRequest& request) -> std::optional<IoResult> {
    if (request.opcode != abi::Opcode::kWrite || request.offset < 3 * kMebibyte) {
      return std::nullopt;
    }
    return IoResult{.status = IoStatus::kNoSpace};
  });
  EXPECT_FALSE(Resize(8 * kMebibyte, Preallocation::kFalloc).ok());
  EXPECT_EQ(memory_->bytes().size(), kMebibyte);
}

TEST_F(RawResizeTest, RefusesWhatQemuRefuses) {
  EXPECT_EQ(Resize(2 * kMebibyte, Preallocation::kMetadata).message(),
            "Unsupported preallocation mode: metadata");
  EXPECT_EQ(Resize(2 * kMebibyte, Preallocation::kOff, /*device=*/true).message(),
            "Cannot resize device files");
  EXPECT_EQ(Resize(2 * kMebibyte, Preallocation::kFull, /*device=*/true).message(),
            "Preallocation mode 'full' unsupported for this non-regular file");
  EXPECT_TRUE(Resize(kMebibyte, Preallocation::kOff, /*device=*/true).ok());
  EXPECT_EQ(memory_->bytes().size(), kMebibyte);
}

}  // namespace
}  // namespace hotcell::guest
