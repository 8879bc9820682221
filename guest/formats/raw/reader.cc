#include <algorithm>
#include <mutex>

#include "guest/formats/raw/raw.h"
#include "guest/runtime/spinlock.h"
#include "guest/runtime/text.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;

class RawReader : public ImageReader {
 public:
  RawReader(const FileHandle& file, uint64_t virtual_size)
      : file_(file), virtual_size_(virtual_size) {}

  uint64_t virtual_size() const override { return virtual_size_; }

  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override {
    if (offset >= file_.size) return Extent{.kind = Extent::Kind::kZero, .length = length};
    length = std::min(length, file_.size - offset);
    if (const std::optional<Extent> known = Lookup(offset, length)) return *known;

    // Asked for the rest of the file, so that a file of one piece costs one request.
    const IoResult status = io.BlockStatus(file_.slot, offset, file_.size - offset);
    if (!status.ok()) {
      return IoError(status, StrCat("find the data after offset ", offset, " of the raw image"));
    }
    if (status.value == 0 || status.value > file_.size - offset) {
      return Status(Code::kIo, StrCat("cannot find the data after offset ", offset,
                                      " of the raw image: the file has become shorter"));
    }
    {
      const std::lock_guard lock(lock_);
      run_begin_ = offset;
      run_end_ = offset + status.value;
      run_is_data_ = status.value2 != 0;
    }
    return MakeExtent(offset, std::min(length, status.value), status.value2 != 0);
  }

  ImageDescription Describe() const override {
    ImageDescription description;
    description.format = "raw";
    description.virtual_size = virtual_size_;
    return description;
  }

 private:
  Extent MakeExtent(uint64_t offset, uint64_t length, bool is_data) const {
    if (!is_data) return {.kind = Extent::Kind::kZero, .length = length};
    return {.kind = Extent::Kind::kData, .length = length, .slot = file_.slot, .offset = offset};
  }

  std::optional<Extent> Lookup(uint64_t offset, uint64_t length) {
    const std::lock_guard lock(lock_);
    if (offset < run_begin_ || offset >= run_end_) return std::nullopt;
    return MakeExtent(offset, std::min(length, run_end_ - offset), run_is_data_);
  }

  const FileHandle file_;
  const uint64_t virtual_size_;

  // The run that BlockStatus told last.
  Spinlock lock_;
  uint64_t run_begin_ = 0;
  uint64_t run_end_ = 0;
  bool run_is_data_ = false;
};

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenRaw(IoChannel& /*io*/, const FileHandle& file,
                                             const OpenOptions& options) {
  if (file.size > UINT64_MAX - (kSectorSize - 1)) {
    return CorruptImage(StrCat("raw: the file's size of ", file.size, " bytes is not believable"));
  }
  const uint64_t size = (file.size + kSectorSize - 1) / kSectorSize * kSectorSize;
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("raw", size, options));
  return std::unique_ptr<ImageReader>(std::make_unique<RawReader>(file, size));
}

}  // namespace hotcell::guest
