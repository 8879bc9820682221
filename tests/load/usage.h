// What a process has of the machine, to be the same before and after.
#ifndef HOTCELL_TESTS_LOAD_USAGE_H_
#define HOTCELL_TESTS_LOAD_USAGE_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace hotcell::load {

// Things that can be left behind.
struct ResourceCounts {
  size_t fds = 0;
  size_t threads = 0;
  size_t children = 0;       // zombies too
  size_t workers = 0;        // processes anywhere that execute `worker`, which nobody else does
  size_t namespaces = 0;     // that those are in and this process is not
  size_t files = 0;          // in `directory`
  size_t unnamed_files = 0;  // this process's, in no directory
  size_t mounts = 0;

  static ResourceCounts Count(const std::string& worker, const std::string& directory);
  bool operator==(const ResourceCounts&) const = default;
};
std::ostream& operator<<(std::ostream& out, const ResourceCounts& counts);

// Bytes. Shared memory is counted apart: each job that runs has some, whatever was before.
struct Memory {
  uint64_t anonymous = 0;  // resident
  uint64_t shared = 0;     // resident
  uint64_t heap = 0;       // allocated and not freed

  static Memory Now();
};

// Watches this process from a thread of its own.
class Watch {
 public:
  // Samples are kept for the part of `total` steps in which they fall.
  explicit Watch(size_t total);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void Step() { ++done_; }
  // Ends the thread.
  void Stop();

  static constexpr size_t kParts = 10;
  // The most that was resident in each tenth of the steps, bytes.
  const std::vector<uint64_t>& anonymous_peaks() const { return anonymous_peaks_; }
  uint64_t shared_peak() const { return shared_peak_; }
  size_t children_peak() const { return children_peak_; }
  size_t fds_peak() const { return fds_peak_; }

 private:
  void Run();

  const size_t total_;
  std::atomic<size_t> done_ = 0;
  std::atomic<bool> stop_ = false;
  std::vector<uint64_t> anonymous_peaks_;
  uint64_t shared_peak_ = 0;
  size_t children_peak_ = 0;
  size_t fds_peak_ = 0;
  std::thread thread_;
};

}  // namespace hotcell::load

#endif  // HOTCELL_TESTS_LOAD_USAGE_H_
