#include "broker/lanes/request_handler.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "broker/files/file_io.h"
#include "broker/lanes/report_codec.h"
#include "broker/lanes/ring.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"

namespace hotcell::broker {
namespace {

abi::Completion Completed(const abi::Submission& request, abi::IoStatus status, uint64_t result = 0,
                          uint64_t result2 = 0) {
  return {.user_data = request.user_data,
          .result = result,
          .result2 = result2,
          .status = static_cast<uint32_t>(status)};
}

abi::IoStatus RefusalStatus(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kNotFound:
      return abi::IoStatus::kNotFound;
    case absl::StatusCode::kResourceExhausted:
      return abi::IoStatus::kQuota;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kInvalidArgument:
      return abi::IoStatus::kRefused;
    default:
      return abi::IoStatus::kIoError;
  }
}

// Bytes of the arena that the request uses; 0: none.
uint64_t BufferSize(const abi::Submission& request) {
  switch (static_cast<abi::Opcode>(request.opcode)) {
    case abi::Opcode::kRead:
    case abi::Opcode::kWrite:
    case abi::Opcode::kOpenReference:
    case abi::Opcode::kProceed:
      return request.length;
    case abi::Opcode::kBlockStatus:
      return abi::kMaxBlockRuns * sizeof(abi::BlockRun);
    default:
      return 0;
  }
}

bool NeedsWritable(abi::Opcode opcode) {
  return opcode == abi::Opcode::kWrite || opcode == abi::Opcode::kWriteZeroes ||
         opcode == abi::Opcode::kFlush || opcode == abi::Opcode::kSetSize ||
         opcode == abi::Opcode::kCopy || opcode == abi::Opcode::kCreateExtentFile;
}

// What the request takes of the quota of bytes written, bytes.
uint64_t WriteCost(const abi::Submission& request) {
  constexpr uint64_t kFlushCost = 256 << 10;
  switch (static_cast<abi::Opcode>(request.opcode)) {
    case abi::Opcode::kWrite:
    case abi::Opcode::kWriteZeroes:
    case abi::Opcode::kCopy:
      return request.length;
    case abi::Opcode::kFlush:
      return kFlushCost;
    case abi::Opcode::kSetSize:
      return abi::kPageSize;
    default:
      return 0;
  }
}

// A name in an image is relative to where that image is.
std::string NameBeside(std::string_view image, std::string_view name) {
  if (name.starts_with('/')) return std::string(name);
  return std::string(image.substr(0, image.rfind('/') + 1)).append(name);
}

// Says which image it was, where the job reads several.
absl::Status WhoseReference(const absl::Status& error, const FileTable& files, uint32_t slot) {
  size_t inputs = 0;
  for (uint32_t i = 0; const JobFile* const file = files.Find(i); ++i) {
    if (!file->writable && !file->referrer) ++inputs;
  }
  if (inputs < 2) return error;
  const std::string message = absl::StrCat(files.Find(slot)->name, ": ", error.message());
  return hotcell::Reworded(error, message);
}

}  // namespace

