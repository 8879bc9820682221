// An image with the backing images it stands on, as one disk.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_CHAIN_H_
#define HOTCELL_GUEST_FORMATS_COMMON_CHAIN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/file_holes.h"
#include "guest/formats/common/format.h"

namespace hotcell::guest {

// An image that is read.
struct SourceImage {
  FileHandle file;
  std::string format;   // a registered format's name; empty: probe
  bool device = false;  // a block device, which may be longer than what is on it
};

struct ChainLimits {
  uint32_t max_depth = 16;        // images, the top one included
  uint64_t max_virtual_size = 0;  // bytes; 0: no limit
};

// A disk whose bytes are wherever Map() says, which all lanes may call at once, each with its own
// channel.
class Disk {
 public:
  virtual ~Disk() = default;

  // Where the run of bytes at `offset` is, as ImageReader::Map() tells it, but never kUnallocated.
  virtual Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) = 0;
  // Map(), but kUnallocated where the top image leaves the disk to the image below it. Where there
  // is none, or it ends before `offset`, that is kZero.
  virtual Result<Extent> MapTop(IoChannel& io, uint64_t offset, uint64_t length) = 0;
};

class ImageChain : public Disk {
 public:
  // Opens the image and, through IoChannel::OpenReference, every image below it. `snapshot` is an
  // internal one of the top image; empty: the active layer.
  static Result<std::unique_ptr<ImageChain>> Open(IoChannel& io, const SourceImage& source,
                                                  const ChainLimits& limits,
                                                  const SnapshotSelector& snapshot = {});

  uint64_t virtual_size() const { return images_.front().reader->virtual_size(); }  // bytes
  // The top image's format.
  std::string_view format() const { return format_; }
  // What the top image says of itself.
  ImageDescription Describe() const { return images_.front().reader->Describe(); }
  // What the image at `depth` says of itself; 0 is the top one.
  ImageDescription Describe(size_t depth) const { return images_[depth].reader->Describe(); }
  // Images, the top one included.
  size_t depth() const { return images_.size(); }
  // What the user should know of the images though they can be read.
  const std::vector<std::string>& warnings() const { return warnings_; }

  // Where a run of the disk is, and which image has it.
  struct Location {
    Extent extent;     // kUnallocated: no image has it, and it reads as zeroes
    size_t depth = 0;  // of the image, 0 being the top one; kUnallocated: of the last one asked
  };
  // Asks the images, from the top one down, what is at `offset`, as ImageReader::Map() tells it.
  // Data in a hole of its file comes as kZero. All lanes may call it at once.
  Result<Location> Locate(IoChannel& io, uint64_t offset, uint64_t length);
  // Calls visit(offset, location) -> Status for all of [begin, end), in order. Cheaper than
  // Locate() over and over where there are many holes.
  template <typename Visit>
  Status ForEach(IoChannel& io, uint64_t begin, uint64_t end, const Visit& visit);
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override;
  Result<Extent> MapTop(IoChannel& io, uint64_t offset, uint64_t length) override;

 private:
  // Holes shorter than this are read: they would cost a request more than they save bytes.
  static constexpr uint64_t kMinHole = 64 << 10;

  struct Image {
    std::unique_ptr<ImageReader> reader;
    std::vector<std::unique_ptr<FileHoles>> holes;  // of its data files
  };

  ImageChain() = default;
  void Add(std::unique_ptr<ImageReader> reader);
  // Without regard to holes.
  Result<Location> LocateStored(IoChannel& io, uint64_t offset, uint64_t length);
  // Cuts the extent, of the image at `depth`, where a hole of the file begins or ends.
  Status CutAtHole(IoChannel& io, size_t depth, Extent& extent);

  std::string_view format_;
  std::vector<Image> images_;  // top first
  std::vector<std::string> warnings_;
};

template <typename Visit>
Status ImageChain::ForEach(IoChannel& io, uint64_t begin, uint64_t end, const Visit& visit) {
  for (uint64_t offset = begin; offset < end;) {
    const Result<Location> stored = LocateStored(io, offset, end - offset);
    if (!stored.ok()) return stored.status();
    const uint64_t stored_end = offset + stored->extent.length;
    for (Location piece = *stored; offset < stored_end; offset += piece.extent.length) {
      const uint64_t skipped = stored->extent.length - (stored_end - offset);
      piece.extent = stored->extent;
      piece.extent.length -= skipped;
      piece.extent.offset += skipped;
      HOTCELL_RETURN_IF_ERROR(CutAtHole(io, piece.depth, piece.extent));
      HOTCELL_RETURN_IF_ERROR(visit(offset, piece));
    }
  }
  return OkStatus();
}

// Opens the backing image `backing` of the image in `from_slot`, under its name or else, when no
// such file can be had, one of its alternatives; the error is that of the name.
Result<FileHandle> OpenBackingFile(IoChannel& io, uint32_t from_slot, const Reference& backing);

// The format that the job says (`name`), or, when it is empty, the one the file's first bytes show.
// One that does not exist is kInvalidArgument.
Result<const FormatDriver*> ChooseFormat(IoChannel& io, const FileHandle& file,
                                         std::string_view name);
// ChooseFormat() for a name that an image has for another's format. One that does not exist is
// kUnsupported.
Result<const FormatDriver*> ChooseDeclaredFormat(IoChannel& io, const FileHandle& file,
                                                 std::string_view name);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_CHAIN_H_
