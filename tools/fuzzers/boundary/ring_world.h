// A job's files and arena for the fuzzer of the rings, and what must have become of them: a model
// of docs/guest-abi.md that shares no code with the broker.
#ifndef HOTCELL_TOOLS_FUZZERS_BOUNDARY_RING_WORLD_H_
#define HOTCELL_TOOLS_FUZZERS_BOUNDARY_RING_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "broker/files/file_table.h"
#include "broker/files/reference_resolver.h"
#include "broker/host/mapping.h"
#include "broker/workers/arena.h"
#include "guest/abi/abi.h"

namespace hotcell::fuzz {

// Bytes that nobody may change.
inline constexpr uint64_t kInputSize = 40000;
inline constexpr uint64_t kBaseSize = 5000;
inline constexpr uint32_t kLanes = 2;

// What the guest and the broker see of the arena, and what has to be in it. The guest's writes go
// into both; after the broker's turn the two are compared page by page.
class WatchedArena {
 public:
  WatchedArena();

  const broker::Arena& arena() const { return arena_; }
  const abi::ArenaHeader& header() const { return arena_.header(); }
  std::byte* guest(uint64_t offset) { return view_.data() + offset; }
  // All areas but the header are as they were made.
  void Reset();
  // Writes as the guest does. What lies beyond the arena is not written.
  void Write(uint64_t offset, const void* data, size_t size);
  // The broker may have written there.
  void Expect(uint64_t offset, uint64_t size);
  // Aborts when the broker has written where it was not expected. [skip_begin, skip_end) may hold
  // anything.
  void Compare(uint64_t skip_begin = 0, uint64_t skip_end = 0);

 private:
  broker::Arena arena_;
  broker::Mapping view_;
  broker::Mapping expected_;
};

struct WorldOptions {
  uint64_t output_bytes = 0;
  uint64_t bytes_read = 0;
  bool follow_mappings = false;
  bool extents = false;
};

// The job's files: slot 0 an input, slot 1 an output.
class World {
 public:
  explicit World(const WorldOptions& options);

  broker::FileTable& files() { return files_; }
  const broker::ReferenceResolver& references() const { return *resolver_; }

  // Whether the request keeps the contract as it stands; independent of what is allowed.
  bool KeepsContract(uint32_t lane, const abi::Submission& request,
                     const abi::ArenaHeader& header) const;
  // Checks a completion, and does to the model what the request has done to the files. Bytes at
  // `buffer` are the lane's, as they are after the request.
  void Apply(const abi::Submission& request, const abi::Completion& completion,
             const std::byte* buffer, const std::string& name);
  // How many bytes of its buffer the broker was to write.
  uint64_t BufferWritten(const abi::Submission& request, const abi::Completion& completion) const;
  // All files have the bytes that they must have.
  void CheckFiles();

 private:
  enum class Kind { kInput, kReference, kOutput };
  struct File {
    Kind kind = Kind::kInput;
    int fd = -1;
    std::string bytes;
    uint64_t taken = 0;  // of the output quota
  };

  std::optional<abi::IoStatus> Refusal(const File& file, uint64_t end) const;
  void TakeQuota(File& file, uint64_t end);
  void CheckOpened(const abi::Submission& request, const abi::Completion& completion,
                   const std::string& name);
  void CheckRuns(const abi::Submission& request, const abi::Completion& completion,
                 const std::byte* buffer) const;
  absl::StatusOr<ExtentFile> OpenExtent(uint32_t number);

  WorldOptions options_;
  broker::FileTable files_;
  std::optional<broker::ReferenceResolver> resolver_;
  std::vector<UniqueFd> made_;  // output and extents
  std::vector<File> slots_;
  uint64_t read_ = 0;
  uint64_t output_taken_ = 0;
  uint64_t next_extent_file_ = 0;
  uint32_t asked_references_ = 0;  // found or not
};

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_BOUNDARY_RING_WORLD_H_
