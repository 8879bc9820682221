#include "tools/hotcell/image_opts.h"

#include <unistd.h>

#include <utility>

#include "nlohmann/json.hpp"
#include "tools/hotcell/arguments.h"
#include "tools/hotcell/error.h"
#include "tools/hotcell/escape.h"
#include "tools/hotcell/formats.h"
#include "tools/hotcell/invocation.h"
#include "tools/hotcell/text.h"

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
  } else if (key == "driver" && (value == "file" || value == "host_device")) {
    image.format = "raw";
  } else if (key == "driver") {
    image.format = std::string(value);
    return CheckSourceFormat(value);
  } else if (key == "file.driver") {
    return CheckFileDriver(value);
  } else if (key != "read-only" && key != "force-share" && key != "file.locking") {
    // Images are read, and not locked.
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
  constexpr std::string_view kFile = "file:";
  ImageOpts file = {.path = std::string(operand), .format = {}};
  const bool is_json = operand.starts_with("json:") && operand.ends_with('}');
  // Whoever may choose the name of a file could have another one read. Scripts that were written
  // for qemu-img say what they mean by such a name.
  if (!ActsAsQemuImg() || (!is_json && !operand.starts_with(kFile))) return file;
  if (access(file.path.c_str(), F_OK) == 0) {
    return WithRemedy(
        absl::InvalidArgumentError(
            Cat("'", Escape(operand), "' describes an image, and is the name of a file as well")),
        "begin the name with './' to have the file read");
  }
  if (is_json) return ParseJsonName(operand);
  file.path.erase(0, kFile.size());
  return file;
}

}  // namespace hotcell::cli
