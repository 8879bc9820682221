// The records of a map job: a file that the guest wrote, and hostile input.
#ifndef HOTCELL_BROKER_FILES_MAP_RECORDS_H_
#define HOTCELL_BROKER_FILES_MAP_RECORDS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "broker/files/file_table.h"
#include "hotcell/engine.h"

namespace hotcell::broker {

// The most that a map may grow to, bytes: some 26 million extents.
inline constexpr uint64_t kMaxMapBytes = 1ull << 30;

struct MapFile {
  UniqueFd fd;
  std::string directory;  // quoted; empty: it is in memory
  std::string warning;    // that it is not where it was to be; empty: it is
};

// An empty file without a name, in the directory that TMPDIR names or else in /tmp; in memory where
// neither is there or takes one.
absl::StatusOr<MapFile> MakeMapFile();

// Reads `count` abi::MapRecords from `fd` and hands them to request.extent. kInternal: a record
// that cannot be, such as one that does not begin where the one before ends, lies outside what was
// asked for, or names no file of `files`.
absl::Status ReadMapRecords(int fd, uint64_t count, const FileTable& files,
                            const MapRequest& request);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILES_MAP_RECORDS_H_
