#include "tools/hotcell/report/compare_report.h"

#include <gtest/gtest.h>

namespace hotcell::cli {
namespace {

using v1::CompareResult;

CompareResult Result(CompareResult::Outcome outcome, uint64_t offset, uint64_t first_size,
                     uint64_t second_size) {
  CompareResult result;
  result.set_outcome(outcome);
  result.set_offset(offset);
  result.set_first_size(first_size);
  result.set_second_size(second_size);
  return result;
}

TEST(CompareText, IsQemuImgs) {
  EXPECT_EQ(CompareText(Result(CompareResult::OUTCOME_IDENTICAL, 0, 512, 512)),
            "Images are identical.\n");
  EXPECT_EQ(CompareText(Result(CompareResult::OUTCOME_IDENTICAL, 0, 512, 1024)),
            "Warning: Image size mismatch!\nImages are identical.\n");
  EXPECT_EQ(CompareText(Result(CompareResult::OUTCOME_SIZE_MISMATCH, 0, 512, 1024)),
            "Strict mode: Image size mismatch!\n");
  EXPECT_EQ(CompareText(Result(CompareResult::OUTCOME_STATUS_MISMATCH, 512, 1024, 1024)),
            "Strict mode: Offset 512 block status mismatch!\n");
}

// qemu-img comes to the sizes only after what both disks have.
TEST(CompareText, SpeaksOfTheSizesOnlyPastTheShorterDisk) {
  EXPECT_EQ(CompareText(Result(CompareResult::OUTCOME_CONTENT_MISMATCH, 512, 1024, 4096)),
            "Content mismatch at offset 512!\n");
  EXPECT_EQ(CompareText(Result(CompareResult::OUTCOME_CONTENT_MISMATCH, 1024, 1024, 4096)),
            "Warning: Image size mismatch!\nContent mismatch at offset 1024!\n");
}

TEST(CompareExitStatus, IsQemuImgs) {
  const auto status = [](CompareResult::Outcome outcome) {
    return CompareExitStatus(Result(outcome, 0, 0, 0));
  };
  EXPECT_EQ(status(CompareResult::OUTCOME_IDENTICAL), 0);
  EXPECT_EQ(status(CompareResult::OUTCOME_CONTENT_MISMATCH), 1);
  EXPECT_EQ(status(CompareResult::OUTCOME_STATUS_MISMATCH), 1);
  EXPECT_EQ(status(CompareResult::OUTCOME_SIZE_MISMATCH), 1);
  EXPECT_EQ(status(CompareResult::OUTCOME_MAP_FAILED), 3);
  EXPECT_EQ(status(CompareResult::OUTCOME_READ_FAILED), 4);
  EXPECT_EQ(status(CompareResult::OUTCOME_UNSPECIFIED), 2);
}

TEST(CompareFailure, NamesTheImage) {
  CompareRequest request;
  request.first.name = "one";
  request.second.name = "two";
  CompareReply reply;
  reply.failure = absl::DataLossError("no end");
  reply.result.set_failed_image(2);
  reply.result.set_offset(4096);
  EXPECT_EQ(CompareFailure(request, reply).message(), "'two', from disk offset 4096 on: no end");
}

}  // namespace
}  // namespace hotcell::cli
