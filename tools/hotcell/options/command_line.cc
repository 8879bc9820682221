#include "tools/hotcell/options/command_line.h"

#include <algorithm>
#include <cstdlib>

#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

constexpr size_t kLineWidth = 88;

bool ShowsLetter(const Row& row) { return row.letter != 0; }

// "-f FORMAT", "--shrink", "-l LENGTH, --max-length=LENGTH" or "--follow-references=DIR". Of two
// letters with the same kind of value it stands once: "-t, -T MODE".
std::string Spelled(const Row& row, const Row* next) {
  const bool has_value = !row.value.empty();
  std::string text;
  if (ShowsLetter(row)) {
    text = Cat("-", row.letter);
    const bool is_shared = next != nullptr && ShowsLetter(*next) && next->value == row.value;
    if (has_value && !is_shared) Append(text, " ", row.value);
    if (row.shows_name) Append(text, ", --", row.names[0], has_value ? "=" : "", row.value);
    return text;
  }
  text = Cat("--", row.names[0]);
  if (has_value) Append(text, row.value.starts_with('=') ? "" : " ", row.value);
  return text;
}

std::string Heads(const std::vector<Row>& rows) {
  std::string heads = "  ";
  size_t line_start = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string head = Spelled(rows[i], i + 1 < rows.size() ? &rows[i + 1] : nullptr);
    constexpr std::string_view kBetween = ", ";
    if (i == 0) {
      heads += head;
    } else if (heads.size() - line_start + kBetween.size() + head.size() < kLineWidth) {
      Append(heads, kBetween, head);
    } else {
      Append(heads, heads.ends_with("...") ? "\n  " : ",\n  ");
      line_start = heads.size() - 2;
      heads += head;
    }
  }
  return heads;
}

// Below or beside the options that it is about.
std::string Described(const std::vector<Row>& rows, std::string_view text, size_t column) {
  std::string out = Heads(rows);
  const std::string indent(column, ' ');
  const bool is_below = text.starts_with('\n');
  if (!is_below && !text.empty()) {
    out.append(out.size() < column ? column - out.size() : 2, ' ');
  }
  for (const char c : text) {
    out += c;
    if (c == '\n') out += indent;
  }
  return out + "\n";
}

// Compares names by their letters: the same literal may stand in several places.
bool IsSameName(const char* one, const char* other) {
  if (one == nullptr || other == nullptr) return one == other;
  return std::string_view(one) == other;
}

}  // namespace

void OptionTable::Text(std::string_view text) { parts_.push_back({.text = std::string(text)}); }

void OptionTable::AddRow(const Row& row, bool is_told, size_t column) {
  rows_.push_back(row);
  if (!is_told || (row.help.empty() && !row.joined)) return;
  if (parts_.empty() || !parts_.back().is_open) parts_.push_back({.column = column});
  Part& part = parts_.back();
  part.rows.push_back(row);
  part.text = row.help;
  part.is_open = row.joined;
}

void OptionTable::Tell(const std::vector<std::string_view>& names, std::string_view help) {
  Part part = {.text = std::string(help)};
  for (const std::string_view name : names) part.rows.push_back(RowNamed(name));
  parts_.push_back(std::move(part));
}

void OptionTable::Refuse(std::span<const RefusedOption> refused) {
  refused_.insert(refused_.end(), refused.begin(), refused.end());
}

const Row& OptionTable::RowNamed(std::string_view name) const {
  const auto row = std::ranges::find_if(rows_, [&](const Row& candidate) {
    if (name.size() == 1) return candidate.letter == name[0];
    return candidate.names[0] != nullptr && candidate.names[0] == name;
  });
  if (row == rows_.end()) std::abort();  // a mistake in a table, which the first test of it meets
  return *row;
}

std::string OptionTable::Help() const {
  std::string help;
  for (const Part& part : parts_) {
    help += part.rows.empty() ? part.text : Described(part.rows, part.text, part.column);
  }
  return help;
}

bool OptionTable::Tells(const Row& row) const {
  return std::ranges::any_of(parts_, [&](const Part& part) {
    return std::ranges::any_of(part.rows, [&](const Row& told) {
      return told.letter == row.letter && std::ranges::equal(told.names, row.names, IsSameName);
    });
  });
}

absl::StatusOr<std::vector<std::string>> OptionTable::ParseRows(
    int argc, char** argv,
    const std::function<absl::Status(size_t row, std::string_view value)>& handler) const {
  std::vector<OptionSpec> specs;
  for (size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    const bool has_value = !row.value.empty();
    if (row.letter != 0) specs.push_back({row.letter, nullptr, has_value});
    for (const char* const name : row.names) {
      const int id = kFirstLongOption + static_cast<int>(i);
      if (name != nullptr) specs.push_back({id, name, has_value});
    }
  }
  return ParseArguments(
      argc, argv, specs, refused_, [&](int id, std::string_view value) -> absl::Status {
        if (id >= kFirstLongOption)
          return handler(static_cast<size_t>(id - kFirstLongOption), value);
        const auto row = std::ranges::find(rows_, static_cast<char>(id), &Row::letter);
        return handler(static_cast<size_t>(row - rows_.begin()), value);
      });
}

}  // namespace hotcell::cli
