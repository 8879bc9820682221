#include "tools/hotcell/report/json.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "nlohmann/json.hpp"

namespace hotcell::cli {

using nlohmann::ordered_json;

// An array that is made while it is printed stands in `json` as binary data, which nothing else
// here makes: its subtype is the index in `arrays`.
struct Json::Value {
  struct Array {
    size_t count = 0;
    std::function<Json(size_t)> make;
  };

  ordered_json json;
  std::vector<Array> arrays = {};

  // The value of another, whose arrays become this one's.
  ordered_json Adopt(Value& other) {
    Renumber(other.json, other.arrays.empty() ? 0 : arrays.size());
    std::move(other.arrays.begin(), other.arrays.end(), std::back_inserter(arrays));
    return std::move(other.json);
  }

 private:
  static void Renumber(ordered_json& json, size_t first) {
    if (first == 0) return;
    if (json.is_binary()) {
      json.get_binary().set_subtype(json.get_binary().subtype() + first);
    } else if (json.is_structured()) {
      for (ordered_json& element : json) Renumber(element, first);
    }
  }
};

// Prints a value as nlohmann's dump() lays a document out.
class Json::Writer {
 public:
  explicit Writer(const std::function<void(std::string_view)>& out) : out_(out) {}

  void Write(const Value& document) { Write(document.json, document.arrays); }

 private:
  void Write(const ordered_json& json, const std::vector<Value::Array>& arrays) {
    if (json.is_binary()) {
      const Value::Array& array = arrays[json.get_binary().subtype()];
      Open('[');
      for (size_t i = 0; i < array.count; ++i) {
        Separate();
        Write(*array.make(i).value_);
      }
      Close(']');
    } else if (json.is_structured()) {
      Open(json.is_object() ? '{' : '[');
      for (const auto& [key, value] : json.items()) {
        Separate();
        if (json.is_object()) {
          WriteScalar(key);
          out_(": ");
        }
        Write(value, arrays);
      }
      Close(json.is_object() ? '}' : ']');
    } else {
      WriteScalar(json);
    }
  }

  void WriteScalar(const ordered_json& scalar) {
    out_(scalar.dump(-1, ' ', /*ensure_ascii=*/true, ordered_json::error_handler_t::replace));
  }

  void Open(char bracket) {
    out_({&bracket, 1});
    ++depth_;
    first_ = true;
  }
  void Separate() {
    if (!first_) out_(",");
    first_ = false;
    BreakLine();
  }
  void Close(char bracket) {
    --depth_;
    if (!first_) BreakLine();
    first_ = false;
    out_({&bracket, 1});
  }
  void BreakLine() {
    constexpr size_t kIndent = 4;
    out_("\n");
    out_(std::string(depth_ * kIndent, ' '));
  }

  const std::function<void(std::string_view)>& out_;
  size_t depth_ = 0;
  bool first_ = true;
};

Json::Json(std::unique_ptr<Value> value) : value_(std::move(value)) {}
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;

Json Json::Object() { return Json(std::make_unique<Value>(Value{ordered_json::object()})); }

Json Json::Array() { return Json(std::make_unique<Value>(Value{ordered_json::array()})); }

Json Json::Array(size_t count, std::function<Json(size_t)> make) {
  auto value = std::make_unique<Value>(Value{ordered_json::binary({}, 0)});
  value->arrays.push_back({.count = count, .make = std::move(make)});
  return Json(std::move(value));
}

Json Json::String(std::string_view value) {
  return Json(std::make_unique<Value>(Value{std::string(value)}));
}

Json Json::Number(uint64_t value) { return Json(std::make_unique<Value>(Value{value})); }

Json Json::Bool(bool value) { return Json(std::make_unique<Value>(Value{value})); }

Json& Json::SetString(std::string_view key, std::string_view value) {
  value_->json[std::string(key)] = std::string(value);
  return *this;
}

Json& Json::SetNumber(std::string_view key, uint64_t value) {
  value_->json[std::string(key)] = value;
  return *this;
}

Json& Json::SetInteger(std::string_view key, int64_t value) {
  value_->json[std::string(key)] = value;
  return *this;
}

Json& Json::SetReal(std::string_view key, double value) {
  value_->json[std::string(key)] = value;
  return *this;
}

Json& Json::SetBool(std::string_view key, bool value) {
  value_->json[std::string(key)] = value;
  return *this;
}

Json& Json::Set(std::string_view key, Json value) {
  value_->json[std::string(key)] = value_->Adopt(*value.value_);
  return *this;
}

Json& Json::AppendString(std::string_view value) {
  value_->json.push_back(std::string(value));
  return *this;
}

Json& Json::Append(Json value) {
  value_->json.push_back(value_->Adopt(*value.value_));
  return *this;
}

void Json::Write(const std::function<void(std::string_view)>& out) const {
  Writer(out).Write(*value_);
}

std::string Json::Dump() const {
  std::string text;
  Write([&](std::string_view piece) { text += piece; });
  return text;
}

}  // namespace hotcell::cli
