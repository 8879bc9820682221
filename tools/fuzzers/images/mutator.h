// Changes an image as someone would who knows its format and means harm.
#ifndef HOTCELL_TOOLS_FUZZERS_IMAGES_MUTATOR_H_
#define HOTCELL_TOOLS_FUZZERS_IMAGES_MUTATOR_H_

#include <cstdint>
#include <functional>
#include <random>
#include <span>

#include "tools/fuzzers/images/layout.h"

namespace hotcell::fuzz {

// Changes an image in one place or a few. The same seed and input give the same change.
class ImageMutator {
 public:
  // Changes bytes in place and returns how many there are now, at most `max_size`: libFuzzer's own
  // mutator, which knows its dictionaries.
  using ByteMutator = std::function<size_t(uint8_t* data, size_t size, size_t max_size)>;

  ImageMutator(const Layout& layout, ByteMutator mutate_bytes, uint32_t seed)
      : layout_(layout), mutate_bytes_(std::move(mutate_bytes)), random_(seed) {}

  // A few changes, then right checksums, mostly.
  void Mutate(FuzzInput& input);
  // What is in `other` goes into `input`, now and then; otherwise as Mutate().
  void Cross(FuzzInput& input, const FuzzInput& other);

 private:
  void MutateOnce(FuzzInput& input);
  void ChangeField(SparseFile& file);
  void ChangeEntry(SparseFile& file);
  void ChangeBytes(SparseFile& file);
  void ChangeSegments(SparseFile& file);
  void ChangeSize(SparseFile& file);
  void ChangeJob(FuzzInput& input);
  void Repair(SparseFile& file);

  uint64_t Load(const SparseFile& file, uint64_t at, uint32_t width) const;
  void Store(SparseFile& file, uint64_t at, uint32_t width, uint64_t value) const;
  uint64_t PlaceOf(const SparseFile& file, int64_t at, const Pointer& pointer) const;
  uint64_t NewValue(const SparseFile& file, uint64_t old, uint32_t width);
  // An offset where something is in the file, or just not.
  uint64_t SomePlace(const SparseFile& file);

  uint32_t Random(uint32_t below) { return static_cast<uint32_t>(random_()) % below; }
  bool OneIn(uint32_t count) { return Random(count) == 0; }

  const Layout& layout_;
  ByteMutator mutate_bytes_;
  std::minstd_rand random_;
};

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_IMAGES_MUTATOR_H_
