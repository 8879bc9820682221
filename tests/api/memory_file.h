// Files that are nowhere, and what is in them.
#ifndef HOTCELL_TESTS_API_MEMORY_FILE_H_
#define HOTCELL_TESTS_API_MEMORY_FILE_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>

namespace hotcell {

inline constexpr size_t kMebibyte = 1 << 20;

// A file in memory, closed at the end of the test.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& content = "") : fd_(memfd_create("test", MFD_CLOEXEC)) {
    Write(0, content);
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int fd() const { return fd_; }

  void Write(off_t offset, const std::string& content) {
    ASSERT_EQ(pwrite(fd_, content.data(), content.size(), offset),
              static_cast<ssize_t>(content.size()));
  }

  std::string Content() const {
    struct stat status = {};
    if (fstat(fd_, &status) != 0) return "fstat failed";
    std::string content(static_cast<size_t>(status.st_size), '\0');
    const ssize_t size = pread(fd_, content.data(), content.size(), 0);
    return size == status.st_size ? content : "pread failed";
  }

 private:
  const int fd_;
};

// Half noise, half zeroes, in turns of 64 KiB.
inline std::string DiskContent(size_t size) {
  std::mt19937_64 noise(7);
  std::string content(size, '\0');
  for (size_t offset = 0; offset + sizeof(uint64_t) <= size; offset += sizeof(uint64_t)) {
    const uint64_t word = noise();
    if (offset / 65536 % 2 == 0) std::memcpy(&content[offset], &word, sizeof(word));
  }
  return content;
}

}  // namespace hotcell

#endif  // HOTCELL_TESTS_API_MEMORY_FILE_H_
