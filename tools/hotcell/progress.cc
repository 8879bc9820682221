#include "tools/hotcell/progress.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace hotcell::cli {
namespace {

double Percent(uint64_t done, uint64_t total) {
  if (total == 0) return 0;
  return 100 * static_cast<double>(std::min(done, total)) / static_cast<double>(total);
}

std::string Format(double percent) { return absl::StrFormat("    (%.2f/100%%)", percent); }

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
  const std::string text = FormatProgress(done, total) + "\n";
  (void)std::fwrite(text.data(), 1, text.size(), err_);
}

void ProgressPrinter::Finish() {
  if (enabled_ && printed_ < 100) Print(100);
  Abandon();
}

void ProgressPrinter::Abandon() {
  if (!line_open_) return;
  (void)std::fputc('\n', out_);
  (void)std::fflush(out_);
  line_open_ = false;
}

void ProgressPrinter::Print(double percent) {
  const std::string text = Format(percent) + "\r";
  (void)std::fwrite(text.data(), 1, text.size(), out_);
  (void)std::fflush(out_);
  printed_ = percent;
  line_open_ = true;
}

}  // namespace hotcell::cli