absl::StatusOr<abi::Completion> RequestHandler::Handle(uint32_t lane,
                                                       const abi::Submission& request,
                                                       WriteTurn& turn) {
  if (absl::Status status = CheckSubmission(request, kBufferSize); !status.ok()) return status;
  const auto opcode = static_cast<abi::Opcode>(request.opcode);
  JobFile* file = files_.Find(request.slot);
  if (file == nullptr) {
    return absl::InternalError(
        absl::StrFormat("the guest broke the ring protocol: opcode %u for slot %u, which is none "
                        "of the job's files",
                        request.opcode, request.slot));
  }
  if (NeedsWritable(opcode) && !file->writable) {
    return absl::InternalError(
        absl::StrFormat("the guest broke the ring protocol: opcode %u would write to %s, which is "
                        "an input of the job",
                        request.opcode, file->name));
  }
  // Until then nothing is read from a target either, which may still hold what somebody left in it.
  if (files_.writes_held() && file->writable) {
    return absl::InternalError(
        absl::StrFormat("the guest broke the ring protocol: opcode %u for %s before the image was "
                        "found to be safe",
                        request.opcode, file->name));
  }
  if (opcode != abi::Opcode::kCreateExtentFile) {
    if (absl::Status status = files_.EmptyOnce(*file); !status.ok()) {
      files_.RecordOutputError(std::move(status));
      return Completed(request, abi::IoStatus::kIoError, EIO);
    }
  }
  std::span<std::byte> buffer;
  if (const uint64_t size = BufferSize(request); size != 0) {
    buffer = arena_.LaneBuffers(lane, request.buffer, size);
    if (buffer.empty()) {
      return absl::InternalError(absl::StrFormat(
          "the guest broke the ring protocol: %u bytes at arena offset 0x%x are not within lane "
          "%u's buffers",
          size, request.buffer, lane));
    }
  }
  if (auto refusal = TakeWriteQuota(*file, request)) return *refusal;
  const bool writes = opcode == abi::Opcode::kWrite || opcode == abi::Opcode::kCopy;
  if (!writes || pace_.limited()) turn.End();
  if (writes) pace_.Wait(request.length, stop_);
  switch (opcode) {
    case abi::Opcode::kRead:
      return Read(*file, request, buffer);
    case abi::Opcode::kWrite:
      return Write(*file, request, buffer, turn);
    case abi::Opcode::kWriteZeroes:
      return WriteZeroes(*file, request);
    case abi::Opcode::kBlockStatus:
      return BlockStatus(*file, request, buffer);
    case abi::Opcode::kFlush:
      return Flush(*file, request);
    case abi::Opcode::kSetSize:
      return SetSize(*file, request);
    case abi::Opcode::kOpenReference:
      return OpenReference(request, buffer);
    case abi::Opcode::kCreateExtentFile:
      return CreateExtentFile(request);
    case abi::Opcode::kProceed:
      return Proceed(request, buffer);
    case abi::Opcode::kCopy: {
      const JobFile* source = files_.Find(static_cast<uint32_t>(request.source_slot));
      if (source == nullptr || source->writable) {
        return absl::InternalError(
            absl::StrFormat("the guest broke the ring protocol: opcode %u would copy from slot %u, "
                            "which is none of the job's inputs",
                            request.opcode, request.source_slot));
      }
      return Copy(*source, *file, request, turn);
    }
  }
  return absl::InternalError("unreachable: CheckSubmission() knows all opcodes");
}

abi::Completion RequestHandler::IoError(const abi::Submission& request, int error,
                                        const std::string& action) {
  files_.RecordIoError(*files_.Find(request.slot), error, action);
  const bool no_space = error == ENOSPC || error == EDQUOT;
  return Completed(request, no_space ? abi::IoStatus::kNoSpace : abi::IoStatus::kIoError,
                   static_cast<uint64_t>(error));
}

std::optional<abi::Completion> RequestHandler::CheckEnd(JobFile& file,
                                                        const abi::Submission& request,
                                                        uint64_t end) {
  if (!files_.TakeOutputQuota(file, end)) {
    const absl::Status error = absl::ResourceExhaustedError(
        absl::StrCat(file.name, " would grow to ", end, " bytes; the limit `output-bytes` is ",
                     files_.limits().output_bytes));
    files_.RecordOutputError(WithRemedy(error, Remedy::kRaiseOutputBytes));
    return Completed(request, abi::IoStatus::kQuota);
  }
  if (file.block_device && end > file.size) {
    files_.RecordOutputError(absl::ResourceExhaustedError(
        absl::StrCat("the block device ", file.name, " has ", file.size.load(), " bytes, ", end,
                     " are needed")));
    return Completed(request, abi::IoStatus::kNoSpace, ENOSPC);
  }
  return std::nullopt;
}

int RequestHandler::FillGaps(JobFile& file, uint64_t end, size_t gaps) const {
  WrittenRanges& written = file.renewed->written;
  for (; gaps > 0; --gaps) {
    const std::optional<WrittenRanges::Range> gap = written.FirstGap(end);
    if (!gap) return 0;
    const int error = WriteZeroesAt(file, gap->begin, gap->end - gap->begin, stop_);
    if (error != 0) return error;
    written.Add(gap->begin, gap->end);
  }
  return 0;
}

std::optional<abi::Completion> RequestHandler::Claim(JobFile& file, const abi::Submission& request,
                                                     uint64_t begin, uint64_t end) {
  constexpr size_t kMostRanges = 1 << 16;  // some MiB of memory, however the guest scatters them
  if (file.renewed == nullptr) return std::nullopt;
  const std::lock_guard lock(file.renewed->mutex);
  WrittenRanges& written = file.renewed->written;
  written.Add(begin, end);
  if (written.count() <= kMostRanges) return std::nullopt;
  const int error = FillGaps(file, written.end(), /*gaps=*/1);
  if (error == 0) return std::nullopt;
  return IoError(request, error, absl::StrCat("write zeroes to ", file.name));
}

std::optional<abi::Completion> RequestHandler::TakeReadQuota(const abi::Submission& request) {
  if (files_.TakeReadQuota(request.length)) return std::nullopt;
  const absl::Status error = absl::ResourceExhaustedError(absl::StrCat(
      "the job reads more than its limit `bytes-read` of ", files_.limits().bytes_read, " bytes"));
  files_.RecordError(WithRemedy(error, Remedy::kRaiseBytesRead));
  return Completed(request, abi::IoStatus::kQuota);
}

