#include "tools/hotcell/image_opts.h"

#include "tools/hotcell/arguments.h"
#include "tools/hotcell/error.h"
#include "tools/hotcell/escape.h"
#include "tools/hotcell/formats.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {
namespace {

absl::Status CheckFileDriver(std::string_view driver) {
  if (driver == "file" || driver == "host_device") return absl::OkStatus();
  return WithRemedy(
      absl::UnimplementedError(Cat("--image-opts: driver '", Escape(driver), "' is not done")),
      "images are read from files and block devices");
}

}  // namespace

absl::StatusOr<ImageOpts> ParseImageOpts(std::string_view text) {
  const auto pairs = ParseKeyValues(text);
  if (!pairs.ok()) return pairs.status();
  ImageOpts image;
  for (const auto& [key, value] : *pairs) {
    if (key == "file.filename" || key == "filename") {
      image.path = value;
    } else if (key == "driver" && value == "file") {
      image.format = "raw";
    } else if (key == "driver") {
      image.format = value;
      if (absl::Status status = CheckSourceFormat(value); !status.ok()) return status;
    } else if (key == "file.driver") {
      if (absl::Status status = CheckFileDriver(value); !status.ok()) return status;
    } else if (key == "read-only" || key == "force-share" || key == "file.locking") {
      continue;  // images are read, and not locked
    } else {
      return WithRemedy(
          absl::UnimplementedError(Cat("--image-opts: key '", Escape(key), "' is not done")),
          "known are driver, file.driver and file.filename");
    }
  }
  if (image.path.empty()) {
    return absl::InvalidArgumentError(
        Cat("--image-opts: '", Escape(text), "' has no file.filename"));
  }
  return image;
}

}  // namespace hotcell::cli
