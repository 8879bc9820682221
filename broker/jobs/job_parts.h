// Parts that the jobs of several operations have: files, formats, options, snapshots. The functions
// that add one put its file into the job's table, and describe it to the guest.
#ifndef HOTCELL_BROKER_JOBS_JOB_PARTS_H_
#define HOTCELL_BROKER_JOBS_JOB_PARTS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "broker/files/file_table.h"
#include "hotcell/engine.h"
#include "protos/job.pb.h"

namespace hotcell::broker {

using FormatOptions = std::vector<std::pair<std::string, std::string>>;

// A job for one lane that knows its limits, and no operation yet.
v1::Job JobWithLimits(const Limits& limits);

// kInvalidArgument, naming it as `what`: longer than the guest takes, or with a NUL byte.
absl::Status CheckText(absl::string_view what, const std::string& text, size_t max_size);
absl::Status CheckFormatAndOptions(const std::string& format, const FormatOptions& options);

Access AccessOf(CacheMode mode);

// At least one of `id_or_name`, which is empty where it is not given, `id` and `name` is.
absl::Status AddSnapshot(const std::string& id_or_name, const std::optional<std::string>& id,
                         const std::optional<std::string>& name, v1::SnapshotSelector& selector);
// AddSnapshot() for a request that may name an internal snapshot, into a job that has a field for
// it.
template <typename Request, typename Operation>
absl::Status AddSnapshotOf(const Request& request, Operation& operation) {
  if (request.snapshot.empty() && !request.snapshot_id && !request.snapshot_name) {
    return absl::OkStatus();
  }
  return AddSnapshot(request.snapshot, request.snapshot_id, request.snapshot_name,
                     *operation.mutable_snapshot());
}

absl::Status AddSource(const SourceImage& source, Access access, FileTable& files,
                       v1::SourceImage& image);
absl::Status AddEdited(const EditedImage& edited, FileTable& files, v1::EditedImage& image);

struct TargetParts {
  int fd;
  const std::string& name;
  const std::string& format;
  const FormatOptions& options;
  const std::optional<BackingImage>& backing;
  CacheMode cache = CacheMode::kUnsafe;
  bool exists = false;
  const ExtentFileOpener& open_extent_file;
  std::optional<FileIdentity> replaces = {};
};
absl::Status AddTarget(const TargetParts& target, FileTable& files, v1::TargetImage& image);
void AddOptions(const FormatOptions& options,
                google::protobuf::RepeatedPtrField<v1::FormatOption>& out);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_JOBS_JOB_PARTS_H_
