#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/file_holes.h"
#include "guest/formats/raw/contents.h"
#include "guest/formats/raw/raw.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;

class RawReader : public ImageReader {
 public:
  RawReader(const FileHandle& file, uint64_t virtual_size, std::vector<std::string> contents)
      : file_(file), virtual_size_(virtual_size), contents_(std::move(contents)), holes_(file, 0) {}

  uint64_t virtual_size() const override { return virtual_size_; }

  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override {
    if (offset >= file_.size) return Extent{.kind = Extent::Kind::kZero, .length = length};
    length = std::min(length, file_.size - offset);
    const Result<FileHoles::Run> run = holes_.At(io, offset, length);
    if (!run.ok()) return run.status().WithMessage(StrCat("raw: ", run.status().message()));
    return Extent{.kind = run->is_hole ? Extent::Kind::kZero : Extent::Kind::kData,
                  .length = run->length,
                  .slot = file_.slot,
                  .offset = offset};
  }

  ImageDescription Describe() const override {
    ImageDescription description;
    description.format = "raw";
    description.virtual_size = virtual_size_;
    description.contents = contents_;
    return description;
  }

 private:
  const FileHandle file_;
  const uint64_t virtual_size_;
  const std::vector<std::string> contents_;
  FileHoles holes_;
};

}  // namespace

Result<std::unique_ptr<ImageReader>> OpenRaw(IoChannel& io, const FileHandle& file,
                                             const OpenOptions& options) {
  if (file.size > UINT64_MAX - (kSectorSize - 1)) {
    return CorruptImage(StrCat("raw: the file's size of ", file.size, " bytes is not believable"));
  }
  const uint64_t size = AlignUp(file.size, kSectorSize);
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
