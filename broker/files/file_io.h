// The system calls behind requests, on files that have been looked up and ranges that have been
// checked. Nothing here looks at file contents. An error is an errno; 0 is success.
//
// Files of Access::kDirect pass by the page cache: reads altogether; writes where they are aligned.
// What is not aligned goes through the cache, out of which it is dropped every 32 MiB and by
// FlushFile(), as soon as it is on the disk.
#ifndef HOTCELL_BROKER_FILES_FILE_IO_H_
#define HOTCELL_BROKER_FILES_FILE_IO_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "broker/files/file_table.h"

namespace hotcell::broker {

struct TransferResult {
  int error = 0;
  uint64_t bytes = 0;
};

// Short only at the end of the file.
TransferResult ReadAt(const JobFile& file, uint64_t offset, std::span<std::byte> data);

// Writes all of `data` or fails. Grows the file where needed.
int WriteAt(JobFile& file, uint64_t offset, std::span<const std::byte> data);

// Short only at the end of `from`. The kernel does it where it can, so that file systems may share
// the blocks. The files differ.
TransferResult CopyAt(const JobFile& from, uint64_t from_offset, JobFile& to, uint64_t offset,
                      uint64_t length);

// Whether WriteAt() would write all of `data` with O_DIRECT.
bool WritesDirectly(const JobFile& file, uint64_t offset, std::span<const std::byte> data);

// Makes the range read as zeroes: a hole where the file system has them. A range beyond what was
// ever written costs no more than a new file size. ECANCELED when `stop` becomes true before the
// end of a long range.
int WriteZeroesAt(JobFile& file, uint64_t offset, uint64_t length, const std::atomic<bool>& stop);

// Regular files only.
int SetFileSize(JobFile& file, uint64_t size);

int FlushFile(const JobFile& file);

// Tells data from holes in [offset, offset + length): fills `runs` until they are at its end, and
// returns how many it has filled, which is one at least. What lies beyond the end of the file is a
// hole; a file system that cannot tell holes says data. Precondition: neither is empty.
size_t GetBlockStatus(const JobFile& file, uint64_t offset, uint64_t length,
                      std::span<abi::BlockRun> runs);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILES_FILE_IO_H_
