#include "guest/ops/convert.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "base/text.h"
#include "guest/formats/common/writer.h"
#include "guest/ops/pipeline/convert_lane.h"
#include "guest/ops/pipeline/convert_source.h"
#include "guest/ops/pipeline/nested_image.h"
#include "guest/ops/pipeline/run_workers.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;
// Big enough that a request's cost is small beside its bytes, small enough that the data stays in
// the cache between the read, the look at it and the write.
constexpr uint64_t kChunkSize = 1 << 20;

// `wanted` is the size of the target's disk, bytes, where it has to have one; else 0.
Status CheckDiskSize(uint64_t wanted, uint64_t size) {
  if (wanted == 0 || wanted == size) return Status();
  const bool too_small = wanted < size;
  return InvalidArgument(StrCat("output file is ", too_small ? "smaller" : "larger",
                                " than input file: a disk of ", wanted, " bytes, but ", size,
                                " are ", too_small ? "needed" : "all that the input has"));
}

Result<std::unique_ptr<ImageWriter>> CreateTarget(IoChannel& io, const TargetImage& target,
                                                  const ConvertSource& source) {
  const FormatDriver* const driver = FindFormat(target.format);
  if (driver == nullptr) {
    return InvalidArgument(StrCat("unknown output format '", target.format, "'"));
  }
  if (driver->create == nullptr) {
    return Unsupported(StrCat("format ", driver->name, " can be read, but not written"));
  }
  HOTCELL_RETURN_IF_ERROR(CheckDiskSize(target.disk_size, source.size()));
  return driver->create(io, {.slot = target.slot,
                             .name = target.name,
                             .virtual_size = source.size(),
                             .sector_size = source.sector_size(),
                             .options = target.options,
                             .compress = target.compress,
                             .backing = target.backing,
                             .exists = target.exists,
                             .file_size = target.file_size,
                             .is_zero = target.is_zero});
}

// What a buffer must hold of a chunk: its data, and what that may be encoded to.
uint64_t BytesInBuffer(const WriterTraits& traits, uint64_t chunk_size) {
  return traits.encodes ? chunk_size + chunk_size / traits.cluster_size * traits.cluster_growth
                        : chunk_size;
}

// Whole clusters of either image in a chunk, as far as a buffer holds them.
uint64_t ChooseChunkSize(uint64_t source_cluster_size, const WriterTraits& traits,
                         uint64_t buffer_size) {
  const uint64_t wanted =
      std::max({kChunkSize, std::bit_floor(source_cluster_size), traits.cluster_size});
  uint64_t size = std::min(wanted, buffer_size);
  while (BytesInBuffer(traits, size) > buffer_size) size /= 2;
  return size;
}

// ReadPlan::sparse_size, of the job's.
uint64_t ChooseSparseSize(const WriterTraits& traits, bool has_backing, uint64_t sparse_size,
                          uint64_t chunk_size) {
  if (traits.zeroes_as_data || sparse_size == 0) return 0;
  // Zeroes that hide a backing image are stored as such, and only for a whole cluster.
  if (traits.encodes || has_backing) return traits.cluster_size;
  return std::clamp(std::bit_floor(sparse_size), kSectorSize, chunk_size);
}

// ReadPlan::known_sparse_size: as in qemu-img, however long the zeroes have to be that are looked
// for.
uint64_t ChooseKnownSparseSize(const WriterTraits& traits, bool has_backing, uint64_t sparse_size) {
  constexpr uint64_t kPageSize = 4096;
  return traits.encodes || has_backing ? sparse_size : std::min(sparse_size, kPageSize);
}

// The target would be taken for another image.
void WarnOfNestedImages(const std::vector<NestedImage>& found, std::string_view format,
                        std::vector<std::string>& warnings) {
  for (const NestedImage& image : found) {
    warnings.push_back(
        StrCat(Describe(image), "; open the result only with its format named (-f ", format, ")"));
  }
}

// What is copied from file to file is not seen. What cannot be read here fails the copy.
std::vector<NestedImage> LookForNestedImages(IoChannel& io, ConvertSource& source) {
  if (source.size() == 0) return {};
  const auto map = [&](uint64_t offset, uint64_t length) { return source.Map(io, offset, length); };
  auto found = FindNestedImages(io, map, source.size());
  return found.ok() ? std::move(*found) : std::vector<NestedImage>();
}

}  // namespace

