// JSON for what the command prints. Lists as long as an image can make them need not be in memory
// whole.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_JSON_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_JSON_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace hotcell::cli {

// A JSON object or array that is built and printed; keys keep the order in which they were set.
//
//   Json report = Json::Object();
//   report.SetString("format", "raw").SetNumber("size", 512);
//   puts(report.Dump().c_str());
class Json {
 public:
  static Json Object();
  static Json Array();
  // An array whose elements are made one after the other while it is printed, so that no more than
  // one takes memory. What `make` refers to lives as long as this object.
  static Json Array(size_t count, std::function<Json(size_t index)> make);
  // A value that is neither. Bytes that are not UTF-8 are printed as U+FFFD, here and below.
  static Json String(std::string_view value);
  static Json Number(uint64_t value);
  static Json Bool(bool value);

  Json(Json&& other) noexcept;
  Json& operator=(Json&& other) noexcept;
  ~Json();

  // These set a member of an object.
  Json& SetString(std::string_view key, std::string_view value);
  Json& SetNumber(std::string_view key, uint64_t value);
  Json& SetInteger(std::string_view key, int64_t value);
  Json& SetReal(std::string_view key, double value);
  Json& SetBool(std::string_view key, bool value);
  Json& Set(std::string_view key, Json value);

  // These append to an array.
  Json& AppendString(std::string_view value);
  Json& Append(Json value);

  // Four spaces a level, ASCII only, no newline at the end; the text in pieces, or whole.
  void Write(const std::function<void(std::string_view text)>& out) const;
  std::string Dump() const;

 private:
  class Writer;
  struct Value;
  explicit Json(std::unique_ptr<Value> value);
  std::unique_ptr<Value> value_;
};

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_JSON_H_
