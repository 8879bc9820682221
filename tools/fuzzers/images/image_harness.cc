#include "tools/fuzzers/images/image_harness.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "guest/codecs/decompressor.h"
#include "guest/formats/common/chain.h"
#include "guest/ops/convert.h"
#include "guest/ops/digest.h"
#include "guest/runtime/native/native_lanes.h"
#include "guest/wire/dispatch.h"
#include "tools/fuzzers/check.h"
#include "tools/fuzzers/images/native_image.h"

namespace hotcell::fuzz {
namespace {

using guest::Extent;
using guest::FileHandle;
using guest::ImageChain;
using guest::IoChannel;
using guest::NativeChannel;
using guest::NativeLanes;
using guest::Result;

// A disk can be exabytes of one cluster; time is the job's deadline's business, not the fuzzer's.
constexpr int kMaxExtents = 1000;
constexpr int kMaxClusters = 12;
constexpr uint32_t kMaxDepth = 4;
constexpr uint64_t kMaxMappedDisk = 256 << 20;
constexpr uint64_t kMaxConvertedDisk = 8 << 20;
// The largest that a reader may ask a lane to unpack.
constexpr uint32_t kMaxClusterSize = 2 << 20;
constexpr size_t kMetadataBuffers = 4;
constexpr size_t kMetadataBufferSize = 64 << 10;
constexpr size_t kDataBuffers = 5;
// Large compressed clusters need the larger ones, which take most of a run's time.
constexpr size_t kDataBufferSize = 256 << 10;
constexpr size_t kLargeDataBufferSize = 2 << 20;
constexpr size_t kReportSize = 64 << 10;

enum class Operation : uint8_t { kInfo, kCheck, kInspect, kMap, kMeasure, kRaw, kPacked };
constexpr uint8_t kOperations = 7;

// Opens an image, walks over its disk and writes down all that it is told.
class Walker {
 public:
  Walker(std::string_view format, const FuzzInput& input) : files_(input), format_(format) {}

  std::string Run() {
    const auto chain = ImageChain::Open(
        io_, {.file = files_.image(), .format = std::string(format_)}, {.max_depth = kMaxDepth});
    if (!chain.ok()) return std::string(chain.status().message());
    Walk((*chain)->virtual_size(),
         [&](uint64_t offset, uint64_t length) { return (*chain)->Map(io_, offset, length); });
    for (size_t depth = 0; depth < (*chain)->depth(); ++depth) {
      Note((*chain)->Describe(depth).format, (*chain)->Describe(depth).virtual_size);
    }
    if (!(*chain)->Describe().snapshots.empty()) ReadSnapshots((*chain)->Describe().snapshots);
    return std::move(notes_);
  }

 private:
  void ReadSnapshots(const std::vector<guest::SnapshotInfo>& snapshots) {
    constexpr size_t kMaxSnapshots = 3;
    for (size_t i = 0; i < std::min(snapshots.size(), kMaxSnapshots); ++i) {
      const auto reader =
          guest::FindFormat(format_.empty() ? "qcow2" : format_)->open(io_, files_.image(), {});
      if (!reader.ok() || !(*reader)->SelectSnapshot(io_, {.name = snapshots[i].name}).ok())
        continue;
      Walk((*reader)->virtual_size(),
           [&](uint64_t offset, uint64_t length) { return (*reader)->Map(io_, offset, length); });
    }
  }

  template <typename Map>
  void Walk(uint64_t size, Map map) {
    uint64_t offset = 0;
    for (int i = 0; i < kMaxExtents && offset < size; ++i) {
      const uint64_t length = std::min<uint64_t>(size - offset, i % 2 == 0 ? 4096 : 1ull << 40);
      const Result<Extent> extent = map(offset, length);
      if (!extent.ok()) {
        Note(extent.status().message(), offset);
        offset += std::min<uint64_t>(length, 65536);
        continue;
      }
      Check(extent->length > 0, "an extent is not empty");
      Check(extent->length <= length, "an extent is no longer than what was asked for");
      CheckExtent(*extent);
      CheckMiddle(*extent, offset, map);
      Note("extent", static_cast<uint64_t>(extent->kind));
      Note("", extent->length);
      Note("", extent->offset);
      if (extent->kind == Extent::Kind::kCompressed && clusters_ < kMaxClusters) {
        ++clusters_;
        Unpack(*extent);
      }
      offset += extent->length;
    }
  }

