#include "guest/formats/common/chain.h"

#include <algorithm>

#include "base/text.h"

namespace hotcell::guest {
namespace {

// What an error about an image of the chain starts with, so that its owner knows which file.
std::string Where(const Reference& backing) { return StrCat("backing file '", backing.name, "'"); }

Status InBackingFile(const Reference& backing, const Status& status) {
  return status.WithMessage(StrCat(Where(backing), ": ", status.message()));
}

// Whether the image that was found is the one that its child was made from.
Status CheckIdentity(const Reference& backing, const ImageReader& found) {
  if (backing.identity.empty() || backing.identity == found.identity()) return OkStatus();
  return CorruptImage(StrCat(Where(backing),
                             " is not the image that the one above it was made from: "
                             "its identity is '",
                             found.identity(), "', not '", backing.identity, "'"));
}

}  // namespace

Result<FileHandle> OpenBackingFile(IoChannel& io, uint32_t from_slot, const Reference& backing) {
  const IoResult named = io.OpenReference(from_slot, backing.kind, backing.name);
  IoResult opened = named;
  for (const std::string& name : backing.alternatives) {
    if (opened.ok()) break;
    opened = io.OpenReference(from_slot, backing.kind, name);
  }
  if (!opened.ok()) return IoError(named, StrCat("open ", Where(backing)));
  return FileHandle{.slot = static_cast<uint32_t>(opened.value), .size = opened.value2};
}

Result<const FormatDriver*> ChooseFormat(IoChannel& io, const FileHandle& file,
                                         std::string_view name) {
  if (name.empty()) return ProbeFormat(io, file);
  if (const FormatDriver* const format = FindFormat(name)) return format;
  return InvalidArgument(StrCat("unknown image format '", name, "'"));
}

Result<const FormatDriver*> ChooseDeclaredFormat(IoChannel& io, const FileHandle& file,
                                                 std::string_view name) {
  auto format = ChooseFormat(io, file, name);
  if (format.ok() || format.status().code() != Code::kInvalidArgument) return format;
  return Unsupported(format.status().message());
}

Result<std::unique_ptr<ImageChain>> ImageChain::Open(IoChannel& io, const SourceImage& source,
                                                     const ChainLimits& limits,
                                                     const SnapshotSelector& snapshot) {
  const OpenOptions options = {.max_virtual_size = limits.max_virtual_size};
  std::unique_ptr<ImageChain> chain(new ImageChain());

  auto format = ChooseFormat(io, source.file, source.format);
  if (!format.ok()) return format.status();
  auto top = (*format)->open(io, source.file, options);
  if (!top.ok()) return top.status();
  chain->format_ = (*format)->name;
  if (!snapshot.empty()) HOTCELL_RETURN_IF_ERROR((*top)->SelectSnapshot(io, snapshot));
  chain->warnings_ = (*top)->Describe().warnings;
  chain->Add(std::move(*top));

  FileHandle above = source.file;
  while (const std::optional<Reference> backing = chain->images_.back().reader->backing()) {
    if (chain->images_.size() >= limits.max_depth) {
      return LimitExceeded(StrCat("the backing chain has more than ", limits.max_depth,
                                  " images: ", Where(*backing), " is one too many"),
                           Remedy::kRaiseChainDepth);
    }
    auto file = OpenBackingFile(io, above.slot, *backing);
    if (!file.ok()) return file.status();
    auto below_format = ChooseDeclaredFormat(io, *file, backing->format);
    if (!below_format.ok()) return InBackingFile(*backing, below_format.status());
    if (backing->format.empty()) {
      chain->warnings_.push_back(StrCat("the format of ", Where(*backing),
                                        " is not declared; it is read as ", (*below_format)->name));
    }
    auto below = (*below_format)->open(io, *file, options);
    if (!below.ok()) return InBackingFile(*backing, below.status());
    HOTCELL_RETURN_IF_ERROR(CheckIdentity(*backing, **below));
    for (const std::string& warning : (*below)->Describe().warnings) {
      chain->warnings_.push_back(StrCat(Where(*backing), ": ", warning));
    }
    chain->Add(std::move(*below));
    above = *file;
  }
  return chain;
}

void ImageChain::Add(std::unique_ptr<ImageReader> reader) {
  Image image = {.reader = std::move(reader)};
  for (const FileHandle& file : image.reader->data_files()) {
    image.holes.push_back(std::make_unique<FileHoles>(file, kMinHole));
  }
  images_.push_back(std::move(image));
}

Status ImageChain::CutAtHole(IoChannel& io, size_t depth, Extent& extent) {
  if (extent.kind != Extent::Kind::kData) return OkStatus();
  for (const std::unique_ptr<FileHoles>& holes : images_[depth].holes) {
    if (holes->slot() != extent.slot) continue;
    const Result<FileHoles::Run> run = holes->At(io, extent.offset, extent.length);
    if (!run.ok()) return run.status();
    extent.length = run->length;
    extent.in_hole = run->is_hole;
    if (run->is_hole) extent.kind = Extent::Kind::kZero;
    return OkStatus();
  }
  return OkStatus();
}

Result<ImageChain::Location> ImageChain::Locate(IoChannel& io, uint64_t offset, uint64_t length) {
  Result<Location> location = LocateStored(io, offset, length);
  if (!location.ok()) return location;
  HOTCELL_RETURN_IF_ERROR(CutAtHole(io, location->depth, location->extent));
  return location;
}

Result<ImageChain::Location> ImageChain::LocateStored(IoChannel& io, uint64_t offset,
                                                      uint64_t length) {
  Location location = {.extent = {.length = length}};
  for (size_t depth = 0; depth < images_.size(); ++depth) {
    ImageReader& image = *images_[depth].reader;
    const uint64_t size = image.virtual_size();
    // A backing image that ends before the image above it reads as zeroes from there.
    if (offset >= size) break;
    Result<Extent> extent = image.Map(io, offset, std::min(location.extent.length, size - offset));
    if (!extent.ok()) return extent.status();
    location = {.extent = *extent, .depth = depth};
    if (extent->kind != Extent::Kind::kUnallocated) break;
  }
  return location;
}

Result<Extent> ImageChain::Map(IoChannel& io, uint64_t offset, uint64_t length) {
  Result<Location> location = Locate(io, offset, length);
  if (!location.ok()) return location.status();
  Extent& extent = location->extent;
  if (extent.kind == Extent::Kind::kUnallocated) extent.kind = Extent::Kind::kZero;
  return extent;
}

Result<Extent> ImageChain::MapTop(IoChannel& io, uint64_t offset, uint64_t length) {
  Result<Extent> extent = images_.front().reader->Map(io, offset, length);
  if (!extent.ok()) return extent;
  if (extent->kind != Extent::Kind::kUnallocated) {
    HOTCELL_RETURN_IF_ERROR(CutAtHole(io, 0, *extent));
    return extent;
  }
  const uint64_t below = images_.size() > 1 ? images_[1].reader->virtual_size() : 0;
  if (offset >= below) {
    extent->kind = Extent::Kind::kZero;
  } else {
    extent->length = std::min(extent->length, below - offset);
  }
  return extent;
}

}  // namespace hotcell::guest
