#include "guest/runtime/common/io.h"

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace hotcell::guest {
namespace {

// The errors of pread(2) and pwrite(2) that a user is likely to meet, by their Linux number: the
// guest has no strerror().
std::string_view ErrnoName(uint64_t number) {
  switch (number) {
    case 5:
      return "input/output error";
    case 9:
      return "file not open for this";
    case 22:
      return "invalid argument";
    case 27:
      return "file too large";
    case 28:
      return "no space left on device";
    case 30:
      return "read-only file system";
    case 122:
      return "disk quota exceeded";
    default:
      return "system error";
  }
}

}  // namespace

Status IoError(const IoResult& result, std::string_view action) {
  const std::string cannot = StrCat("cannot ", action, ": ");
  switch (result.status) {
    case IoStatus::kOk:
      return OkStatus();
    case IoStatus::kNoSpace:
      return Status(Code::kIo, cannot + "no space left on the target's file system");
    case IoStatus::kQuota:
      return LimitExceeded(cannot + "it would exceed a limit of the job");
    case IoStatus::kRefused:
      return Status(Code::kReferenceRefused, cannot + "the reference is not allowed");
    case IoStatus::kNotFound:
      return Status(Code::kNotFound, cannot + "there is no such file");
    case IoStatus::kIoError:
      break;
  }
  return Status(Code::kIo, StrCat(cannot, ErrnoName(result.value), " (errno ", result.value, ")"));
}

Status ReadExact(IoChannel& io, const FileHandle& file, uint64_t offset, std::span<std::byte> out,
                 std::string_view what) {
  const auto past_end = [&](uint64_t file_size) {
    return CorruptImage(StrCat(what, " at ", Hex(offset), " (", out.size(),
                               " bytes) reaches past the end of the file (", file_size,
                               " bytes); the file is truncated or damaged"));
  };
  if (offset > file.size || out.size() > file.size - offset) return past_end(file.size);

  ScopedBuffer buffer(io);
  size_t done = 0;
  while (done < out.size()) {
    const size_t piece = std::min(out.size() - done, io.buffer_size());
    const IoResult read =
        io.Wait(io.SubmitRead(file.slot, offset + done, buffer.span().first(piece)));
    if (!read.ok()) return IoError(read, StrCat("read ", what, " at ", Hex(offset)));
    // The file was longer when it was opened: somebody truncates it under us.
    if (read.value < piece) return past_end(offset + done + read.value);
    std::memcpy(out.data() + done, buffer.data(), piece);
    done += piece;
  }
  return OkStatus();
}

Status WriteAll(IoChannel& io, uint32_t slot, uint64_t offset, std::span<const std::byte> data,
                std::string_view what) {
  ScopedBuffer buffer(io);
  size_t done = 0;
  while (done < data.size()) {
    const size_t piece = std::min(data.size() - done, io.buffer_size());
    std::memcpy(buffer.data(), data.data() + done, piece);
    const IoResult written =
        io.Wait(io.SubmitWrite(slot, offset + done, buffer.span().first(piece)));
    if (!written.ok()) return IoError(written, StrCat("write ", what, " at ", Hex(offset)));
    done += piece;
  }
  return OkStatus();
}

}  // namespace hotcell::guest