Result<ConvertSummary> Convert(Lanes& lanes, const ConvertJob& job) {
  IoChannel& io = lanes.main_channel();
  if (io.buffer_count() < ConvertLane::kMinBuffers) {
    return InvalidArgument(StrCat("a lane has ", io.buffer_count(), " buffers; convert needs ",
                                  ConvertLane::kMinBuffers));
  }
  auto source = ConvertSource::Open(io, job);
  if (!source.ok()) return source.status();
  const uint64_t virtual_size = source->size();

  auto target = CreateTarget(io, job.target, *source);
  if (!target.ok()) return target.status();
  ImageWriter& writer = **target;
  const WriterTraits traits = writer.traits();
  if (traits.encodes && BytesInBuffer(traits, traits.cluster_size) > io.buffer_size()) {
    return Unsupported(StrCat("a cluster of ", traits.cluster_size,
                              " bytes cannot be compressed: a buffer has ", io.buffer_size()));
  }

  const bool has_backing = job.target.backing.has_value();
  const uint64_t chunk_size = ChooseChunkSize(source->cluster_size(), traits, io.buffer_size());
  const bool copy_offload = job.copy_offload && !traits.encodes;
  DiskEnds ends(virtual_size);
  ChunkScheduler scheduler(writer, virtual_size, chunk_size);
  const uint64_t sparse_size = ChooseSparseSize(traits, has_backing, job.sparse_size, chunk_size);
  const ConvertPlan plan = {
      .read = {.source = &*source,
               .source_size = source->size(),
               .sparse_size = sparse_size,
               .known_sparse_size = ChooseKnownSparseSize(traits, has_backing, sparse_size),
               .padding = traits.encodes ? traits.cluster_size : kSectorSize,
               .copy_offload = copy_offload,
               .backing_unit = has_backing ? traits.cluster_size : 0,
               .backing_size = has_backing ? job.target.backing->size : 0},
      .virtual_size = virtual_size,
      .target_slot = job.target.slot,
      .buffer_size = std::bit_ceil(BytesInBuffer(traits, chunk_size)),
      .encodes = traits.encodes,
      .ends = traits.begins_with_disk && !copy_offload ? &ends : nullptr,
      .scheduler = &scheduler,
      .lanes = &lanes,
  };
  std::vector<std::unique_ptr<ConvertLane>> workers;
  for (uint32_t i = 0; i < lanes.count(); ++i) {
    std::unique_ptr<LaneEncoder> encoder;
    if (traits.encodes) {
      auto made = writer.MakeEncoder();
      if (!made.ok()) return made.status();
      encoder = std::move(*made);
    }
    workers.push_back(std::make_unique<ConvertLane>(plan, std::move(encoder)));
  }

  std::vector<NestedImage> nested;
  if (traits.begins_with_disk && plan.read.copy_offload) nested = LookForNestedImages(io, *source);

  lanes.SetTotal(virtual_size);
  RunWorkers(lanes, workers);
  if (scheduler.failed()) return scheduler.status();
  HOTCELL_RETURN_IF_ERROR(writer.Finish(io));
  if (const IoResult flushed = io.Flush(job.target.slot); !flushed.ok()) {
    return IoError(flushed, "flush the target");
  }

  if (plan.ends != nullptr) nested = ends.FindNestedImages();
  std::vector<std::string> warnings = source->warnings();
  WarnOfNestedImages(nested, job.target.format, warnings);
  if (source->sector_size() != kSectorSize && job.target.format != "vhdx") {
    warnings.push_back(SectorSizeWarning(source->sector_size()));
  }
  ConvertSummary summary = {.virtual_size = virtual_size,
                            .source_format = std::string(source->format()),
                            .warnings = std::move(warnings)};
  for (const std::unique_ptr<ConvertLane>& worker : workers) {
    const ConvertLane::Totals totals = worker->totals();
    summary.bytes_read += totals.bytes_read;
    summary.bytes_written += totals.bytes_written;
    summary.zero_bytes += totals.zero_bytes;
  }
  return summary;
}

}  // namespace hotcell::guest
