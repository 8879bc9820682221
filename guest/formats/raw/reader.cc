#include <algorithm>
#include <array>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "guest/formats/raw/contents.h"
#include "guest/formats/raw/raw.h"
#include "guest/runtime/spinlock.h"
#include "guest/runtime/text.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;

class RawReader : public ImageReader {
 public:
  RawReader(const FileHandle& file, uint64_t virtual_size, std::vector<std::string> contents)
      : file_(file), virtual_size_(virtual_size), contents_(std::move(contents)) {}

  uint64_t virtual_size() const override { return virtual_size_; }

  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override {
    if (offset >= file_.size) return Extent{.kind = Extent::Kind::kZero, .length = length};
    length = std::min(length, file_.size - offset);
    if (const std::optional<Extent> known = Lookup(offset, length)) return *known;

    // Asked for the rest of the file, so that a file of few pieces costs one request.
    std::array<abi::BlockRun, abi::kMaxBlockRuns> runs;
    const IoResult status = io.BlockStatus(file_.slot, offset, file_.size - offset, runs);
    if (!status.ok()) {
      return IoError(status, StrCat("find the data after offset ", offset, " of the raw image"));
    }
    const std::lock_guard lock(lock_);
    runs_begin_ = offset;
    run_count_ = 0;
    uint64_t end = offset;
    for (const abi::BlockRun& run : std::span(runs).first(status.value)) {
      if (run.length == 0 || run.length > file_.size - end) break;
      end += run.length;
      runs_[run_count_++] = {.end = end, .is_data = run.is_data != 0};
    }
    if (run_count_ == 0) {
      return Status(Code::kIo, StrCat("cannot find the data after offset ", offset,
                                      " of the raw image: the file has become shorter"));
    }
    return MakeExtent(offset, length, runs_[0]);
  }

  ImageDescription Describe() const override {
    ImageDescription description;
    description.format = "raw";
    description.virtual_size = virtual_size_;
    description.contents = contents_;
    return description;
  }

 private:
  // From the end of the one before.
  struct Run {
    uint64_t end;
    bool is_data;
  };

  Extent MakeExtent(uint64_t offset, uint64_t length, const Run& run) const {
    length = std::min(length, run.end - offset);
    if (!run.is_data) return {.kind = Extent::Kind::kZero, .length = length};
    return {.kind = Extent::Kind::kData, .length = length, .slot = file_.slot, .offset = offset};
  }

  std::optional<Extent> Lookup(uint64_t offset, uint64_t length) {
    const std::lock_guard lock(lock_);
    if (offset < runs_begin_) return std::nullopt;
    const auto end = runs_.begin() + static_cast<ptrdiff_t>(run_count_);
    const auto run = std::upper_bound(runs_.begin(), end, offset,
                                      [](uint64_t at, const Run& one) { return at < one.end; });
    if (run == end) return std::nullopt;
    return MakeExtent(offset, length, *run);
  }

  const FileHandle file_;
  const uint64_t virtual_size_;
  const std::vector<std::string> contents_;

  // What BlockStatus told last: the first run begins at runs_begin_.
  Spinlock lock_;
  uint64_t runs_begin_ = 0;
  size_t run_count_ = 0;
  std::array<Run, abi::kMaxBlockRuns> runs_;
};

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenRaw(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options) {
  if (file.size > UINT64_MAX - (kSectorSize - 1)) {
    return CorruptImage(StrCat("raw: the file's size of ", file.size, " bytes is not believable"));
  }
  const uint64_t size = (file.size + kSectorSize - 1) / kSectorSize * kSectorSize;
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("raw", size, options));
  std::vector<std::string> contents;
  if (options.describe_only) {
    auto found = FindContents(io, file);
    if (!found.ok()) return found.status();
    contents = std::move(*found);
  }
  return std::unique_ptr<ImageReader>(std::make_unique<RawReader>(file, size, std::move(contents)));
}

}  // namespace hotcell::guest
