// Replay of the log, 2.3 of [MS-VHDX], in memory: the file is not changed, but read as if it were.
#ifndef HOTCELL_GUEST_FORMATS_VHDX_LOG_H_
#define HOTCELL_GUEST_FORMATS_VHDX_LOG_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/common/piece_cache.h"
#include "guest/formats/vhdx/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::vhdx {

// A part of the file that the log overwrites.
struct LoggedRange {
  uint64_t begin = 0;  // in the file, bytes
  uint64_t end = 0;
  bool zero = true;
  // Otherwise it is a sector of kLogSector bytes, whose bytes are here in the file.
  uint64_t descriptor = 0;
  uint64_t sector = 0;
};

// What replaying comes to. Ranges ascend and do not overlap.
struct LogReplay {
  std::vector<LoggedRange> ranges;
  uint64_t last_file_offset = 0;  // the file grows to this, bytes
  uint64_t entries = 0;
};

// Finds the active sequence and reads its descriptors. Precondition: header.LogGuid says that there
// is a log, which lies within the file. Time and memory are bounded: a log that would take more is
// an error that names the limit.
Result<LogReplay> ReadLog(IoChannel& io, const FileHandle& file, const Header& header);

// The file with the log replayed. Thread-safe.
class LoggedFile {
 public:
  LoggedFile(const FileHandle& file, LogReplay log);

  const FileHandle& file() const { return file_; }
  uint64_t size() const { return size_; }  // bytes
  bool has_log() const { return log_.entries != 0; }

  // Fills `out`, through a cache. Reading past the end is a kCorruptImage error that names `what`.
  Status Read(IoChannel& io, uint64_t offset, std::span<std::byte> out, std::string_view what);
  template <typename T>
  Status ReadStruct(IoChannel& io, uint64_t offset, T& out, std::string_view what) {
    return Read(io, offset, std::as_writable_bytes(std::span(&out, 1)), what);
  }

  // Where the first of `length` bytes at `offset` are: data in the file, perhaps in its log, or
  // zeroes. Precondition: they lie within size().
  Extent Locate(uint64_t offset, uint64_t length) const;

 private:
  static constexpr size_t kCachedPieces = 16;

  const FileHandle file_;
  const LogReplay log_;
  const uint64_t size_;
  PieceCache cache_;
};

}  // namespace hotcell::guest::vhdx

#endif  // HOTCELL_GUEST_FORMATS_VHDX_LOG_H_
