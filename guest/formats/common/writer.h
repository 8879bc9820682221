// How a format writes an image. A conversion cuts the virtual disk into chunks that lanes take in
// turn; each chunk passes three steps of the writer, of which only the second is serial:
//
//   Encode  on all lanes at once, in any order: what takes time (compression)
//   Place   one chunk at a time, by ascending offset: where each run goes in the file
//   (the lane then submits chunk.writes, on all lanes at once)
//   Finish  once, after all chunks are written: tables, and the header last
//
// Because Place sees the chunks in order, the file does not depend on the number of lanes.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_WRITER_H_
#define HOTCELL_GUEST_FORMATS_COMMON_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// One `-o key=value`.
struct FormatOption {
  std::string key;
  std::string value;
};

// The image that a new one is to stand on: what goes into its header. It is not opened.
struct BackingImage {
  std::string name;
  std::string format;
  uint64_t size = 0;  // bytes of its virtual disk; formats do not write it down
};

struct CreateOptions {
  uint32_t slot = 0;          // the target file
  std::string_view name;      // the target's file name without its directory, for descriptors
  uint64_t virtual_size = 0;  // bytes, a multiple of 512
  // Bytes, of the disk that is copied: a power of two, of which virtual_size is a multiple.
  uint64_t sector_size = 512;
  std::span<const FormatOption> options;
  bool compress = false;  // `-c`
  std::optional<BackingImage> backing;
  // The file keeps its size and its bytes are not known to be zero (`-n`). Otherwise it is empty,
  // and what is not written reads as zeroes.
  bool exists = false;
  // bytes, when it `exists`, and of a block device that gets a new image: it is no larger or
  // smaller than this afterwards; else 0.
  uint64_t file_size = 0;
  bool is_zero = false;  // the existing bytes are known to be zero after all
};

// The error of a format that does not write into an image that exists.
inline Status MakesImagesAnew(std::string_view format) {
  return Unsupported(StrCat(format, ": writing into an existing image is not done"),
                     Remedy::kMakeAnew);
}

// A part of the virtual disk, all of one kind.
struct Run {
  enum class Kind : uint8_t {
    kZero,
    kData,        // `size` == `length` bytes at `data`
    kCompressed,  // a cluster: `data` is the stream it was compressed to
    // Whole clusters that are left to the backing image. Only with CreateOptions::backing; zeroes
    // must then hide what the backing image holds.
    kUnallocated,
  };
  Kind kind = Kind::kZero;
  uint64_t offset = 0;              // in the virtual disk, bytes
  uint64_t length = 0;              // of the virtual disk, bytes
  const std::byte* data = nullptr;  // in a buffer of the lane's channel
  uint64_t size = 0;                // bytes at `data`
};

// A request to write; data == nullptr: zeroes.
struct FileWrite {
  static constexpr uint32_t kTarget = UINT32_MAX;
  uint32_t slot = kTarget;  // kTarget: the target file
  uint64_t offset = 0;      // in the file, bytes
  uint64_t length = 0;      // bytes
  const std::byte* data = nullptr;
};

// A part of the virtual disk that moves at once. Chunks that hold data are at most chunk_size
// (WriterTraits) long and start at a multiple of it; a chunk of nothing but zeroes can be longer,
// and how zeroes are cut into chunks must make no difference to the file.
struct Chunk {
  uint64_t offset = 0;  // bytes
  uint64_t length = 0;  // bytes
  // Ascending, adjacent, covering the chunk.
  std::vector<Run> runs;
  // Set by Place.
  std::vector<FileWrite> writes;
};

// What a conversion has to know of a writer.
struct WriterTraits {
  // Chunks start at multiples of this. A power of two, at most 2 MiB.
  uint64_t cluster_size = 512;
  // Place must be called in order, one chunk at a time; otherwise all lanes may call it at once.
  bool ordered = true;
  // Zeroes are handed over as data, so that they take up space (`preallocation=full`).
  bool zeroes_as_data = false;
  // Encode takes whole clusters: each cluster is one zero run or belongs to a data run, and data
  // runs are padded with zeroes to whole clusters in memory (not in `length`) at the disk's end.
  bool encodes = false;
  // Bytes that Encode may add to a cluster that does not shrink.
  uint64_t cluster_growth = 0;
  // The disk's first bytes are the file's, so that whoever probes the file sees them.
  bool begins_with_disk = false;
};

// State of one lane for Encode: codecs and their memory, allocated once.
class LaneEncoder {
 public:
  virtual ~LaneEncoder() = default;

  // Replaces data runs by compressed ones where that is shorter. The streams go to `out`, which is
  // at least as long as the chunk and WriterTraits::cluster_growth for each of its clusters, and
  // lies in a buffer of the lane's channel.
  virtual Status Encode(Chunk& chunk, std::span<std::byte> out) = 0;
};

class ImageWriter {
 public:
  virtual ~ImageWriter() = default;

  virtual WriterTraits traits() const = 0;

  // Called once per lane, before the lanes start. Only when traits().encodes.
  virtual Result<std::unique_ptr<LaneEncoder>> MakeEncoder() {
    return Unsupported("this format has no compression");
  }

  // Decides where the chunk's runs go: fills chunk.writes, each within one buffer. May write
  // metadata through `io` (one buffer at most), which is the caller's channel and need not be the
  // one that the chunk's data is in.
  virtual Status Place(IoChannel& io, Chunk& chunk) = 0;

  // Completes the file. The caller flushes.
  virtual Status Finish(IoChannel& io) = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_WRITER_H_
