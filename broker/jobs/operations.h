// The operations of the built-in transcoder, one for each call of Engine's but Run().
#ifndef HOTCELL_BROKER_JOBS_OPERATIONS_H_
#define HOTCELL_BROKER_JOBS_OPERATIONS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/files/file_state.h"
#include "broker/files/file_table.h"
#include "broker/files/map_records.h"
#include "broker/jobs/operation.h"
#include "broker/workers/worker_shape.h"
#include "hotcell/engine.h"
#include "protos/job.pb.h"
#include "protos/report.pb.h"

namespace hotcell::broker {

class ConvertOperation : public Operation<ConvertRequest, ConvertReply> {
 public:
  explicit ConvertOperation(const ConvertRequest& request)
      : Operation(request), before_(request.source.fd) {}

  absl::Status Prepare();
  absl::Status Describe(FileTable& files, v1::Job& job);
  std::vector<WorkerShape> Shapes() const;
  static absl::StatusOr<ConvertReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                                const FileTable& files);
  // The reply of a job whose image was to be judged first; an error where it was not judged, or
  // where what was judged is not what was converted.
  absl::StatusOr<ConvertReply> Finish(absl::StatusOr<ConvertReply> reply, const FileTable& files);

 private:
  void HoldWritesUntilJudged(FileTable& files);
  absl::Status CheckJudged(const FileTable& files) const;

  const FileState before_;    // the source's
  uint64_t source_size_ = 0;  // bytes, once the job is described
};

class CreateOperation : public Operation<CreateRequest, ConvertReply> {
 public:
  using Operation::Operation;
  static ReferencePolicy references() { return {}; }
  absl::Status Describe(FileTable& files, v1::Job& job);
  static absl::StatusOr<ConvertReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                                const FileTable& files);
};

class InfoOperation : public Operation<InfoRequest, InfoReply> {
 public:
  using Operation::Operation;
  // Without the chain it reports references and opens none.
  ReferencePolicy references() const;
  absl::Status Describe(FileTable& files, v1::Job& job);
  absl::StatusOr<InfoReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                      const FileTable& files);
};

class CompareOperation : public Operation<CompareRequest, CompareReply> {
 public:
  using Operation::Operation;
  absl::Status Describe(FileTable& files, v1::Job& job);
  std::vector<WorkerShape> Shapes() const;
  static absl::StatusOr<CompareReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                                const FileTable& files);
};

class DigestOperation : public Operation<DigestRequest, DigestReply> {
 public:
  using Operation::Operation;
  absl::Status Describe(FileTable& files, v1::Job& job);
  std::vector<WorkerShape> Shapes() const;
  static absl::StatusOr<DigestReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                               const FileTable& files);
};

class CheckOperation : public Operation<CheckRequest, CheckReply> {
 public:
  using Operation::Operation;
  absl::Status Describe(FileTable& files, v1::Job& job);
  static absl::StatusOr<CheckReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                              const FileTable& files);
};

class InspectOperation : public Operation<InspectRequest, InspectReply> {
 public:
  using Operation::Operation;
  static ReferencePolicy references() { return {}; }
  absl::Status Describe(FileTable& files, v1::Job& job);
  absl::StatusOr<InspectReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                         const FileTable& files) const;

 private:
  uint64_t source_size_ = 0;  // bytes, once the job is described
};

// Moves the inspection out of the report. `file_error`: the last of the job's files.
absl::StatusOr<InspectReply> MakeInspectReply(v1::Report& report, uint64_t file_size,
                                              const absl::Status& file_error);

class MapOperation : public Operation<MapRequest, MapReply> {
 public:
  using Operation::Operation;
  absl::Status Prepare();
  Limits limits() const;
  absl::Status Describe(FileTable& files, v1::Job& job);
  absl::StatusOr<MapReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                     const FileTable& files);
  // Says of the host's want of room for the records where that was.
  absl::StatusOr<MapReply> Finish(absl::StatusOr<MapReply> reply, const FileTable& files);

 private:
  MapFile records_;
};

class MeasureOperation : public Operation<MeasureRequest, MeasureReply> {
 public:
  using Operation::Operation;
  absl::Status Describe(FileTable& files, v1::Job& job);
  static absl::StatusOr<MeasureReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                                const FileTable& files);
};

class ResizeOperation : public Operation<ResizeRequest, ResizeReply> {
 public:
  using Operation::Operation;
  absl::Status Describe(FileTable& files, v1::Job& job);
  static absl::StatusOr<ResizeReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                               const FileTable& files);
};

class RebaseOperation : public Operation<RebaseRequest, RebaseReply> {
 public:
  using Operation::Operation;
  static ReferencePolicy references() { return {}; }
  absl::Status Describe(FileTable& files, v1::Job& job);
  static absl::StatusOr<RebaseReply> MakeReply(v1::Report& report, const WorkerReport& worker,
                                               const FileTable& files);
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_JOBS_OPERATIONS_H_
