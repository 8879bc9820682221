#include "tools/hotcell/json.h"

#include <utility>

#include "nlohmann/json.hpp"

namespace hotcell::cli {

struct Json::Value {
  nlohmann::ordered_json json;
};

Json::Json(std::unique_ptr<Value> value) : value_(std::move(value)) {}
Json::Json(Json&& other) noexcept = default;
Json& Json::operator=(Json&& other) noexcept = default;
Json::~Json() = default;

Json Json::Object() {
  return Json(std::make_unique<Value>(Value{nlohmann::ordered_json::object()}));
}

Json Json::Array() { return Json(std::make_unique<Value>(Value{nlohmann::ordered_json::array()})); }

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
  value_->json[std::string(key)] = std::move(value.value_->json);
  return *this;
}

Json& Json::AppendString(std::string_view value) {
  value_->json.push_back(std::string(value));
  return *this;
}

Json& Json::Append(Json value) {
  value_->json.push_back(std::move(value.value_->json));
  return *this;
}

std::string Json::Dump() const {
  return value_->json.dump(4, ' ', /*ensure_ascii=*/true,
                           nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace hotcell::cli