std::optional<abi::Completion> RequestHandler::TakeWriteQuota(const JobFile& file,
                                                              const abi::Submission& request) {
  if (files_.TakeWriteQuota(WriteCost(request))) return std::nullopt;
  const absl::Status error = absl::ResourceExhaustedError(
      absl::StrCat("the job writes more to ", file.name, " than its limit `bytes-written` of ",
                   files_.limits().bytes_written, " bytes allows"));
  files_.RecordOutputError(WithRemedy(error, Remedy::kRaiseBytesWritten));
  return Completed(request, abi::IoStatus::kQuota);
}

abi::Completion RequestHandler::Read(JobFile& file, const abi::Submission& request,
                                     std::span<std::byte> buffer) {
  if (auto refusal = TakeReadQuota(request)) return *refusal;
  const TransferResult read = ReadAt(file, request.offset, buffer);
  files_.ReturnReadQuota(buffer.size() - read.bytes);
  if (read.error != 0) {
    return IoError(request, read.error,
                   absl::StrCat("read ", file.name, " at offset ", request.offset));
  }
  return Completed(request, abi::IoStatus::kOk, read.bytes);
}

abi::Completion RequestHandler::Write(JobFile& file, const abi::Submission& request,
                                      std::span<const std::byte> buffer, WriteTurn& turn) {
  if (auto refusal = CheckEnd(file, request, request.offset + request.length)) return *refusal;
  if (auto failed = Claim(file, request, request.offset, request.offset + request.length)) {
    return *failed;
  }
  // Devices take writes side by side; so does O_DIRECT, or has its waiters sleep.
  if (file.block_device || WritesDirectly(file, request.offset, buffer)) {
    turn.End();
  } else {
    turn.Take(file);
  }
  if (const int error = WriteAt(file, request.offset, buffer); error != 0) {
    return IoError(request, error,
                   absl::StrCat("write ", file.name, " at offset ", request.offset));
  }
  bytes_written_ += buffer.size();
  return Completed(request, abi::IoStatus::kOk, buffer.size());
}

abi::Completion RequestHandler::Copy(const JobFile& source, JobFile& file,
                                     const abi::Submission& request, WriteTurn& turn) {
  if (auto refusal = CheckEnd(file, request, request.offset + request.length)) return *refusal;
  if (auto failed = Claim(file, request, request.offset, request.offset + request.length)) {
    return *failed;
  }
  if (!file.block_device) turn.Take(file);
  if (auto refusal = TakeReadQuota(request)) return *refusal;
  const TransferResult copied =
      CopyAt(source, request.source_offset, file, request.offset, request.length);
  files_.ReturnReadQuota(request.length - copied.bytes);
  bytes_written_ += copied.bytes;
  if (copied.error != 0) {
    return IoError(request, copied.error,
                   absl::StrCat("copy ", source.name, " at offset ", request.source_offset, " to ",
                                file.name, " at offset ", request.offset));
  }
  return Completed(request, abi::IoStatus::kOk, copied.bytes);
}

abi::Completion RequestHandler::WriteZeroes(JobFile& file, const abi::Submission& request) {
  if (auto refusal = CheckEnd(file, request, request.offset + request.length)) return *refusal;
  if (auto failed = Claim(file, request, request.offset, request.offset + request.length)) {
    return *failed;
  }
  const int error = WriteZeroesAt(file, request.offset, request.length, stop_);
  if (error != 0) {
    return IoError(request, error,
                   absl::StrCat("write zeroes to ", file.name, " at offset ", request.offset));
  }
  return Completed(request, abi::IoStatus::kOk, request.length);
}

abi::Completion RequestHandler::BlockStatus(const JobFile& file, const abi::Submission& request,
                                            std::span<std::byte> buffer) {
  std::array<abi::BlockRun, abi::kMaxBlockRuns> runs;
  const size_t count = GetBlockStatus(file, request.offset, request.length, runs);
  std::memcpy(buffer.data(), runs.data(), count * sizeof(runs[0]));
  return Completed(request, abi::IoStatus::kOk, count);
}

abi::Completion RequestHandler::Flush(JobFile& file, const abi::Submission& request) {
  if (file.renewed != nullptr) {
    const std::lock_guard lock(file.renewed->mutex);
    const uint64_t end = std::max(file.renewed->size, file.renewed->written.end());
    if (const int error = FillGaps(file, end, SIZE_MAX); error != 0) {
      return IoError(request, error, absl::StrCat("write zeroes to ", file.name));
    }
  }
  if (const int error = FlushFile(file); error != 0) {
    return IoError(request, error, absl::StrCat("flush ", file.name));
  }
  return Completed(request, abi::IoStatus::kOk);
}

