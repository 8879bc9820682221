// Guest RAM, and the arena as the worker sees it. Every cast between guest-physical addresses and
// host pointers is in guest_memory.cc; callers get bounds-checked copies and spans.
#ifndef HOTCELL_VMM_WORKER_KVM_GUEST_MEMORY_H_
#define HOTCELL_VMM_WORKER_KVM_GUEST_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "vmm-worker/result.h"

namespace hotcell::worker {

// An mmap()ed range that is unmapped with its owner, and left out of core dumps.
class Mapping {
 public:
  Mapping() = default;
  Mapping(void* address, size_t size) : bytes_(static_cast<std::byte*>(address), size) {}
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  // Zero-filled private memory, its host address a multiple of 2 MiB so that the kernel can back
  // it with huge pages.
  static Result<Mapping> Anonymous(size_t size);
  // `size` bytes of a thread's stack, a multiple of the page size, above a page that is none.
  static Result<Mapping> Stack(size_t size);
  // Shared, read-write.
  static Result<Mapping> OfFile(int fd, size_t size);

  std::span<std::byte> bytes() const { return bytes_; }
  // Backs and maps whole pages of [begin, begin + size), which lies within the mapping, where the
  // kernel can; elsewhere they come with their first access.
  void Populate(size_t begin, size_t size) const;
  // Populate() by reading a byte of each page, which takes no system call.
  void Touch(size_t begin, size_t size) const;

 private:
  Status HideFromDumps() const;
  std::span<std::byte> bytes_;
};

// RAM from guest-physical address 0. Private anonymous memory: it is populated where the guest will
// use it and costs nothing elsewhere.
class GuestMemory {
 public:
  // `size` in bytes, a multiple of the page size. Nothing is populated yet.
  static Result<GuestMemory> Create(uint64_t size);

  uint64_t size() const { return mapping_.bytes().size(); }
  std::span<std::byte> bytes() const { return mapping_.bytes(); }

  // The bytes at [gpa, gpa + length), or nothing when any of them is outside.
  std::optional<std::span<std::byte>> Range(uint64_t gpa, uint64_t length) const;

  // Copies, so that what is looked at cannot change. False when out of bounds.
  bool Write(uint64_t gpa, std::span<const std::byte> data);
  bool Read(uint64_t gpa, std::span<std::byte> out) const;

  template <typename T>
  bool WriteObject(uint64_t gpa, const T& object) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Write(gpa, std::as_bytes(std::span(&object, 1)));
  }

  // Backs [begin, end) with memory now, in one call, instead of one fault per page while the guest
  // runs. Best effort: what is not populated is faulted in.
  void Populate(uint64_t begin, uint64_t end);
  // Asks for huge pages in [begin, end). Best effort.
  void AdviseHuge(uint64_t begin, uint64_t end);

 private:
  explicit GuestMemory(Mapping mapping) : mapping_(std::move(mapping)) {}
  Mapping mapping_;
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_KVM_GUEST_MEMORY_H_
