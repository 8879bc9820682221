// Parsing of `-o key=value` for writers.
//
//   OptionParser parser("qcow2", options.options);
//   parser.Size("cluster_size", &cluster_size);
//   parser.OnOff("lazy_refcounts", &lazy_refcounts);
//   HOTCELL_RETURN_IF_ERROR(parser.Done());
#ifndef HOTCELL_GUEST_FORMATS_COMMON_OUTPUT_OPTIONS_H_
#define HOTCELL_GUEST_FORMATS_COMMON_OUTPUT_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/writer.h"

namespace hotcell::guest {

// "64k", "1.5M", "65536", "0x10000": bytes, with the suffixes b, k, M, G, T, P, E (powers of 1024)
// of either case, after blanks and a plus. Nothing when it is no such number or is over 2^63.
std::optional<uint64_t> ParseSize(std::string_view text);

// Each of the typed functions declares an option that the format knows and, when it was given,
// stores its value; the last of several counts, as in qemu-img. The first error is kept for Done().
class OptionParser {
 public:
  // The format's name is for messages; `options` outlives the parser.
  OptionParser(std::string_view format, std::span<const FormatOption> options)
      : format_(format), options_(options) {}

  void Size(std::string_view key, uint64_t* value);
  // "16", "0x10", "020".
  void Number(std::string_view key, uint64_t* value);
  void Text(std::string_view key, std::string_view* value);
  // "on", "yes", "true", "y" and their opposites.
  void OnOff(std::string_view key, bool* value);
  // One of `choices`; another is an error that lists them.
  void Choice(std::string_view key, std::span<const std::string_view> choices,
              std::string_view* value);
  // An option whose value comes in another way.
  void Accept(std::string_view key) { known_.push_back(key); }
  // An option that other tools have and this writer refuses, with the reason.
  void Refuse(std::string_view key, std::string_view reason);
  // The same of an option that may be given as long as it says no.
  void RefuseUnlessOff(std::string_view key, std::string_view reason);

  // The first error: a value that does not parse, or an option that was not declared.
  Status Done();

 private:
  std::optional<std::string_view> Find(std::string_view key);
  void Fail(Status status);

  const std::string_view format_;
  const std::span<const FormatOption> options_;
  std::vector<std::string_view> known_;
  std::vector<std::string_view> refused_;
  Status status_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_OUTPUT_OPTIONS_H_
