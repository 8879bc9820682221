// What a disk must hold, kept in memory beside the image that is tested.
#ifndef HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_SHADOW_DISK_H_
#define HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_SHADOW_DISK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "tools/fuzzers/differential/random.h"

namespace hotcell::fuzz {

// Part of a disk that changes.
struct DiskOperation {
  enum class Kind : uint8_t { kPattern, kText, kNoise, kZeroes, kHole };
  Kind kind = Kind::kPattern;
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes
  uint8_t pattern = 1;  // kPattern: each byte of it
};

// `size` and all offsets are multiples of 512.
DiskOperation ChooseOperation(Random& random, uint64_t size);

class ShadowDisk {
 public:
  explicit ShadowDisk(uint64_t size) : bytes_(size) {}

  const std::vector<char>& bytes() const { return bytes_; }
  uint64_t size() const { return bytes_.size(); }

  // The contents of kText and kNoise come out of `random`.
  void Apply(const DiskOperation& operation, Random& random);

  // Makes a file of the disk's size by these operations. False: errno says why not.
  bool WriteTo(const std::string& path, const std::vector<DiskOperation>& operations) const;

  // Empty: the file holds the disk and, behind it, zeroes; else what is wrong.
  std::string CompareWith(const std::string& path) const;

 private:
  std::vector<char> bytes_;
};

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_SHADOW_DISK_H_
