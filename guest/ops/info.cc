#include "guest/ops/info.h"

#include <optional>
#include <utility>

#include "base/text.h"
#include "guest/formats/common/chain.h"

namespace hotcell::guest {
namespace {

struct Described {
  ImageDescription description;
  std::optional<Reference> backing;
};

Result<Described> Describe(IoChannel& io, const FileHandle& file,
                           const Result<const FormatDriver*>& driver) {
  if (!driver.ok()) return driver.status();
  const Result<std::unique_ptr<ImageReader>> reader =
      (*driver)->open(io, file, {.describe_only = true});
  if (!reader.ok()) return reader.status();
  Described described = {.description = (*reader)->Describe()};
  described.description.slot = file.slot;
  described.backing = described.description.backing;
  return described;
}

}  // namespace

Result<std::vector<ImageDescription>> Info(IoChannel& io, const InfoJob& job) {
  FileHandle file = job.source.file;
  Result<Described> image = Describe(io, file, ChooseFormat(io, file, job.source.format));
  if (!image.ok()) return image.status();
  std::vector<ImageDescription> images;
  images.push_back(std::move(image->description));
  while (job.backing_chain && image->backing) {
    const Reference backing = *std::move(image->backing);
    if (images.size() >= job.limits.max_depth) {
      return LimitExceeded(
          StrCat("the backing chain has more than ", job.limits.max_depth, " images"),
          Remedy::kRaiseChainDepth);
    }
    const Result<FileHandle> below = OpenBackingFile(io, file.slot, backing);
    if (!below.ok()) return below.status();
    file = *below;
    image = Describe(io, file, ChooseDeclaredFormat(io, file, backing.format));
    if (!image.ok()) {
      return image.status().WithMessage(
          StrCat("backing file '", backing.name, "': ", image.status().message()));
    }
    images.push_back(std::move(image->description));
  }
  return images;
}

}  // namespace hotcell::guest