abi::Completion RequestHandler::SetSize(JobFile& file, const abi::Submission& request) {
  if (auto refusal = CheckEnd(file, request, request.offset)) return *refusal;
  if (!file.block_device) {
    if (const int error = SetFileSize(file, request.offset); error != 0) {
      return IoError(request, error,
                     absl::StrCat("set the size of ", file.name, " to ", request.offset));
    }
  }
  if (file.renewed != nullptr) {
    const std::lock_guard lock(file.renewed->mutex);
    file.renewed->size = request.offset;
  }
  return Completed(request, abi::IoStatus::kOk, request.offset);
}

absl::StatusOr<abi::Completion> RequestHandler::CreateExtentFile(const abi::Submission& request) {
  const absl::StatusOr<uint32_t> slot = files_.AddExtentFile(request.offset);
  if (slot.ok()) return Completed(request, abi::IoStatus::kOk, *slot);
  // What the caller's opener could not do is not the guest's fault, whatever its code is.
  if (FailureKindOf(slot.status()) == FailureKind::kGuestContract) {
    return absl::InternalError(
        absl::StrCat("the guest broke the ring protocol: ", slot.status().message()));
  }
  // The guest calls what it was refused a matter of references; a caller's mistake stays the
  // caller's all the same.
  const bool is_request = FailureKindOf(slot.status()) == FailureKind::kRequest;
  files_.RecordError(is_request ? WithFailureKind(slot.status(), FailureKind::kRequest)
                                : slot.status());
  return Completed(request, RefusalStatus(slot.status()));
}

absl::StatusOr<abi::Completion> RequestHandler::Proceed(const abi::Submission& request,
                                                        std::span<const std::byte> buffer) {
  constexpr absl::string_view kNobodyWaits =
      "the guest broke the ring protocol: nobody waits to judge what it found";
  if (!files_.writes_held()) return absl::InternalError(kNobodyWaits);
  if (buffer.size() > arena_.header().report_capacity) {
    return absl::InternalError(
        absl::StrCat("the guest broke the ring protocol: a report of ", buffer.size(), " bytes"));
  }
  // What is decoded is a copy.
  const std::string bytes(reinterpret_cast<const char*>(buffer.data()), buffer.size());
  absl::StatusOr<v1::Report> report = DecodeReport(bytes, arena_.header().report_capacity);
  if (!report.ok()) return report.status();
  const std::optional<absl::Status> verdict = files_.JudgeWrites(*report);
  if (!verdict) return absl::InternalError(kNobodyWaits);
  if (verdict->ok()) return Completed(request, abi::IoStatus::kOk);
  files_.RecordError(*verdict);
  return Completed(request, abi::IoStatus::kRefused);
}

abi::Completion RequestHandler::OpenReference(const abi::Submission& request,
                                              std::span<const std::byte> buffer) {
  if (files_.writes_held()) {
    files_.RecordError(absl::PermissionDeniedError(
        absl::StrCat(files_.Find(request.slot)->name,
                     " names another file, and none is opened before it is found to be safe")));
    return Completed(request, abi::IoStatus::kRefused);
  }
  if (absl::Status status = files_.CountReference(); !status.ok()) {
    files_.RecordError(std::move(status));
    return Completed(request, abi::IoStatus::kQuota);
  }
  // The one place where bytes of a buffer are looked at: a copy of a name.
  const std::string name(reinterpret_cast<const char*>(buffer.data()), buffer.size());
  const auto kind = static_cast<abi::ReferenceKind>(request.flags);
  absl::StatusOr<ResolvedReference> resolved =
      references_.Open(name, kind, files_.Find(request.slot)->fd);
  if (!resolved.ok()) {
    const abi::IoStatus status = RefusalStatus(resolved.status());
    files_.RecordError(WhoseReference(resolved.status(), files_, request.slot));
    return Completed(request, status);
  }
  const std::string image_name =
      resolved->mapped ? resolved->path : NameBeside(files_.Find(request.slot)->image_name, name);
  const absl::StatusOr<uint32_t> slot =
      files_.AddReference(std::move(resolved->fd), resolved->path, request.slot, kind, image_name);
  if (!slot.ok()) {
    files_.RecordError(slot.status());
    return Completed(request, RefusalStatus(slot.status()));
  }
  return Completed(request, abi::IoStatus::kOk, *slot, files_.Find(*slot)->size);
}

}  // namespace hotcell::broker
