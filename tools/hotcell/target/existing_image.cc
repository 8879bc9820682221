#include "tools/hotcell/target/existing_image.h"

#include <string_view>
#include <utility>

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
  const Qcow2Info* const qcow2 = image.qcow2 ? &*image.qcow2 : nullptr;
  if (qcow2 != nullptr && !qcow2->bitmaps.empty()) return "bitmaps";
  if (qcow2 != nullptr && qcow2->data_file) return "a data file";
  if (image.encrypted || (qcow2 != nullptr && !qcow2->encryption.empty())) return "encryption";
  return "";
}

std::string OnOff(bool value) { return value ? "on" : "off"; }

void AddOptions(const ImageInfo& image, ConvertRequest& request) {
  const Qcow2Info qcow2 = image.qcow2.value_or(Qcow2Info());
  auto& options = request.target_options;
  options.emplace_back("compat", qcow2.compat);
  options.emplace_back("cluster_size", std::to_string(image.cluster_size));
  options.emplace_back("refcount_bits", std::to_string(qcow2.refcount_bits));
  if (qcow2.compat == "0.10") return;
  options.emplace_back("compression_type", qcow2.compression_type);
  options.emplace_back("lazy_refcounts", OnOff(qcow2.lazy_refcounts));
  options.emplace_back("extended_l2", OnOff(qcow2.extended_l2));
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
