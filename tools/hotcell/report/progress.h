// The progress of a job, for people who watch and for programs that read along.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_PROGRESS_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_PROGRESS_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "tools/hotcell/common/error.h"

namespace hotcell::cli {

// "    (12.34/100%)". Nothing to do counts as all done.
std::string FormatProgress(uint64_t done, uint64_t total);

// What `-p` prints, in qemu-img's form, which other programs parse: a percentage whenever it has
// moved by one, each over the last, and a line's end at the end. For programs that ask for JSON
// each is a line of its own, {"progress": 12.34}. A reader who goes away is told no more, and that
// is no error of the job's.
class ProgressPrinter {
 public:
  // Neither file is owned. `out` gets the line that is printed over when `enabled`.
  ProgressPrinter(bool enabled, std::FILE* out, std::FILE* err,
                  OutputFormat format = OutputFormat::kHuman)
      : enabled_(enabled), json_(format == OutputFormat::kJson), out_(out), err_(err) {}

  // Prints "(0.00/100%)".
  void Begin();
  void Update(uint64_t done, uint64_t total);
  // The answer to SIGUSR1: prints the percentage now, as a line on `err` unless enabled.
  void PrintOnce(uint64_t done, uint64_t total);
  // All done: prints 100 % unless it stands there already, and ends the line.
  void Finish();
  // Ends the line after a failure.
  void Abandon();

 private:
  void Print(double percent);
  void Write(const std::string& text);

  bool enabled_;
  const bool json_;
  bool line_open_ = false;
  double printed_ = -1;  // percent
  std::FILE* out_;
  std::FILE* err_;
};

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_PROGRESS_H_
