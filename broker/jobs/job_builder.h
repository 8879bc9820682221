#ifndef HOTCELL_BROKER_JOBS_JOB_BUILDER_H_
#define HOTCELL_BROKER_JOBS_JOB_BUILDER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "broker/files/file_table.h"
#include "hotcell/engine.h"
#include "protos/job.pb.h"

namespace hotcell::broker {

// Put the request's files into `files` and describe the job to the guest, for one lane.
// kInvalidArgument: a text
// that is longer than the guest takes, a file that cannot serve.
absl::StatusOr<v1::Job> BuildConvertJob(const ConvertRequest& request, FileTable& files);
absl::StatusOr<v1::Job> BuildCreateJob(const CreateRequest& request, FileTable& files);
// `records_fd`: where the guest writes its records.
absl::StatusOr<v1::Job> BuildMapJob(const MapRequest& request, int records_fd, FileTable& files);
absl::StatusOr<v1::Job> BuildMeasureJob(const MeasureRequest& request, FileTable& files);
absl::StatusOr<v1::Job> BuildResizeJob(const ResizeRequest& request, FileTable& files);
absl::StatusOr<v1::Job> BuildRebaseJob(const RebaseRequest& request, FileTable& files);
absl::StatusOr<v1::Job> BuildInfoJob(const InfoRequest& request, FileTable& files);
absl::StatusOr<v1::Job> BuildCompareJob(const CompareRequest& request, FileTable& files);
absl::StatusOr<v1::Job> BuildDigestJob(const DigestRequest& request, FileTable& files);
absl::StatusOr<v1::Job> BuildCheckJob(const CheckRequest& request, FileTable& files);
absl::StatusOr<v1::Job> BuildInspectJob(const InspectRequest& request, FileTable& files);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_JOBS_JOB_BUILDER_H_
