// Convert() and CreateImage().
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/jobs/job_parts.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"
#include "broker/lanes/report_codec.h"
#include "hotcell/failure.h"
#include "hotcell/text.h"
#include "protos/job_sizes.h"

namespace hotcell::broker {
namespace {

absl::Status AddSources(const ConvertRequest& request, FileTable& files, v1::ConvertJob& convert) {
  const Access access = AccessOf(request.source_cache);
  absl::Status status = AddSource(request.source, access, files, *convert.mutable_source());
  if (request.more_sources.size() > wire::kMaxConvertJobMoreSources) {
    return absl::InvalidArgumentError(
        absl::StrCat("at most ", wire::kMaxConvertJobMoreSources + 1, " images are concatenated"));
  }
  for (const SourceImage& source : request.more_sources) {
    if (status.ok()) status = AddSource(source, access, files, *convert.add_more_sources());
  }
  return status;
}

absl::Status CheckSingleSource(const ConvertRequest& request) {
  if (request.more_sources.empty()) return absl::OkStatus();
  if (request.window) {
    return absl::InvalidArgumentError("a window of several images cannot be converted");
  }
  if (request.inspect) {
    return absl::InvalidArgumentError("only one image can be inspected before it is converted");
  }
  return absl::OkStatus();
}

absl::StatusOr<ConvertReply> ReplyOf(v1::Report& report, const WorkerReport& worker) {
  if (!report.has_convert()) return NoResult();
  return ConvertReply{.result = TakeNative(*report.mutable_convert()),
                      .warnings = Warnings(report, worker),
                      .worker = {}};
}

}  // namespace

absl::Status ConvertOperation::Prepare() {
  if (request_.inspect && !request_.inspect->judge) {
    return absl::InvalidArgumentError("nobody judges what is found out about the image");
  }
  return absl::OkStatus();
}

// The guest's inspection comes before its first write, and the judge decides whether there is one.
void ConvertOperation::HoldWritesUntilJudged(FileTable& files) {
  files.HoldWrites([this, &files](v1::Report& report) -> absl::Status {
    if (report.has_error()) return ReportedError(report.error(), files.error());
    const absl::StatusOr<InspectReply> reply =
        MakeInspectReply(report, source_size_, files.error());
    return reply.ok() ? request_.inspect->judge(*reply) : reply.status();
  });
}

absl::Status ConvertOperation::Describe(FileTable& files, v1::Job& job) {
  if (request_.inspect) HoldWritesUntilJudged(files);
  v1::ConvertJob& convert = *job.mutable_convert();
  absl::Status status = AddSnapshotOf(request_, convert);
  if (status.ok()) status = AddSources(request_, files, convert);
  if (status.ok()) {
    status = AddTarget({.fd = request_.target_fd,
                        .name = request_.target_name,
                        .format = request_.target_format,
                        .options = request_.target_options,
                        .backing = request_.target_backing,
                        .cache = request_.target_cache,
                        .exists = request_.target_exists,
                        .open_extent_file = request_.open_extent_file,
                        .replaces = request_.target_replaces},
                       files, *convert.mutable_target());
  }
  if (status.ok()) status = CheckSingleSource(request_);
  if (!status.ok()) return status;
  if (request_.window) {
    convert.mutable_window()->set_begin(request_.window->begin);
    convert.mutable_window()->set_end(request_.window->end);
  }
  convert.mutable_target()->set_compress(request_.compress);
  convert.mutable_target()->set_is_zero(request_.target_is_zero);
  convert.mutable_target()->set_disk_size(request_.target_disk_size);
  convert.set_sparse_size(request_.sparse_size);
  convert.set_copy_offload(request_.copy_offload);
  if (request_.inspect) {
    convert.set_inspect(true);
    convert.set_inspect_check(request_.inspect->check);
  }
  source_size_ = convert.source().size();
  return absl::OkStatus();
}

std::vector<WorkerShape> ConvertOperation::Shapes() const {
  std::vector<int> fds = {request_.source.fd};
  for (const SourceImage& source : request_.more_sources) fds.push_back(source.fd);
  return ShapesFor(request_.options.limits, request_.lanes, request_.references,
                   AllocatedBytes(fds));
}

absl::StatusOr<ConvertReply> ConvertOperation::MakeReply(v1::Report& report,
                                                         const WorkerReport& worker,
                                                         const FileTable& /*files*/) {
  return ReplyOf(report, worker);
}

// Why a job that was to be judged is no success, whatever its guest says.
absl::Status ConvertOperation::CheckJudged(const FileTable& files) const {
  if (absl::Status refusal = files.refusal(); !refusal.ok()) return refusal;
  if (files.writes_held()) {
    return WithFailureKind(
        absl::InternalError("the guest never said what it found out about the image"),
        FailureKind::kGuestContract);
  }
  const FileChange change = before_.ChangeUntil(FileState(request_.source.fd));
  if (change == FileChange::kNone) return absl::OkStatus();
  const bool attributes_only = change == FileChange::kAttributes;
  const std::string text = ChangeText(Quote(request_.source.name), attributes_only, "read");
  return WithFailureKind(
      absl::FailedPreconditionError(
          absl::StrCat(text, attributes_only ? "; what was judged may not be what was converted"
                                             : "; what was judged is not what was converted")),
      FailureKind::kHost);
}

absl::StatusOr<ConvertReply> ConvertOperation::Finish(absl::StatusOr<ConvertReply> reply,
                                                      const FileTable& files) {
  if (!request_.inspect) return reply;
  // A guest that goes on after a refusal, or without asking, is told as what it is first.
  if (!reply.ok() && files.refusal().ok()) return reply;
  if (absl::Status status = CheckJudged(files); !status.ok()) return status;
  return reply;
}

absl::Status CreateOperation::Describe(FileTable& files, v1::Job& job) {
  constexpr uint64_t kSectorSize = 512;
  v1::ConvertJob& convert = *job.mutable_convert();
  if (absl::Status status = AddTarget({.fd = request_.target_fd,
                                       .name = request_.target_name,
                                       .format = request_.target_format,
                                       .options = request_.target_options,
                                       .backing = request_.backing,
                                       .open_extent_file = request_.open_extent_file},
                                      files, *convert.mutable_target());
      !status.ok()) {
    return status;
  }
  convert.set_size(request_.size);
  convert.set_sparse_size(kSectorSize);
  return absl::OkStatus();
}

absl::StatusOr<ConvertReply> CreateOperation::MakeReply(v1::Report& report,
                                                        const WorkerReport& worker,
                                                        const FileTable& /*files*/) {
  return ReplyOf(report, worker);
}

}  // namespace hotcell::broker
