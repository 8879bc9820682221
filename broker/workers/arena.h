// The arena of a job as the broker sees it: made and laid out here, written by a hostile guest, and
// read in copies. guest/abi/abi.h has the layout of its parts.
#ifndef HOTCELL_BROKER_WORKERS_ARENA_H_
#define HOTCELL_BROKER_WORKERS_ARENA_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "broker/host/mapping.h"
#include "guest/abi/abi.h"

namespace hotcell::broker {

// Bytes; the biggest cluster that an image can compress. The guest cuts them into smaller ones.
inline constexpr uint64_t kBufferSize = 2 << 20;
inline constexpr uint32_t kBuffersPerLane = 12;
inline constexpr uint64_t kJobCapacity = 64 << 10;  // bytes of a serialized Job

// What an arena has to hold. Areas of size 0 do not exist.
struct ArenaLayout {
  uint32_t lanes = 0;
  uint64_t report_capacity = 0;  // bytes
  uint64_t program_size = 0;     // bytes of a user's program
  uint64_t input_size = 0;       // bytes, long-mode guests
  uint64_t output_capacity = 0;  // bytes, long-mode guests
  uint64_t warm_size = 0;        // bytes of each lane's buffers that the job uses at once
  uint64_t warm_later_size = 0;  // and of those that it will come to use
};

// The memory that broker, worker and guest share: a memfd that nobody can resize (abi.h,
// ArenaHeader). Pages nobody touches cost nothing. A child after fork() has the memfd and not the
// memory. What the broker put into the header it keeps in
// header() and never reads back.
class Arena {
 public:
  static absl::StatusOr<Arena> Create(const ArenaLayout& layout);
  // The size of its memfd, bytes; 0 for a layout of which there is none.
  static uint64_t SizeOf(const ArenaLayout& layout);

  Arena(Arena&&) = default;
  Arena& operator=(Arena&&) = default;

  int fd() const { return fd_.get(); }
  const abi::ArenaHeader& header() const { return header_; }
  uint64_t program_offset() const { return program_offset_; }  // 0: none

  // The layout's, at most a lane's buffers.
  uint64_t warm_size() const { return warm_size_; }
  uint64_t warm_later_size() const { return warm_later_size_; }
  // Makes the kernel back and map each lane's first warm_size() bytes of buffers.
  void Warm() const;

  // Copies the serialized job in and publishes its size; the guest may wait for that. Precondition:
  // 1 to kJobCapacity bytes.
  void SetJob(std::string_view job);
  // Precondition: as many bytes as the layout said.
  void SetProgram(std::string_view program);
  void SetInput(std::string_view input);

  abi::LaneControl* lane(uint32_t index) const;
  abi::Submission* submission_ring(uint32_t lane) const;
  abi::Completion* completion_ring(uint32_t lane) const;

  // [offset, offset + length) when all of it lies in one lane's data buffers; empty otherwise.
  // The bytes are the guest's to change at any time: pass them to the kernel, do not look at them.
  std::span<std::byte> LaneBuffers(uint32_t lane, uint64_t offset, uint64_t length) const;

  // Guest-written words, each read once. Any value may come.
  struct Progress {
    uint64_t done = 0;   // bytes of virtual disk, at most `total`
    uint64_t total = 0;  // 0: unknown
  };
  Progress ReadProgress() const;
  // Copies of what the guest left, cut to the area's capacity.
  std::string CopyReport() const;
  std::string CopyOutput() const;
  std::string CopyPanicText() const;

 private:
  Arena() = default;
  // One without its memory: what lies where.
  static absl::StatusOr<Arena> Plan(const ArenaLayout& layout);
  abi::GuestStatus* status() const;
  std::string Copy(uint64_t offset, uint64_t size) const;

  UniqueFd fd_;
  Mapping mapping_;
  abi::ArenaHeader header_{};
  uint64_t program_offset_ = 0;
  uint64_t program_size_ = 0;
  uint64_t warm_size_ = 0;
  uint64_t warm_later_size_ = 0;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_ARENA_H_
