// Holes of a file: parts that the file system keeps no bytes for, which read as zeroes.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_FILE_HOLES_H_
#define HOTCELL_GUEST_FORMATS_COMMON_FILE_HOLES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "guest/runtime/common/io.h"
#include "guest/runtime/common/spinlock.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Asks the broker where a file has holes, and remembers the answers: a file of few runs costs one
// request, however often it is asked about. Thread-safe. Memory: 16 bytes for each run that is
// remembered, at most 32 KiB.
class FileHoles {
 public:
  struct Run {
    bool is_hole = false;
    uint64_t length = 0;  // bytes
  };

  // Holes of less than `min_hole` bytes count as data.
  FileHoles(const FileHandle& file, uint64_t min_hole) : file_(file), min_hole_(min_hole) {}

  uint32_t slot() const { return file_.slot; }

  // What is at `offset`, no longer than `length`. Behind the file's end nothing is a hole: who
  // reads there finds out. Needs a free buffer of the channel. Precondition: length > 0.
  Result<Run> At(IoChannel& io, uint64_t offset, uint64_t length);

 private:
  static constexpr size_t kRuns = abi::kMaxBlockRuns;
  static constexpr size_t kWindows = 8;
  static constexpr uint64_t kSegment = 16 << 20;  // bytes; windows mostly begin at a multiple

  // The answer to one request: runs in a row, each from the end of the one before.
  struct Window {
    struct Part {
      uint64_t end;
      bool is_hole;
    };
    uint64_t begin = 0;
    std::vector<Part> parts;

    std::optional<Run> Find(uint64_t offset, uint64_t length) const;
    void Add(uint64_t end, bool is_hole);
  };

  std::optional<Run> Lookup(uint64_t offset, uint64_t length);
  // Where the next window begins, or the file ends.
  uint64_t UnknownUntil(uint64_t offset);
  // Asks about what follows `begin`, and remembers the answer. nullopt: it does not reach `offset`.
  Result<std::optional<Run>> Ask(IoChannel& io, uint64_t begin, uint64_t offset, uint64_t length);

  const FileHandle file_;
  const uint64_t min_hole_;

  Spinlock lock_;
  size_t next_ = 0;  // the window that the next answer takes the place of
  std::array<Window, kWindows> windows_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_FILE_HOLES_H_
