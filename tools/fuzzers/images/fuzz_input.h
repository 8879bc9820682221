// What an input of the image targets is: files that are mostly holes, in few bytes.
//
// An input that starts with kMagic is, little-endian:
//   u8 references, u8 operation
//   for each file: 'F', u64 size, and for each of its segments: 'S', u64 offset, u32 length, bytes
// and ends where that stops making sense. Any other input is an image as it is. So a table of VHDX
// that must lie at 3 MiB costs no more than its entries, and an image found elsewhere is an input
// too.
#ifndef HOTCELL_TOOLS_FUZZERS_IMAGES_FUZZ_INPUT_H_
#define HOTCELL_TOOLS_FUZZERS_IMAGES_FUZZ_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace hotcell::fuzz {

// A file of zeroes but for its segments; of two that overlap, the later one counts.
struct SparseFile {
  struct Segment {
    uint64_t offset = 0;
    std::vector<std::byte> bytes;

    uint64_t end() const { return offset + bytes.size(); }
  };
  static constexpr uint64_t kMaxSize = uint64_t{1} << 60;
  static constexpr size_t kMaxSegments = 256;

  uint64_t size = 0;
  std::vector<Segment> segments;

  // Fills `out`, with zeroes beyond the file's end.
  void Read(uint64_t offset, std::span<std::byte> out) const;
  // Within the file; the file grows when it ends before. False: there are too many segments.
  bool Write(uint64_t offset, std::span<const std::byte> bytes);
  // Whether some segment has a byte of the range.
  bool HasData(uint64_t offset, uint64_t length) const;
};

struct FuzzInput {
  static constexpr std::string_view kMagic = "\x89HCI";
  static constexpr size_t kMaxFiles = 4;

  enum class References : uint8_t {
    kRefuse,
    kSelf,    // each name leads back to the image
    kOthers,  // names lead to the other files, in turn
  };

  References references = References::kSelf;
  uint8_t operation = 0;          // the harness takes it modulo what it has
  bool all_operations = false;    // of an input without kMagic
  std::vector<SparseFile> files;  // at least one; the first is the image

  static FuzzInput Parse(std::span<const uint8_t> data);
  // Empty: there is no room for it.
  std::vector<uint8_t> Serialize(size_t max_size) const;
};

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_IMAGES_FUZZ_INPUT_H_
