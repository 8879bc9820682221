#include "tools/hotcell/report/progress.h"

#include <cstdlib>
#include <string>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

// A FILE that keeps what is written to it.
class Memory {
 public:
  Memory() : file_(open_memstream(&data_, &size_)) {}
  ~Memory() {
    (void)std::fclose(file_);
    std::free(data_);  // NOLINT: open_memstream's contract
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::FILE* file() { return file_; }
  std::string text() {
    (void)std::fflush(file_);
    return {data_, size_};
  }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
  std::FILE* file_;
};

TEST(FormatProgressTest, PrintsAsQemuImg) {
  EXPECT_EQ(FormatProgress(0, 100), "    (0.00/100%)");
  EXPECT_EQ(FormatProgress(1234, 10000), "    (12.34/100%)");
  EXPECT_EQ(FormatProgress(7, 7), "    (100.00/100%)");
  EXPECT_EQ(FormatProgress(9, 7), "    (100.00/100%)");
  EXPECT_EQ(FormatProgress(UINT64_MAX, UINT64_MAX), "    (100.00/100%)");
}

TEST(ProgressPrinterTest, PrintsStepsOfOnePercentAndEndsTheLine) {
  Memory out;
  ProgressPrinter printer(true, out.file(), stderr);
  printer.Begin();
  printer.Update(5, 1000);
  printer.Update(500, 1000);
  printer.Update(505, 1000);
  printer.Finish();
  EXPECT_EQ(out.text(), "    (0.00/100%)\r    (50.00/100%)\r    (100.00/100%)\r\n");
}

TEST(ProgressPrinterTest, PrintsAHundredOnce) {
  Memory out;
  ProgressPrinter printer(true, out.file(), stderr);
  printer.Update(10, 10);
  printer.Finish();
  EXPECT_EQ(out.text(), "    (100.00/100%)\r\n");
}

TEST(ProgressPrinterTest, FinishesAnEmptyJob) {
  Memory out;
  ProgressPrinter printer(true, out.file(), stderr);
  printer.Begin();
  printer.Update(0, 0);
  printer.Finish();
  EXPECT_EQ(out.text(), "    (0.00/100%)\r    (100.00/100%)\r\n");
}

TEST(ProgressPrinterTest, IsSilentUnlessEnabledOrAsked) {
  Memory out;
  Memory err;
  ProgressPrinter printer(false, out.file(), err.file());
  printer.Begin();
  printer.Update(5, 10);
  printer.PrintOnce(5, 10);
  printer.Finish();
  EXPECT_EQ(out.text(), "");
  EXPECT_EQ(err.text(), "    (50.00/100%)\n");
}

TEST(ProgressPrinterTest, AnswersOnItsOwnLineWhenEnabled) {
  Memory out;
  Memory err;
  ProgressPrinter printer(true, out.file(), err.file());
  printer.PrintOnce(1, 8);
  printer.Abandon();
  EXPECT_EQ(out.text(), "    (12.50/100%)\r\n");
  EXPECT_EQ(err.text(), "");
}

TEST(ProgressPrinterTest, PrintsObjectsForPrograms) {
  Memory out;
  ProgressPrinter printer(true, out.file(), stderr, OutputFormat::kJson);
  printer.Begin();
  printer.Update(1, 8);
  printer.PrintOnce(1, 4);
  printer.Finish();
  EXPECT_EQ(out.text(),
            "{\"progress\": 0.00}\n{\"progress\": 12.50}\n{\"progress\": 25.00}\n"
            "{\"progress\": 100.00}\n");
}

TEST(ProgressPrinterTest, IsSilentOnceNobodyReads) {
  std::FILE* const full = std::fopen("/dev/full", "w");
  ASSERT_NE(full, nullptr);
  ProgressPrinter printer(true, full, stderr);
  printer.Begin();
  printer.Update(5, 10);
  printer.Finish();
  EXPECT_EQ(std::ferror(full), 0);
  EXPECT_EQ(std::fclose(full), 0);
}

}  // namespace
}  // namespace hotcell::cli
