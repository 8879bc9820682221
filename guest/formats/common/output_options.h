// Parsing of `-o key=value` for writers, by the format's table of options.
//
//   OptionParser parser(qcow2::kOptions, options.options);
//   const uint64_t cluster_size = parser.Size("cluster_size");
//   const bool lazy_refcounts = parser.OnOff("lazy_refcounts");
//   HOTCELL_RETURN_IF_ERROR(parser.Done());
#ifndef HOTCELL_GUEST_FORMATS_COMMON_OUTPUT_OPTIONS_H_
#define HOTCELL_GUEST_FORMATS_COMMON_OUTPUT_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/option_table.h"
#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// "64k", "1.5M", "65536", "0x10000": bytes, with the suffixes b, k, M, G, T, P, E (powers of 1024)
// of either case, after blanks and a plus. Nothing when it is no such number or is over 2^63.
std::optional<uint64_t> ParseSize(std::string_view text);

// Each of the typed functions is the value of an option that the table has: what was given, of
// several the last, as in qemu-img, and else the table's default. What is wrong with the options
// Done() tells; until it has said that nothing is, the values are not to be acted on.
class OptionParser {
 public:
  // `table` and `options` outlive the parser.
  OptionParser(const OptionTable& table, std::span<const FormatOption> options)
      : table_(table), options_(options), taken_(table.rows.size(), false) {}

  uint64_t Size(std::string_view key);
  // "16", "0x10", "020".
  uint64_t Number(std::string_view key);
  std::string_view Text(std::string_view key);
  // "on", "yes", "true", "y" and their opposites.
  bool OnOff(std::string_view key);
  // One of those that the table has.
  std::string_view Choice(std::string_view key);
  // Whether the option was given; it is not taken by this.
  bool IsGiven(std::string_view key) const { return Find(key).has_value(); }
  // Takes an option that the table refuses: its value comes in another way this time.
  void Accept(std::string_view key);

  // The first error of: a value that does not parse, or an option that is refused; an option that
  // the table does not have; a value out of the table's range. A writer that leaves an option of
  // the table untaken is an error as well, so that the table has none that does nothing.
  Status Done() const;

 private:
  // Marks the option as taken; nullptr: the table has no such option of this kind.
  const OptionRow* Take(std::string_view key, OptionKind kind);
  uint64_t TakeNumber(std::string_view key, OptionKind kind);
  std::string_view TakeText(std::string_view key, OptionKind kind);
  // What was given, if it is sound, and else the default.
  uint64_t NumberOf(const OptionRow& row) const;
  std::optional<std::string_view> Find(std::string_view key) const;
  bool IsKnown(std::string_view key) const;

  Status CheckTaken() const;
  Status CheckValue(size_t row) const;
  Status CheckRefused(const OptionRow& row) const;
  Status CheckRange(const OptionRow& row) const;
  Status UnknownOption(std::string_view key) const;

  const OptionTable& table_;
  const std::span<const FormatOption> options_;
  std::vector<bool> taken_;        // by row
  std::string_view not_in_table_;  // what was asked for in vain
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_OUTPUT_OPTIONS_H_
