#include "broker/files/map_records.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/host/posix_error.h"
#include "guest/abi/abi.h"
#include "hotcell/text.h"
#include "hotcell/unnamed_file.h"

namespace hotcell::broker {
namespace {

using abi::MapRecord;

constexpr uint64_t kRecordsAtOnce = 4096;

absl::Status Broken(absl::string_view what) {
  return WithFailureKind(absl::InternalError(what), FailureKind::kGuestContract);
}

absl::Status Malformed(uint64_t index, absl::string_view what) {
  return Broken(absl::StrCat("the guest's map is malformed: record ", index, " ", what));
}

absl::Status ReadAll(int fd, uint64_t offset, std::vector<MapRecord>& records) {
  auto* const data = reinterpret_cast<char*>(records.data());
  const size_t size = records.size() * sizeof(MapRecord);
  for (size_t done = 0; done < size;) {
    const ssize_t count = pread(fd, data + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return PosixError(errno, "read the map");
    if (count == 0) return Broken("the guest's map ends before its last record");
    done += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

// Everything that one record can get wrong by itself.
absl::StatusOr<MapExtent> Check(const MapRecord& record, uint64_t index, const FileTable& files) {
  if ((record.flags & ~abi::kMapFlags) != 0 || record.reserved != 0) {
    return Malformed(index, "has unknown flags");
  }
  if (record.depth >= files.limits().chain_depth) {
    return Malformed(index, "is deeper than the chain may be");
  }
  MapExtent extent = {.start = record.start,
                      .length = record.length,
                      .depth = record.depth,
                      .present = (record.flags & abi::kMapPresent) != 0,
                      .zero = (record.flags & abi::kMapZero) != 0,
                      .data = (record.flags & abi::kMapData) != 0,
                      .compressed = (record.flags & abi::kMapCompressed) != 0};
  if ((record.flags & abi::kMapHasOffset) == 0) return extent;
  const JobFile* const file = files.Find(record.slot);
  if (file == nullptr || file->writable) return Malformed(index, "names no file of the job");
  extent.offset = record.offset;
  extent.file = file->image_name;
  return extent;
}

}  // namespace

absl::StatusOr<MapFile> MakeMapFile() {
  const std::string usual = "/tmp";
  const std::string named = TemporaryDirectory();
  std::string warning;
  if (named != usual) {
    UniqueFd fd(OpenUnnamedFile(named));
    if (fd.valid()) return MapFile{.fd = std::move(fd), .directory = Quote(named)};
    if (!HasNoUnnamedFiles(errno, named)) {
      warning = absl::StrCat("the map is not kept in ", Quote(named),
                             ", which TMPDIR names: ", std::strerror(errno));
    }
  }
  if (UniqueFd fd(OpenUnnamedFile(usual)); fd.valid()) {
    return MapFile{.fd = std::move(fd), .directory = Quote(usual), .warning = warning};
  }
  UniqueFd fd(memfd_create("hotcell-map", MFD_CLOEXEC));
  if (!fd.valid()) return PosixError(errno, "make a temporary file for the map");
  return MapFile{.fd = std::move(fd), .directory = "", .warning = warning};
}

absl::Status ReadMapRecords(int fd, uint64_t count, const FileTable& files,
                            const MapRequest& request) {
  if (count > kMaxMapBytes / sizeof(MapRecord)) {
    return Broken("the guest's map has more records than it may");
  }
  uint64_t expected = request.begin;
  uint64_t left = request.length;
  std::vector<MapRecord> records;
  for (uint64_t first = 0; first < count; first += records.size()) {
    records.resize(std::min(kRecordsAtOnce, count - first));
    absl::Status status = ReadAll(fd, first * sizeof(MapRecord), records);
    if (!status.ok()) return status;
    for (size_t i = 0; i < records.size(); ++i) {
      const MapRecord& record = records[i];
      if (record.start != expected) return Malformed(first + i, "does not follow the one before");
      if (record.length == 0 || record.length > left) {
        return Malformed(first + i, "is empty or longer than what was asked for");
      }
      if (record.length > UINT64_MAX - record.start || record.length > UINT64_MAX - record.offset) {
        return Malformed(first + i, "ends past 2^64");
      }
      const absl::StatusOr<MapExtent> extent = Check(record, first + i, files);
      if (!extent.ok()) return extent.status();
      status = request.extent(*extent);
      if (!status.ok()) return status;
      expected += record.length;
      left -= record.length;
    }
  }
  return absl::OkStatus();
}

}  // namespace hotcell::broker