  uint64_t SizeOf(uint32_t slot) {
    guest::NativeFile* const file = files_.files().file(slot);
    Check(file != nullptr, "an extent is in a file that is open");
    return file->size();
  }

  // Data lies within the file, whatever the tables say.
  void CheckExtent(const Extent& extent) {
    if (extent.kind == Extent::Kind::kData) {
      const uint64_t size = SizeOf(extent.slot);
      Check(extent.offset <= size && extent.length <= size - extent.offset,
            "data lies within its file");
    }
    if (extent.kind != Extent::Kind::kCompressed) return;
    const uint64_t size = SizeOf(extent.slot);
    Check(extent.compressed_size > 0, "a compressed cluster is not empty");
    Check(extent.offset <= size && extent.compressed_size <= size - extent.offset,
          "a compressed cluster lies within its file");
    Check(extent.cluster_size <= kMaxClusterSize, "a cluster can be unpacked");
    Check(extent.offset_in_cluster + extent.length <= extent.cluster_size,
          "an extent is part of its cluster");
  }

  // A reader that is asked for a part of what it said says the same.
  template <typename Map>
  void CheckMiddle(const Extent& extent, uint64_t offset, Map map) {
    const uint64_t skip = extent.length / 2 / 512 * 512;
    if (skip == 0) return;
    const Result<Extent> part = map(offset + skip, extent.length - skip);
    if (!part.ok()) {
      // The limit on what is read.
      Note(part.status().message(), offset);
      return;
    }
    Check(part->kind == extent.kind, "a part of an extent is of the extent's kind");
    if (extent.kind == Extent::Kind::kData) {
      Check(part->slot == extent.slot && part->offset == extent.offset + skip,
            "a part of an extent is where the extent is");
    }
    if (extent.kind == Extent::Kind::kCompressed) {
      Check(part->offset == extent.offset &&
                part->offset_in_cluster == extent.offset_in_cluster + skip,
            "a part of a compressed extent is where the extent is");
    }
  }

  void Unpack(const Extent& extent) {
    // The buffers have their exact sizes, so that the sanitizer sees the first byte too much.
    std::vector<std::byte> stream(extent.compressed_size);
    const auto read = files_.files().file(extent.slot)->Read(extent.offset, stream);
    if (!read.ok()) return;
    std::vector<std::byte> cluster(extent.cluster_size);
    const guest::Status status = decompressor_.Unpack(extent, stream, cluster);
    Note(status.message(), status.ok() ? std::to_integer<uint64_t>(cluster.back()) : 0);
  }

  void Note(std::string_view text, uint64_t value) {
    notes_ += text;
    notes_ += ' ';
    notes_ += std::to_string(value);
    notes_ += '\n';
  }

