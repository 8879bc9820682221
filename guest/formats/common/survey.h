// What other programs would make of an image that this one can read: what a gatekeeper has to know
// before it hands the file on.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_SURVEY_H_
#define HOTCELL_GUEST_FORMATS_COMMON_SURVEY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "guest/formats/signatures/signature_kind.h"

namespace hotcell::guest {

// Something that speaks against handing the image on. The values are hotcell.v1.ConcernKind's.
enum class ConcernKind : uint8_t {
  kReadersDiffer = 1,    // programs in use see another format, size, parent or other bytes
  kHiddenReference = 2,  // a program opens a file that a strict reader does not see named
  kNotUnderstood = 3,    // what it means nobody can be sure of
  kNestedImage = 4,      // the disk itself would be taken for an image
  kOddity = 5,           // worth knowing, and no reason to refuse the image
  // The file begins like a disk, with `mark`, which is not the one that its trailer describes.
  kOtherDisk = 6,
};

struct Concern {
  ConcernKind kind;
  std::string text;  // a sentence without its full stop, bytes of the image included
  FileSignature mark = {};  // kOtherDisk, which has no text
};

// More than these say nothing new.
inline constexpr size_t kMaxConcerns = 64;

class Survey {
 public:
  // Whether to look at what grows with the disk as well; false: at headers only.
  bool thorough() const { return thorough_; }
  void set_thorough(bool thorough) { thorough_ = thorough; }

  void Add(ConcernKind kind, std::string text) {
    if (concerns_.size() < kMaxConcerns) concerns_.push_back({kind, std::move(text), {}});
  }
  void AddOtherDisk(const FileSignature& mark) {
    if (concerns_.size() < kMaxConcerns) concerns_.push_back({ConcernKind::kOtherDisk, {}, mark});
  }
  const std::vector<Concern>& concerns() const { return concerns_; }

  // Adds to what a program takes or sets aside, in bytes, to open the image and no more.
  void AddReaderMemory(uint64_t bytes) {
    if (__builtin_add_overflow(reader_memory_, bytes, &reader_memory_)) reader_memory_ = UINT64_MAX;
  }
  uint64_t reader_memory() const { return reader_memory_; }

 private:
  bool thorough_ = false;
  std::vector<Concern> concerns_;
  uint64_t reader_memory_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_SURVEY_H_
