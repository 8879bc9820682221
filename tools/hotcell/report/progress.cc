#include "tools/hotcell/report/progress.h"

#include <stdio_ext.h>

#include <algorithm>

#include "absl/strings/str_format.h"

namespace hotcell::cli {
namespace {

double Percent(uint64_t done, uint64_t total) {
  if (total == 0) return 0;
  return 100 * static_cast<double>(std::min(done, total)) / static_cast<double>(total);
}

std::string Format(double percent) { return absl::StrFormat("    (%.2f/100%%)", percent); }

std::string FormatJson(double percent) {
  return absl::StrFormat("{\"progress\": %.2f}\n", percent);
}

}  // namespace

std::string FormatProgress(uint64_t done, uint64_t total) { return Format(Percent(done, total)); }

void ProgressPrinter::Begin() {
  if (enabled_) Print(0);
}

void ProgressPrinter::Update(uint64_t done, uint64_t total) {
  const double percent = Percent(done, total);
  if (enabled_ && percent >= printed_ + 1) Print(percent);
}

void ProgressPrinter::PrintOnce(uint64_t done, uint64_t total) {
  if (enabled_) {
    Print(Percent(done, total));
    return;
  }
  const std::string text =
      json_ ? FormatJson(Percent(done, total)) : FormatProgress(done, total) + "\n";
  (void)std::fwrite(text.data(), 1, text.size(), err_);
}

void ProgressPrinter::Finish() {
  if (enabled_ && printed_ < 100) Print(100);
  Abandon();
}

void ProgressPrinter::Abandon() {
  if (!line_open_) return;
  line_open_ = false;
  Write("\n");
}

void ProgressPrinter::Print(double percent) {
  printed_ = percent;
  line_open_ = !json_;
  Write(json_ ? FormatJson(percent) : Format(percent) + "\r");
}

void ProgressPrinter::Write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), out_) == text.size() && std::fflush(out_) == 0) {
    return;
  }
  // What could not be written must not come with what is written later.
  __fpurge(out_);
  std::clearerr(out_);
  enabled_ = false;
  line_open_ = false;
}

}  // namespace hotcell::cli
