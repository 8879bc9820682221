#include "tools/hotcell/report/text_table.h"

#include <algorithm>

namespace hotcell::cli {

std::vector<std::string> WrapWords(std::string_view text, size_t width) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    std::string& line = lines.back();
    if (line.empty()) {
      line = word;
    } else if (line.size() + 1 + word.size() <= width) {
      line.append(" ").append(word);
    } else {
      lines.emplace_back(word);
    }
  }
  return lines;
}

void TextTable::AddRow(const std::vector<std::string>& cells) {
  std::vector<std::vector<std::string>> columns;
  size_t height = 0;
  for (size_t i = 0; i < cells.size(); ++i) {
    columns.push_back(WrapWords(cells[i], widths_[i]));
    height = std::max(height, columns.back().size());
  }
  for (size_t row = 0; row < height; ++row) {
    std::string line;
    size_t begin = 0;
    for (size_t i = 0; i < columns.size(); ++i) {
      begin += 2;
      line.resize(std::max(line.size(), begin), ' ');
      if (row < columns[i].size()) line += columns[i][row];
      begin += widths_[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text_ += line + "\n";
  }
}

}  // namespace hotcell::cli
