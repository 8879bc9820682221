// Loads a static ELF64 into guest RAM. The file is hostile: it is parsed after lock-down, from a
// copy that nobody else can change, and every field is checked before it is used.
// Source: System V ABI, chapters 4 and 5, and its AMD64 supplement.
#ifndef HOTCELL_VMM_WORKER_BOOT_ELF_LOADER_H_
#define HOTCELL_VMM_WORKER_BOOT_ELF_LOADER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/result.h"

namespace hotcell::worker {

// Where segments may lie, and how strictly.
struct ElfRules {
  uint64_t low = 0;   // guest-physical addresses, bytes
  uint64_t high = 0;  // first one not allowed
  // The guest has page protection: segments start on pages of their own and none is both writable
  // and executable.
  bool protected_pages = true;
};

struct ElfSegment {
  uint64_t address = 0;      // guest-physical, which is virtual: the mapping is the identity
  uint64_t memory_size = 0;  // bytes, not 0
  uint64_t file_offset = 0;
  uint64_t file_size = 0;  // bytes, at most memory_size
  bool writable = false;
  bool executable = false;

  uint64_t end() const { return address + memory_size; }
};

struct ElfImage {
  uint64_t entry = 0;                // within an executable segment
  std::vector<ElfSegment> segments;  // by address; none overlaps another
};

inline constexpr uint16_t kMaxProgramHeaders = 64;

// True when the file starts like an ELF file.
bool IsElf(std::span<const std::byte> file);

// What is to be loaded. Nothing of `file` is copied or kept.
Result<ElfImage> ParseElf(std::span<const std::byte> file, const ElfRules& rules);

// Copies the segments of an image that ParseElf() made of the same file, with rules that lie within
// `memory`. Memory beyond a segment's file part is left as it is, which is zero in a fresh guest.
Status LoadElf(std::span<const std::byte> file, const ElfImage& image, GuestMemory& memory);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_BOOT_ELF_LOADER_H_
