#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/file_holes.h"
#include "guest/formats/raw/contents.h"
#include "guest/formats/raw/raw.h"
#include "guest/formats/vmdk/descriptor_survey.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;

// What the file's bytes look like, for Describe().
struct Looks {
  std::vector<FileSignature> contents;
  std::vector<std::string> other_formats;
  bool descriptor = false;  // a VMDK's, to some programs only
};

Result<Looks> LookAt(IoChannel& io, const FileHandle& file) {
  const auto area = ReadDiskContentsArea(io, file);
  if (!area.ok()) return area.status();
  auto other_formats = FindOtherFormats(io, file);
  if (!other_formats.ok()) return other_formats.status();
  const std::string_view head(reinterpret_cast<const char*>(area->data()),
                              std::min(kMinProbeSize, area->size()));
  const bool descriptor = std::ranges::find(*other_formats, "vmdk") == other_formats->end() &&
                          vmdk::LooksLikeDescriptor(head);
  return Looks{FindDiskContents(*area), std::move(*other_formats), descriptor};
}

class RawReader : public ImageReader {
 public:
  RawReader(const FileHandle& file, uint64_t virtual_size, Looks looks)
      : file_(file), virtual_size_(virtual_size), looks_(std::move(looks)), holes_(file, 0) {}

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
    description.contents = looks_.contents;
    description.other_formats = looks_.other_formats;
    if (looks_.descriptor) {
      description.warnings.emplace_back(
          "the disk begins like the descriptor of a VMDK, which some programs take it for");
    }
    return description;
  }

 private:
  const FileHandle file_;
  const uint64_t virtual_size_;
  const Looks looks_;
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
  Looks looks;
  if (options.describe_only) {
    auto found = LookAt(io, file);
    if (!found.ok()) return found.status();
    looks = std::move(*found);
  }
  return std::unique_ptr<ImageReader>(std::make_unique<RawReader>(file, size, std::move(looks)));
}

}  // namespace hotcell::guest
