#ifndef HOTCELL_TOOLS_HOTCELL_JSON_H_
#define HOTCELL_TOOLS_HOTCELL_JSON_H_

#include <cstdint>
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

  Json(Json&& other) noexcept;
  Json& operator=(Json&& other) noexcept;
  ~Json();

  // Of an object. Bytes that are not UTF-8 are printed as U+FFFD.
  Json& SetString(std::string_view key, std::string_view value);
  Json& SetNumber(std::string_view key, uint64_t value);
  Json& SetInteger(std::string_view key, int64_t value);
  Json& SetReal(std::string_view key, double value);
  Json& SetBool(std::string_view key, bool value);
  Json& Set(std::string_view key, Json value);

  // Of an array.
  Json& AppendString(std::string_view value);
  Json& Append(Json value);

  // Four spaces a level, ASCII only, no newline at the end.
  std::string Dump() const;

 private:
  struct Value;
  explicit Json(std::unique_ptr<Value> value);
  std::unique_ptr<Value> value_;
};

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_JSON_H_
