#include "tools/hotcell/target/existing_image.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/target/image_lock.h"

namespace hotcell::cli {
namespace {

// What the image has beside its disk and would lose; empty: nothing.
std::string_view WhatWouldBeLost(const ImageInfo& image) {
  if (!image.backing_file.empty()) return "a backing file";
  if (!image.snapshots.empty()) return "snapshots";
  if (!image.bitmaps.empty()) return "bitmaps";
  const auto is_data = [](const ReferenceInfo& reference) {
    return reference.role == ReferenceRole::kDataFile;
  };
  if (std::ranges::any_of(image.references, is_data)) return "a data file";
  if (image.encrypted || !image.encryption.empty()) return "encryption";
  return "";
}

// A detail of the image as the value of an option that has its name. Empty: the image does not say,
// and no option takes that.
std::string OptionOf(const ImageInfo& image, std::string_view key) {
  const Detail* const detail = FindDetail(image, key);
  if (detail == nullptr) return "";
  if (const bool* const on = std::get_if<bool>(&detail->value)) return *on ? "on" : "off";
  if (const uint64_t* const number = std::get_if<uint64_t>(&detail->value)) {
    return std::to_string(*number);
  }
  const std::string* const text = std::get_if<std::string>(&detail->value);
  return text == nullptr ? "" : *text;
}

void AddOptions(const ImageInfo& image, ConvertRequest& request) {
  const std::string compat = OptionOf(image, "compat");
  auto& options = request.target_options;
  options.emplace_back("compat", compat);
  options.emplace_back("cluster_size", std::to_string(image.cluster_size));
  options.emplace_back("refcount_bits", OptionOf(image, "refcount-bits"));
  if (compat == "0.10") return;
  options.emplace_back("compression_type", OptionOf(image, "compression-type"));
  options.emplace_back("lazy_refcounts", OptionOf(image, "lazy-refcounts"));
  options.emplace_back("extended_l2", OptionOf(image, "extended-l2"));
}

}  // namespace

absl::Status MakeAnew(const Engine& engine, const std::string& path, const JobOptions& options,
                      ConvertRequest& request) {
  const absl::StatusOr<File> file = OpenInPlace(path);
  if (!file.ok()) return file.status();
  if (absl::Status status = LockForWriting(*file, path, request.target_format); !status.ok()) {
    return status;
  }
  InfoRequest info;
  info.source = {.fd = file->fd(), .name = path, .format = request.target_format};
  info.options = options;
  const absl::StatusOr<InfoReply> reply = engine.Info(info);
  if (!reply.ok()) return reply.status();
  const std::string_view lost = WhatWouldBeLost(reply->info);
  if (!lost.empty()) {
    return WithRemedy(
        absl::UnimplementedError(
            Cat("'", path, "' has ", lost, ", and writing into such an image (-n) is not done")),
        "without -n the image is made anew");
  }
  AddOptions(reply->info, request);
  request.target_disk_size = reply->info.virtual_size;
  request.target_exists = false;
  request.target_is_zero = false;
  return absl::OkStatus();
}

}  // namespace hotcell::cli
