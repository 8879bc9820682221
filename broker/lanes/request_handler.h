// What the broker does for a guest's request, from the checked submission to the completion.
// Nothing here looks at the bytes that it moves.
#ifndef HOTCELL_BROKER_LANES_REQUEST_HANDLER_H_
#define HOTCELL_BROKER_LANES_REQUEST_HANDLER_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "broker/files/file_table.h"
#include "broker/files/reference_resolver.h"
#include "broker/lanes/output_pace.h"
#include "broker/lanes/write_turn.h"
#include "broker/workers/arena.h"
#include "guest/abi/abi.h"

namespace hotcell::broker {

// Serves requests of all lanes: checks a copied Submission against the arena and the file table and
// does what it asks. Thread-safe.
class RequestHandler {
 public:
  // None is owned; all outlive this. `stop` ends long requests early.
  RequestHandler(const Arena& arena, FileTable& files, const ReferenceResolver& references,
                 const std::atomic<bool>& stop)
      : arena_(arena),
        files_(files),
        references_(references),
        stop_(stop),
        pace_(files.limits().output_rate) {}

  // Failures of files, quotas and policy are in the completion, and in the file table with their
  // cause. An error means that the request breaks the contract and the job is over.
  // `turn` is the lane's: a write leaves it at the written file, other requests end it.
  absl::StatusOr<abi::Completion> Handle(uint32_t lane, const abi::Submission& request,
                                         WriteTurn& turn);

  uint64_t bytes_written() const { return bytes_written_; }

 private:
  abi::Completion Read(JobFile& file, const abi::Submission& request, std::span<std::byte> buffer);
  abi::Completion Write(JobFile& file, const abi::Submission& request,
                        std::span<const std::byte> buffer, WriteTurn& turn);
  abi::Completion Copy(const JobFile& source, JobFile& file, const abi::Submission& request,
                       WriteTurn& turn);
  abi::Completion WriteZeroes(JobFile& file, const abi::Submission& request);
  static abi::Completion BlockStatus(const JobFile& file, const abi::Submission& request,
                                     std::span<std::byte> buffer);
  abi::Completion Flush(JobFile& file, const abi::Submission& request);
  abi::Completion SetSize(JobFile& file, const abi::Submission& request);
  abi::Completion OpenReference(const abi::Submission& request, std::span<const std::byte> buffer);
  absl::StatusOr<abi::Completion> CreateExtentFile(const abi::Submission& request);
  absl::StatusOr<abi::Completion> Proceed(const abi::Submission& request,
                                          std::span<const std::byte> buffer);
  // nullopt: the request's length was taken from the read quota.
  std::optional<abi::Completion> TakeReadQuota(const abi::Submission& request);
  // nullopt: what the request writes was taken from the write quota.
  std::optional<abi::Completion> TakeWriteQuota(const JobFile& file,
                                                const abi::Submission& request);
  // nullopt: a file of `end` bytes is within quota and device.
  std::optional<abi::Completion> CheckEnd(JobFile& file, const abi::Submission& request,
                                          uint64_t end);
  // Claims [begin, end) of a device that gets a new image. Returns nullopt, and from now on
  // `request` may write there; or the answer that ends the request.
  std::optional<abi::Completion> Claim(JobFile& file, const abi::Submission& request,
                                       uint64_t begin, uint64_t end);
  // Fills such a device, whose mutex is held, with zeroes where nothing below `end` is written, in
  // at most `gaps` places. Returns an errno; 0 is success.
  int FillGaps(JobFile& file, uint64_t end, size_t gaps) const;
  abi::Completion IoError(const abi::Submission& request, int error, const std::string& action);

  const Arena& arena_;
  FileTable& files_;
  const ReferenceResolver& references_;
  const std::atomic<bool>& stop_;
  OutputPace pace_;
  std::atomic<uint64_t> bytes_written_ = 0;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_LANES_REQUEST_HANDLER_H_
