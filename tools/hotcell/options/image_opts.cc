#include "tools/hotcell/options/image_opts.h"

#include <utility>

#include "nlohmann/json.hpp"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/options/arguments.h"
#include "tools/hotcell/options/file_names.h"
#include "tools/hotcell/options/formats.h"

namespace hotcell::cli {
namespace {

absl::Status CheckFileDriver(std::string_view driver) {
  if (driver == "file" || driver == "host_device") return absl::OkStatus();
  return WithRemedy(absl::UnimplementedError(Cat("driver '", Escape(driver), "' is not done")),
                    "images are read from files and block devices");
}

absl::Status Apply(std::string_view key, std::string_view value, ImageOpts& image) {
  if (key == "file.filename" || key == "filename") {
    image.path = std::string(value);
  } else if (key == "driver") {
    return SetSourceFormat(value, image.format);
  } else if (key == "file.driver") {
    return CheckFileDriver(value);
  } else if (key != "read-only" && key != "force-share" && key != "file.locking" &&
             key != "discard-no-unref" && key != "discard" && key != "file.discard") {
    // Images are read or made anew, and not locked.
    return WithRemedy(absl::UnimplementedError(Cat("key '", Escape(key), "' is not done")),
                      "known are driver, file.driver and file.filename");
  }
  return absl::OkStatus();
}

absl::StatusOr<ImageOpts> Checked(ImageOpts image, std::string_view text) {
  if (!image.path.empty()) return image;
  return absl::InvalidArgumentError(Cat("'", Escape(text), "' has no file.filename"));
}

// The members of an object, those of objects in it with their names before theirs.
absl::Status ApplyObject(const nlohmann::json& object, const std::string& prefix,
                         ImageOpts& image) {
  for (const auto& [name, value] : object.items()) {
    const std::string key = prefix + name;
    absl::Status status;
    if (value.is_object() && prefix.empty()) {
      status = ApplyObject(value, key + ".", image);
    } else if (value.is_null() && key == "backing") {
      image.without_backing = true;
    } else if (value.is_string()) {
      status = Apply(key, value.get<std::string>(), image);
    } else {
      status = Apply(key, value.dump(), image);
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ImageOpts> ParseImageOpts(std::string_view text) {
  const auto pairs = ParseKeyValues(text);
  if (!pairs.ok()) return pairs.status();
  ImageOpts image;
  for (const auto& [key, value] : *pairs) {
    if (absl::Status status = Apply(key, value, image); !status.ok()) return status;
  }
  return Checked(std::move(image), text);
}

absl::StatusOr<ImageOpts> ParseJsonName(std::string_view text) {
  constexpr std::string_view kPrefix = "json:";
  const nlohmann::json object =
      nlohmann::json::parse(text.substr(kPrefix.size()), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return absl::InvalidArgumentError(Cat("'", Escape(text), "' is not a JSON object"));
  }
  ImageOpts image;
  if (absl::Status status = ApplyObject(object, "", image); !status.ok()) return status;
  return Checked(std::move(image), text);
}

absl::StatusOr<ImageOpts> ParseImageOperand(std::string_view operand, bool image_opts) {
  if (image_opts) return ParseImageOpts(operand);
  if (ActsAsQemuImg() && operand.starts_with("json:") && operand.ends_with('}')) {
    if (absl::Status status = CheckIsNoFile(operand); !status.ok()) return status;
    return ParseJsonName(operand);
  }
  absl::StatusOr<std::string> path = ParseInputName(operand);
  if (!path.ok()) return path.status();
  return ImageOpts{.path = *std::move(path), .format = {}};
}

absl::Status SetImage(std::string_view operand, bool image_opts, std::string& path,
                      std::string& format) {
  absl::StatusOr<ImageOpts> image = ParseImageOperand(operand, image_opts);
  if (!image.ok()) return image.status();
  path = std::move(image->path);
  if (!image->format.empty()) format = std::move(image->format);
  return absl::OkStatus();
}

}  // namespace hotcell::cli
