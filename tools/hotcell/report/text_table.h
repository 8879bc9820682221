// Columns of a report for people, such as the rules of `hotcell policy`.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_TEXT_TABLE_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_TEXT_TABLE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hotcell::cli {

// Text in columns. What is longer than its column goes on in the next line, between words.
//
//   TextTable table({12, 40});
//   table.AddRow({"ioctl", "request is KVM_RUN, fd is a vCPU's"});
//   Print(table.text());
class TextTable {
 public:
  // The widths are in characters; two blanks come before each column.
  explicit TextTable(std::vector<size_t> widths) : widths_(std::move(widths)) {}

  // One cell for each column.
  void AddRow(const std::vector<std::string>& cells);
  // Lines, each ended, without blanks at their ends.
  const std::string& text() const { return text_; }

 private:
  std::vector<size_t> widths_;
  std::string text_;
};

// `text` as lines of at most `width` characters, unless a word is longer.
std::vector<std::string> WrapWords(std::string_view text, size_t width);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_TEXT_TABLE_H_
