#include "tools/hotcell/report/compare_report.h"

#include <gtest/gtest.h>

namespace hotcell::cli {
namespace {

CompareResult Result(CompareResult::Outcome outcome, uint64_t offset, uint64_t first_size,
                     uint64_t second_size) {
  CompareResult result;
  result.outcome = outcome;
  result.offset = offset;
  result.first_size = first_size;
  result.second_size = second_size;
  return result;
}

TEST(CompareText, IsQemuImgs) {
  EXPECT_EQ(CompareText(Result(CompareResult::Outcome::kIdentical, 0, 512, 512)),
            "Images are identical.\n");
  EXPECT_EQ(CompareText(Result(CompareResult::Outcome::kIdentical, 0, 512, 1024)),
            "Warning: Image size mismatch!\nImages are identical.\n");
  EXPECT_EQ(CompareText(Result(CompareResult::Outcome::kSizeMismatch, 0, 512, 1024)),
            "Strict mode: Image size mismatch!\n");
  EXPECT_EQ(CompareText(Result(CompareResult::Outcome::kStatusMismatch, 512, 1024, 1024)),
            "Strict mode: Offset 512 block status mismatch!\n");
}

// qemu-img comes to the sizes only after what both disks have.
TEST(CompareText, SpeaksOfTheSizesOnlyPastTheShorterDisk) {
  EXPECT_EQ(CompareText(Result(CompareResult::Outcome::kContentMismatch, 512, 1024, 4096)),
            "Content mismatch at offset 512!\n");
  EXPECT_EQ(CompareText(Result(CompareResult::Outcome::kContentMismatch, 1024, 1024, 4096)),
            "Warning: Image size mismatch!\nContent mismatch at offset 1024!\n");
}

TEST(CompareExitStatus, IsQemuImgs) {
  const auto status = [](CompareResult::Outcome outcome) {
    return CompareExitStatus(Result(outcome, 0, 0, 0));
  };
  EXPECT_EQ(status(CompareResult::Outcome::kIdentical), 0);
  EXPECT_EQ(status(CompareResult::Outcome::kContentMismatch), 1);
  EXPECT_EQ(status(CompareResult::Outcome::kStatusMismatch), 1);
  EXPECT_EQ(status(CompareResult::Outcome::kSizeMismatch), 1);
  EXPECT_EQ(status(CompareResult::Outcome::kMapFailed), 3);
  EXPECT_EQ(status(CompareResult::Outcome::kReadFailed), 4);
  EXPECT_EQ(status(CompareResult::Outcome::kUnknown), 2);
}

TEST(CompareFailure, NamesTheImage) {
  CompareRequest request;
  request.first.name = "one";
  request.second.name = "two";
  CompareReply reply;
  reply.failure = absl::DataLossError("no end");
  reply.result.failed_image = 2;
  reply.result.offset = 4096;
  EXPECT_EQ(CompareFailure(request, reply).message(), "'two', from disk offset 4096 on: no end");
}

}  // namespace
}  // namespace hotcell::cli