  NativeImage files_;
  std::string_view format_;
  NativeChannel io_{files_.files(), kMetadataBuffers, kMetadataBufferSize};
  guest::ClusterDecompressor decompressor_;
  int clusters_ = 0;
  std::string notes_;
};

guest::Job MakeJob(Operation operation, std::string_view format, NativeImage& files) {
  const guest::ChainLimits limits = {.max_depth = kMaxDepth, .max_virtual_size = kMaxMappedDisk};
  const guest::SourceImage source = {.file = files.image(), .format = std::string(format)};
  switch (operation) {
    case Operation::kInfo:
      return guest::InfoJob{.limits = limits, .source = source, .backing_chain = true};
    case Operation::kCheck:
      return guest::CheckJob{.limits = limits, .source = source};
    case Operation::kInspect:
      return guest::InspectJob{.limits = limits, .source = source};
    case Operation::kMap:
      return guest::MapJob{
          .limits = limits, .source = source, .records_slot = files.AddTarget().slot};
    default:
      return guest::MeasureJob{.limits = limits, .source = source, .format = "qcow2"};
  }
}

// The report of an operation that makes no image.
std::string Report(Operation operation, std::string_view format, const FuzzInput& input) {
  NativeImage files(input);
  NativeLanes lanes(files.files(), 1, kMetadataBuffers, kMetadataBufferSize);
  const guest::Job job = MakeJob(operation, format, files);
  std::vector<std::byte> report(kReportSize);
  const size_t size = guest::EncodeReport(guest::ExecuteJob(lanes, job, kReportSize), report);
  Check(size > 0 && size <= report.size(), "every job ends with a report");
  return {reinterpret_cast<const char*>(report.data()), size};
}

std::optional<guest::Sha256::Digest> DigestOf(NativeImage& files, std::string_view format,
                                              const FileHandle& file, size_t buffer_size) {
  NativeLanes lanes(files.files(), 1, kDataBuffers, buffer_size);
  const auto summary = guest::Digest(
      lanes, {.limits = {.max_depth = kMaxDepth, .max_virtual_size = kMaxConvertedDisk},
              .source = {.file = file, .format = std::string(format)}});
  if (!summary.ok()) return std::nullopt;
  return summary->sha256;
}

// Converts and reads back.
void CheckConversion(bool packed, size_t buffer_size, std::string_view format,
                     const FuzzInput& input) {
  NativeImage source(input);
  const auto digest = DigestOf(source, format, source.image(), buffer_size);
  if (!digest) return;

  NativeImage files(input);
  const FileHandle target = files.AddTarget();
  NativeLanes lanes(files.files(), 1, kDataBuffers, buffer_size);
  const std::string_view target_format = packed ? "qcow2" : "raw";
  const auto summary =
      guest::Convert(lanes, {.limits = {.max_virtual_size = kMaxConvertedDisk},
                             .source = {{.file = files.image(), .format = std::string(format)}},
                             .target = {.slot = target.slot,
                                        .name = "target",
                                        .format = std::string(target_format),
                                        .compress = packed}});
  // The limits of reads and of the target.
  if (summary.status().code() == guest::Code::kIo) return;
  Check(summary.ok(), "a disk that can be hashed can be converted",
        std::string(summary.status().message()));
  const FileHandle written = {.slot = target.slot, .size = files.files().file(target.slot)->size()};
  const auto again = DigestOf(files, target_format, written, buffer_size);
  Check(again.has_value(), "what was written can be read");
  Check(*again == *digest, "a conversion keeps the disk");
}

// How an input is run, by the part of its operation byte that does not choose the operation.
struct Effort {
  explicit Effort(const FuzzInput& input)
      : twice(input.all_operations || input.operation / kOperations % 4 == 0),
        large_buffers(input.operation / kOperations % 8 == 1) {}

  bool twice;
  bool large_buffers;
};

void RunOperation(Operation operation, Effort effort, std::string_view format,
                  const FuzzInput& input) {
  if (operation == Operation::kRaw || operation == Operation::kPacked) {
    CheckConversion(operation == Operation::kPacked,
                    effort.large_buffers ? kLargeDataBufferSize : kDataBufferSize, format, input);
    return;
  }
  const std::string report = Report(operation, format, input);
  Check(!effort.twice || report == Report(operation, format, input),
        "the same image gives the same report");
}

}  // namespace

void RunImage(std::string_view format, const FuzzInput& input) {
  const Effort effort(input);
  const std::string notes = Walker(format, input).Run();
  Check(!effort.twice || notes == Walker(format, input).Run(),
        "the same image gives the same answers");
  if (!input.all_operations) {
    RunOperation(static_cast<Operation>(input.operation % kOperations), effort, format, input);
    return;
  }
  for (uint8_t i = 0; i < kOperations; ++i) {
    RunOperation(static_cast<Operation>(i), effort, format, input);
  }
}

}  // namespace hotcell::fuzz
