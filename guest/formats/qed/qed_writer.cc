#include "guest/formats/qed/qed_writer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/text.h"
#include "formats_generated/qed_options.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/common/two_level_builder.h"
#include "guest/formats/qed/header.h"
#include "guest/formats/qed/on_disk.h"

namespace hotcell::guest {
namespace qed {
namespace {

static_assert(kOptions.RangeOf("cluster_size").minimum == kMinClusterSize);
static_assert(kOptions.RangeOf("cluster_size").maximum == kMaxClusterSize);
static_assert(kOptions.RangeOf("table_size").maximum == kMaxTableSize);

struct Plan {
  uint32_t slot = 0;
  uint64_t virtual_size = 0;
  uint64_t cluster_size = 0;  // bytes
  uint64_t table_size = 0;    // clusters
  std::string backing_name;   // empty: none
  bool raw_backing = false;

  bool has_backing() const { return !backing_name.empty(); }
  uint64_t table_bytes() const { return table_size * cluster_size; }
};

// Larger clusters come in parts, of which one could be the backing file's and another not.
constexpr uint64_t kMaxChunk = 2 << 20;

class Writer : public ImageWriter {
 public:
  explicit Writer(Plan plan)
      : plan_(std::move(plan)),
        // The header takes the first cluster.
        builder_({.slot = plan_.slot,
                  .byte_order = std::endian::little,
                  .cluster_size = plan_.cluster_size,
                  .l2_entries = plan_.table_bytes() / sizeof(Le64),
                  .l1_offset = plan_.cluster_size,
                  .l1_bytes = plan_.table_bytes()}) {}

  WriterTraits traits() const override {
    return {.cluster_size = std::min(plan_.cluster_size, kMaxChunk), .ordered = true};
  }

  Status Place(IoChannel& io, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      switch (run.kind) {
        case Run::Kind::kZero:
          if (plan_.has_backing()) HOTCELL_RETURN_IF_ERROR(builder_.PlaceZeroEntries(io, run));
          break;
        case Run::Kind::kData:
          HOTCELL_RETURN_IF_ERROR(builder_.PlaceData(io, run, chunk.writes));
          break;
        case Run::Kind::kCompressed:
          return Unsupported("qed: compression not supported for this file format");
        case Run::Kind::kUnallocated:
          break;
      }
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override {
    HOTCELL_RETURN_IF_ERROR(builder_.Finish(io));
    // Whole clusters: what was left out at their ends reads as zeroes.
    if (const IoResult sized = io.SetSize(plan_.slot, builder_.end()); !sized.ok()) {
      return IoError(sized, "set the size of the QED file");
    }
    // A file without a header is no image, so that one which is not complete cannot be taken for
    // one.
    if (const IoResult flushed = io.Flush(plan_.slot); !flushed.ok()) {
      return IoError(flushed, "flush the QED file");
    }
    return WriteHeader(io);
  }

 private:
  Status WriteHeader(IoChannel& io) {
    Header header = {};
    header.magic = kMagic;
    header.cluster_size = static_cast<uint32_t>(plan_.cluster_size);
    header.table_size = static_cast<uint32_t>(plan_.table_size);
    header.header_size = 1;
    header.l1_table_offset = plan_.cluster_size;
    header.image_size = plan_.virtual_size;
    if (plan_.has_backing()) {
      header.features =
          kFeatureBackingFile | (plan_.raw_backing ? kFeatureBackingFormatNoProbe : 0);
      header.backing_filename_offset = uint32_t{sizeof(Header)};
      header.backing_filename_size = static_cast<uint32_t>(plan_.backing_name.size());
      HOTCELL_RETURN_IF_ERROR(WriteAll(io, plan_.slot, sizeof(Header),
                                       std::as_bytes(std::span(plan_.backing_name)),
                                       "the backing file's name"));
    }
    return WriteAll(io, plan_.slot, 0, std::as_bytes(std::span(&header, 1)), "the QED header");
  }

  const Plan plan_;
  TwoLevelBuilder builder_;
};

Result<Plan> MakePlan(const CreateOptions& options) {
  OptionParser parser(kOptions, options.options);
  Plan plan = {.slot = options.slot,
               .virtual_size = options.virtual_size,
               .cluster_size = parser.Size("cluster_size"),
               .table_size = parser.Size("table_size")};
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  if (MaxImageSize(plan.cluster_size, plan.table_size) == INT64_MAX) {
    return InvalidArgument(
        StrCat("qed: QEMU opens no image with clusters of ", plan.cluster_size,
               " bytes and tables of ", plan.table_size,
               " clusters, whose disks could have 2^63 bytes; use a smaller cluster_size"));
  }
  if (options.virtual_size > MaxImageSize(plan.cluster_size, plan.table_size)) {
    return InvalidArgument(StrCat("qed: a disk of ", options.virtual_size,
                                  " bytes is too large for clusters of ", plan.cluster_size,
                                  " bytes and tables of ", plan.table_size,
                                  " clusters; use a larger cluster_size"));
  }
  if (options.backing) {
    plan.backing_name = options.backing->name;
    plan.raw_backing = options.backing->format == "raw";
    if (plan.cluster_size > kMaxChunk) {
      return Unsupported(
          "qed: with a backing file, cluster_size can be no more than 2M in images that are "
          "written");
    }
  }
  if (plan.backing_name.size() > kMaxBackingFileName) {
    return InvalidArgument(StrCat("qed: the backing file name has ", plan.backing_name.size(),
                                  " bytes, more than the ", kMaxBackingFileName, " allowed"));
  }
  if (options.compress) {
    return Unsupported("qed: compression not supported for this file format");
  }
  if (options.exists) return MakesImagesAnew("qed");
  return plan;
}

}  // namespace
}  // namespace qed

Result<std::unique_ptr<ImageWriter>> CreateQed(IoChannel& /*io*/, const CreateOptions& options) {
  auto plan = qed::MakePlan(options);
  if (!plan.ok()) return plan.status();
  return std::unique_ptr<ImageWriter>(std::make_unique<qed::Writer>(std::move(*plan)));
}

}  // namespace hotcell::guest
