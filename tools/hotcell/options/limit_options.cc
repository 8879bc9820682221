#include "tools/hotcell/options/limit_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/suggest.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"

namespace hotcell::cli {
namespace {

using Size = uint64_t Limits::*;
using Time = absl::Duration Limits::*;
using Count = uint32_t Limits::*;

struct LimitField {
  std::string_view name;
  std::variant<Size, Time, Count> field;
};

constexpr LimitField kFields[] = {
    {"memory", &Limits::guest_memory},         {"wall-time", &Limits::wall_time},
    {"cpu-time", &Limits::cpu_time},           {"output-bytes", &Limits::output_bytes},
    {"bytes-written", &Limits::bytes_written}, {"bytes-read", &Limits::bytes_read},
    {"virtual-size", &Limits::virtual_size},   {"report-bytes", &Limits::report_bytes},
    {"references", &Limits::references},       {"chain-depth", &Limits::chain_depth},
};

LimitBounds& Bounds() {
  static auto* const bounds = new LimitBounds();
  return *bounds;
}

absl::Status Parse(const LimitField& limit, std::string_view value, Limits& limits) {
  if (const Size* const size_field = std::get_if<Size>(&limit.field)) {
    const absl::StatusOr<uint64_t> size = ParseSize(value);
    if (!size.ok()) return size.status();
    // In struct Limits it stands for "not said".
    if (*size == 0 && *size_field == &Limits::bytes_written) {
      return absl::InvalidArgumentError("bytes-written is more than 0");
    }
    limits.** size_field = *size;
  } else if (const Time* const time_field = std::get_if<Time>(&limit.field)) {
    const absl::StatusOr<absl::Duration> time = ParseSeconds(value);
    if (!time.ok()) return time.status();
    limits.** time_field = *time;
  } else {
    const absl::StatusOr<uint64_t> count = ParseCount(value, limit.name, 1, UINT32_MAX);
    if (!count.ok()) return count.status();
    limits.*std::get<Count>(limit.field) = static_cast<uint32_t>(*count);
  }
  return absl::OkStatus();
}

absl::Status CheckBound(const LimitField& limit, std::string_view value, const Limits& limits) {
  const LimitBounds& bounds = Bounds();
  const auto place = bounds.places.find(limit.name);
  if (place == bounds.places.end()) return absl::OkStatus();
  const bool within =
      std::visit([&](auto field) { return limits.*field <= bounds.limits.*field; }, limit.field);
  if (within) return absl::OkStatus();
  return WithRemedy(
      absl::PermissionDeniedError(Cat("the limit ", limit.name, " of ", Escape(value),
                                      " is more than ", place->second, " allows on this machine")),
      "ask for less, or have the line changed or 'allow-override=yes' added there");
}

absl::Status UnknownLimit(std::string_view name) {
  absl::Status status = absl::InvalidArgumentError(Cat("unknown limit '", Escape(name), "'"));
  const std::optional<std::string_view> nearest = Nearest(name, LimitNames());
  if (!nearest.has_value()) return status;
  return WithRemedy(std::move(status), Cat("did you mean '", *nearest, "'?"));
}

}  // namespace

void SetLimitBounds(LimitBounds bounds) { Bounds() = std::move(bounds); }

absl::StatusOr<std::string> SetLimit(std::string_view text, Limits& limits) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return absl::InvalidArgumentError(Cat("'", Escape(text), "' is not of the form NAME=VALUE"));
  }
  // The library's fields are named with underscores.
  std::string name(text.substr(0, equals));
  std::replace(name.begin(), name.end(), '_', '-');
  if (absl::Status status = SetLimit(name, text.substr(equals + 1), limits); !status.ok()) {
    return status;
  }
  return name;
}

absl::Status SetLimit(std::string_view name, std::string_view value, Limits& limits) {
  const auto* const limit = std::ranges::find(kFields, name, &LimitField::name);
  if (limit == std::end(kFields)) return UnknownLimit(name);
  if (absl::Status status = Parse(*limit, value, limits); !status.ok()) return status;
  return CheckBound(*limit, value, limits);
}

std::vector<std::string_view> LimitNames() {
  std::vector<std::string_view> names;
  for (const LimitField& limit : kFields) names.push_back(limit.name);
  return names;
}

absl::StatusOr<absl::Duration> ParseSeconds(std::string_view text) {
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds, std::chars_format::fixed);
  if (error != std::errc() || rest != end || !std::isfinite(seconds) || seconds <= 0) {
    return absl::InvalidArgumentError(
        Cat("'", Escape(text), "' is not a time: give seconds, more than 0"));
  }
  return absl::Seconds(seconds);
}

}  // namespace hotcell::cli
