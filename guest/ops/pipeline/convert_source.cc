#include "guest/ops/pipeline/convert_source.h"

#include <algorithm>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;

Status CheckTotal(uint64_t total, uint64_t limit) {
  if (limit == 0 || total <= limit) return OkStatus();
  return LimitExceeded(StrCat("the disk has ", total, " bytes, more than the limit of ", limit),
                       Remedy::kRaiseVirtualSize);
}

}  // namespace

Result<ConvertSource> ConvertSource::Open(IoChannel& io, const ConvertJob& job) {
  ConvertSource source;
  if (!job.source) {
    HOTCELL_RETURN_IF_ERROR(CheckTotal(job.size, job.limits.max_virtual_size));
    source.size_ = AlignUp(job.size, kSectorSize);
    return source;
  }
  HOTCELL_RETURN_IF_ERROR(source.AddImage(io, job, *job.source));
  for (const SourceImage& image : job.more_sources) {
    HOTCELL_RETURN_IF_ERROR(source.AddImage(io, job, image));
  }
  if (job.window) source.Cut(*job.window);
  return source;
}

Status ConvertSource::AddImage(IoChannel& io, const ConvertJob& job, const SourceImage& image) {
  auto chain = ImageChain::Open(io, image, job.limits, job.snapshot);
  if (!chain.ok()) return chain.status();
  const uint64_t length = (*chain)->virtual_size();
  // Neither is near 2^64: an image's size fits a file offset.
  size_ += AlignUp(length, kSectorSize);
  HOTCELL_RETURN_IF_ERROR(CheckTotal(size_, job.limits.max_virtual_size));
  const ImageDescription description = (*chain)->Describe();
  if (pieces_.empty()) {
    format_ = (*chain)->format();
    sector_size_ = description.sector_size;
  }
  cluster_size_ = std::max(cluster_size_, description.cluster_size);
  pieces_.push_back(
      {.image = std::move(*chain), .image_offset = 0, .image_length = length, .end = size_});
  return OkStatus();
}

// Precondition: one image.
void ConvertSource::Cut(const DiskWindow& window) {
  Piece& piece = pieces_.front();
  const uint64_t end = std::min(window.end, piece.image_length);
  const uint64_t begin = std::min(window.begin, end);
  piece.image_offset = begin;
  piece.image_length = end - begin;
  piece.end = size_ = AlignUp(end - begin, kSectorSize);
}

std::vector<std::string> ConvertSource::warnings() const {
  std::vector<std::string> all;
  for (const Piece& piece : pieces_) {
    all.insert(all.end(), piece.image->warnings().begin(), piece.image->warnings().end());
  }
  return all;
}

Result<Extent> ConvertSource::MapWith(MapFunction map, IoChannel& io, uint64_t offset,
                                      uint64_t length) {
  const auto piece =
      std::upper_bound(pieces_.begin(), pieces_.end(), offset,
                       [](uint64_t at, const Piece& candidate) { return at < candidate.end; });
  const uint64_t begin = piece == pieces_.begin() ? 0 : std::prev(piece)->end;
  const uint64_t skipped = offset - begin;
  if (skipped >= piece->image_length) {
    return Extent{.kind = Extent::Kind::kZero, .length = std::min(length, piece->end - offset)};
  }
  return (*piece->image.*map)(io, piece->image_offset + skipped,
                              std::min(length, piece->image_length - skipped));
}

Result<Extent> ConvertSource::Map(IoChannel& io, uint64_t offset, uint64_t length) {
  if (pieces_.empty()) return Extent{.kind = Extent::Kind::kZero, .length = length};
  return MapWith(&ImageChain::Map, io, offset, length);
}

Result<Extent> ConvertSource::MapTop(IoChannel& io, uint64_t offset, uint64_t length) {
  if (pieces_.empty()) return Extent{.kind = Extent::Kind::kUnallocated, .length = length};
  return MapWith(&ImageChain::MapTop, io, offset, length);
}

}  // namespace hotcell::guest
