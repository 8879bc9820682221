#include "guest/ops/measure.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/chain.h"

namespace hotcell::guest {
namespace {

class EmptyDisk : public MeasuredDisk {
 public:
  explicit EmptyDisk(uint64_t size) : size_(size) {}

  uint64_t size() const override { return size_; }
  const ImageDescription* source() const override { return nullptr; }
  Result<uint64_t> DataBytes(uint64_t /*cluster_size*/) override { return uint64_t{0}; }

 private:
  const uint64_t size_;
};

class ChainDisk : public MeasuredDisk {
 public:
  ChainDisk(IoChannel& io, ImageChain& chain, ImageDescription description)
      : io_(io), chain_(chain), description_(std::move(description)) {}

  uint64_t size() const override { return chain_.virtual_size(); }
  const ImageDescription* source() const override { return &description_; }

  Result<uint64_t> DataBytes(uint64_t cluster_size) override {
    uint64_t bytes = 0;
    uint64_t counted = 0;  // up to here; whole clusters
    const auto count = [&](uint64_t offset, const ImageChain::Location& location) {
      const uint64_t end = offset + location.extent.length;
      const Extent::Kind kind = location.extent.kind;
      if (kind == Extent::Kind::kZero || kind == Extent::Kind::kUnallocated || end <= counted) {
        return OkStatus();
      }
      const uint64_t begin = std::max(counted, offset - offset % cluster_size);
      counted = AlignUp(end, cluster_size);
      bytes += counted - begin;
      return OkStatus();
    };
    HOTCELL_RETURN_IF_ERROR(chain_.ForEach(io_, 0, size(), count));
    return bytes;
  }

 private:
  IoChannel& io_;
  ImageChain& chain_;
  const ImageDescription description_;
};

}  // namespace

Result<MeasureSummary> Measure(IoChannel& io, const MeasureJob& job) {
  const FormatDriver* const format = FindFormat(job.format);
  if (format == nullptr) {
    return InvalidArgument(StrCat("unknown output format '", job.format, "'"));
  }
  if (format->measure == nullptr) {
    return Unsupported(
        StrCat("Block driver '", format->name, "' does not support size measurement"));
  }
  MeasureSummary summary;
  std::unique_ptr<ImageChain> chain;
  std::unique_ptr<MeasuredDisk> disk;
  if (job.source) {
    auto opened = ImageChain::Open(io, *job.source, job.limits, job.snapshot);
    if (!opened.ok()) return opened.status();
    chain = std::move(*opened);
    // Opened to be read, an image does not tell its bitmaps.
    const auto described =
        FindFormat(chain->format())->open(io, job.source->file, {.describe_only = true});
    if (!described.ok()) return described.status();
    summary.warnings = chain->warnings();
    disk = std::make_unique<ChainDisk>(io, *chain, (*described)->Describe());
  } else {
    disk = std::make_unique<EmptyDisk>(job.size);
  }
  const auto measurement =
      format->measure(*disk, {.options = job.options, .has_backing = job.has_backing});
  if (!measurement.ok()) return measurement.status();
  summary.measurement = *measurement;
  return summary;
}

}  // namespace hotcell::guest
