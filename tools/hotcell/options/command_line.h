// The command line of a command: its options in the order in which --help tells them, and the text
// between them.
//
//   static const CommandLine<Options> line = [] {
//     CommandLine<Options> made;
//     made.Text("usage: hotcell map [OPTION]... FILE\n\n...\n\n");
//     made.Add<Options>(kOptions);
//     made.Add<CommonOptions>(LimitOptions(), &Options::common);
//     return made;
//   }();
#ifndef HOTCELL_TOOLS_HOTCELL_OPTIONS_COMMAND_LINE_H_
#define HOTCELL_TOOLS_HOTCELL_OPTIONS_COMMAND_LINE_H_

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/option.h"

namespace hotcell::cli {

// What can be told of a command line without the type of its options.
class OptionTable {
 public:
  // The column in which --help begins the text of an option.
  static constexpr size_t kTextColumn = 20;

  // A paragraph of --help, with its line breaks.
  void Text(std::string_view text);
  // Has --help tell of options that were taken without a word, by their names (or letters), on one
  // line and with one text. Precondition: they are there.
  void Tell(const std::vector<std::string_view>& names, std::string_view help);
  void Refuse(std::span<const RefusedOption> refused);

  // All rows that the command takes. Of several with one name or letter, the first is the one that
  // is parsed.
  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<RefusedOption>& refused() const { return refused_; }
  // What --help prints.
  std::string Help() const;
  // Whether it tells of that row.
  bool Tells(const Row& row) const;

 protected:
  void AddRow(const Row& row, bool is_told, size_t column);
  // Parses the command line and returns the operands. `handler` gets each option as the number of
  // its row, in place of a letter or a name.
  absl::StatusOr<std::vector<std::string>> ParseRows(
      int argc, char** argv,
      const std::function<absl::Status(size_t row, std::string_view value)>& handler) const;

 private:
  struct Part {
    std::string text;
    std::vector<Row> rows;  // which the text is about; none: a paragraph
    size_t column = kTextColumn;
    bool is_open = false;  // the next row belongs to it
  };

  const Row& RowNamed(std::string_view name) const;

  std::vector<Row> rows_;
  std::vector<RefusedOption> refused_;
  std::vector<Part> parts_;
};

template <typename Options>
class CommandLine : public OptionTable {
 public:
  // The command's own options. --help tells of them here.
  void Add(std::span<const Option<Options>> options) {
    for (const Option<Options>& option : options) {
      AddRow(option.row, /*is_told=*/true, kTextColumn);
      actions_.push_back(option.apply);
    }
  }
  // Adds the options of a group that other commands have too.
  template <typename Group>
  void Add(std::span<const Option<Group>> options, Group Options::*group,
           size_t column = kTextColumn) {
    AddGroup(options, group, /*is_told=*/true, column);
  }
  // Adds the options of a group, which --help does not tell.
  template <typename Group>
  void Take(std::span<const Option<Group>> options, Group Options::*group) {
    AddGroup(options, group, /*is_told=*/false, kTextColumn);
  }

  // Applies the options that are given and returns the operands; see ParseArguments().
  absl::StatusOr<std::vector<std::string>> Parse(int argc, char** argv, Options& options) const {
    return ParseRows(argc, argv, [&](size_t row, std::string_view value) {
      return actions_[row](value, options);
    });
  }

 private:
  template <typename Group>
  void AddGroup(std::span<const Option<Group>> options, Group Options::*group, bool is_told,
                size_t column) {
    for (const Option<Group>& option : options) {
      AddRow(option.row, is_told, column);
      actions_.push_back(
          [group, apply = option.apply](std::string_view value, Options& all) -> absl::Status {
            return apply(value, all.*group);
          });
    }
  }

  std::vector<std::function<absl::Status(std::string_view value, Options& options)>> actions_;
};

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_OPTIONS_COMMAND_LINE_H_
