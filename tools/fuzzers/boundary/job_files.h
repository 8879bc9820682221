// Files of a job for fuzz targets: without a name, and easily compared with what they must hold.
#ifndef HOTCELL_TOOLS_FUZZERS_BOUNDARY_JOB_FILES_H_
#define HOTCELL_TOOLS_FUZZERS_BOUNDARY_JOB_FILES_H_

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "tools/fuzzers/check.h"

namespace hotcell::fuzz {

// Open for reading and writing, so that a broker that wants to write an input can.
inline UniqueFd MakeFile(std::string_view bytes) {
  UniqueFd fd(memfd_create("hotcell-fuzz", MFD_CLOEXEC));
  const auto written = pwrite(fd.get(), bytes.data(), bytes.size(), 0);
  Check(written == static_cast<ssize_t>(bytes.size()), "a file can be made");
  return fd;
}

inline std::string ReadFile(int fd) {
  struct stat info {};
  Check(fstat(fd, &info) == 0, "a file of the job is open");
  std::string bytes(static_cast<size_t>(info.st_size), '\0');
  const auto got = pread(fd, bytes.data(), bytes.size(), 0);
  Check(got == static_cast<ssize_t>(bytes.size()), "a file of the job can be read");
  return bytes;
}

// Bytes of which no two pages are alike.
inline std::string Pattern(uint64_t size, uint32_t seed) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_BOUNDARY_JOB_FILES_H_
