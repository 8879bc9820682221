// A record of the bytes that a job has written to a block device: the gaps between them still hold
// old data and are filled with zeroes.
#ifndef HOTCELL_BROKER_FILES_WRITTEN_RANGES_H_
#define HOTCELL_BROKER_FILES_WRITTEN_RANGES_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

namespace hotcell::broker {

// Which bytes of a file have been written, as ranges that neither overlap nor touch. Not
// thread-safe.
//
//   WrittenRanges written;
//   written.Add(4096, 8192);
//   written.FirstGap(65536);  // [0, 4096)
class WrittenRanges {
 public:
  struct Range {
    uint64_t begin = 0;
    uint64_t end = 0;  // the first byte behind it

    bool operator==(const Range&) const = default;
  };

  // [begin, end) is written. Nothing where it is empty.
  void Add(uint64_t begin, uint64_t end);
  // The first bytes below `end` that are not; nullopt: all are.
  std::optional<Range> FirstGap(uint64_t end) const;

  size_t count() const { return ranges_.size(); }
  // Where the last range ends; 0: there is none.
  uint64_t end() const { return ranges_.empty() ? 0 : ranges_.rbegin()->second; }

 private:
  std::map<uint64_t, uint64_t> ranges_;  // end by begin
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILES_WRITTEN_RANGES_H_
