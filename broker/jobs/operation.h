// What the built-in transcoder's operations have in common, as the engine sees them: a request, the
// job that it becomes, and the reply that is made of the guest's report. Each has a file of its
// own.
#ifndef HOTCELL_BROKER_JOBS_OPERATION_H_
#define HOTCELL_BROKER_JOBS_OPERATION_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "broker/files/file_table.h"
#include "broker/workers/worker_shape.h"
#include "hotcell/engine.h"
#include "protos/job.pb.h"
#include "protos/report.pb.h"

namespace hotcell::broker {

// The steps of an operation, in the order in which Engine::Impl::Perform() takes them. An operation
// derives from this and hides what it does in its own way; it lives for one call.
template <typename RequestType, typename ReplyType>
class Operation {
 public:
  using Request = RequestType;
  using Reply = ReplyType;

  explicit Operation(const Request& request) : request_(request) {}

  // What has to be there before the job's files are.
  absl::Status Prepare() { return absl::OkStatus(); }
  Limits limits() const { return request_.options.limits; }
  ReferencePolicy references() const { return request_.references; }
  // Puts the request's files into `files` and describes the job to the guest. kInvalidArgument: a
  // text that is longer than the guest takes, a file that cannot serve.
  //   absl::Status Describe(FileTable& files, v1::Job& job);

  // The workers that suit it, the best first.
  std::vector<WorkerShape> Shapes() const { return {InfoShape(request_.options.limits)}; }
  // Makes the reply of a report that has no error.
  //   absl::StatusOr<Reply> MakeReply(v1::Report& report, const WorkerReport& worker,
  //                                   const FileTable& files);

  // The call's result.
  absl::StatusOr<Reply> Finish(absl::StatusOr<Reply> reply, const FileTable& /*files*/) {
    return reply;
  }

 protected:
  const Request& request_;
};

// The guest's warnings, and those of files that changed.
std::vector<std::string> Warnings(const v1::Report& report, const WorkerReport& worker);
std::string ChangedText(const ChangedFile& file);

// A guest that claims success and has nothing to show for it.
absl::Status NoResult();

// What a file occupies on its file system, bytes; of what is no file there, the most there can be.
uint64_t AllocatedBytes(int fd);
// What several files occupy together, bytes.
uint64_t AllocatedBytes(std::span<const int> fds);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_JOBS_OPERATION_H_
