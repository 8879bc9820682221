#include "broker/files/map_records.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "broker/testing/temp_dir.h"
#include "guest/abi/abi.h"

namespace hotcell::broker {
namespace {

using abi::MapRecord;
using testing::HasSubstr;

class MapRecordsTest : public testing::Test {
 protected:
  MapRecordsTest() : files_({.chain_depth = 2}) {
    dir_.Write("image", "image");
    image_ = UniqueFd(open(dir_.File("image").c_str(), O_RDONLY | O_CLOEXEC));
    slot_ = *files_.AddInput(image_.get(), "image");
    request_.begin = 1000;
    request_.length = 100;
    request_.extent = [this](const MapExtent& extent) {
      extents_.push_back(extent);
      return absl::OkStatus();
    };
  }

  static MapRecord Zeroes(uint64_t start, uint64_t length) {
    return {.start = start, .length = length, .flags = abi::kMapPresent | abi::kMapZero};
  }
  MapRecord Data(uint64_t start, uint64_t length, uint64_t offset) const {
    return {.start = start,
            .length = length,
            .offset = offset,
            .slot = slot_,
            .flags = abi::kMapPresent | abi::kMapData | abi::kMapHasOffset};
  }

  // Reads `records` as if the guest had written them and reported `count` of them; 0: as many as
  // there are.
  absl::Status Read(const std::vector<MapRecord>& records, uint64_t count = 0) {
    const absl::StatusOr<MapFile> file = MakeMapFile();
    if (!file.ok()) return file.status();
    const size_t size = records.size() * sizeof(MapRecord);
    EXPECT_EQ(write(file->fd.get(), records.data(), size), static_cast<ssize_t>(size));
    return ReadMapRecords(file->fd.get(), count == 0 ? records.size() : count, files_, request_);
  }
  std::string Error(const MapRecord& record) {
    const absl::Status status = Read({record});
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << status;
    return std::string(status.message());
  }

  TempDir dir_;
  FileTable files_;
  UniqueFd image_;
  uint32_t slot_ = 0;
  MapRequest request_;
  std::vector<MapExtent> extents_;
};

TEST_F(MapRecordsTest, HandsOnWhatFollowsOneAnother) {
  ASSERT_TRUE(Read({Zeroes(1000, 40), Data(1040, 60, 7)}).ok());
  ASSERT_EQ(extents_.size(), 2u);
  EXPECT_TRUE(extents_[0].zero);
  EXPECT_EQ(extents_[1].start, 1040u);
  EXPECT_EQ(extents_[1].offset, 7u);
  EXPECT_EQ(extents_[1].file, "image");
}

TEST_F(MapRecordsTest, RefusesPlacesThatWereNotAskedFor) {
  EXPECT_THAT(Error(Zeroes(999, 10)), HasSubstr("does not follow"));
  EXPECT_THAT(Error(Zeroes(1001, 10)), HasSubstr("does not follow"));
  EXPECT_THAT(Error(Zeroes(1000, 101)), HasSubstr("longer than what was asked for"));
  EXPECT_THAT(Error(Zeroes(1000, 0)), HasSubstr("is empty"));
  EXPECT_THAT(Error(Zeroes(1000, UINT64_MAX)), HasSubstr("longer than what was asked for"));
}

TEST_F(MapRecordsTest, RefusesWhatOverflows) {
  EXPECT_THAT(Error(Data(1000, 100, UINT64_MAX - 50)), HasSubstr("ends past 2^64"));
}

TEST_F(MapRecordsTest, RefusesFilesThatAreNone) {
  MapRecord record = Data(1000, 100, 0);
  record.slot = slot_ + 1;
  EXPECT_THAT(Error(record), HasSubstr("names no file"));
  record.slot = UINT32_MAX;
  EXPECT_THAT(Error(record), HasSubstr("names no file"));
}

TEST_F(MapRecordsTest, RefusesFlagsAndDepthsThatCannotBe) {
  MapRecord record = Zeroes(1000, 100);
  record.flags |= 32;
  EXPECT_THAT(Error(record), HasSubstr("unknown flags"));
  record = Zeroes(1000, 100);
  record.reserved = 1;
  EXPECT_THAT(Error(record), HasSubstr("unknown flags"));
  record = Zeroes(1000, 100);
  record.depth = 2;
  EXPECT_THAT(Error(record), HasSubstr("deeper than the chain"));
}

TEST_F(MapRecordsTest, RefusesCountsThatTheFileDoesNotBear) {
  EXPECT_THAT(std::string(Read({Zeroes(1000, 50)}, 2).message()),
              HasSubstr("ends before its last record"));
  EXPECT_THAT(std::string(Read({}, UINT64_MAX).message()), HasSubstr("more records than it may"));
}

}  // namespace
}  // namespace hotcell::broker
