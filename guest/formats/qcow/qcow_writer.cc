#include "guest/formats/qcow/qcow_writer.h"

#include <string>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"
#include "formats_generated/qcow_options.h"
#include "guest/formats/common/cluster_encoder.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/common/two_level_builder.h"
#include "guest/formats/qcow/on_disk.h"

namespace hotcell::guest {
namespace qcow {
namespace {

struct Plan {
  uint32_t slot = 0;
  uint64_t virtual_size = 0;
  uint32_t cluster_bits = kClusterBits;
  uint32_t l2_bits = kL2Bits;
  bool compress = false;
  std::string backing_name;  // empty: none

  bool has_backing() const { return !backing_name.empty(); }
  uint64_t cluster_size() const { return uint64_t{1} << cluster_bits; }
  // Where the L1 table is: after the header and the backing file's name, at a multiple of 8.
  uint64_t l1_offset() const { return AlignUp(sizeof(Header) + backing_name.size(), 8); }
  uint64_t l1_bytes() const {
    const uint32_t shift = cluster_bits + l2_bits;
    return ((virtual_size >> shift) + ((virtual_size & ((1ull << shift) - 1)) != 0 ? 1 : 0)) *
           sizeof(Be64);
  }
};

class Writer : public ImageWriter {
 public:
  explicit Writer(Plan plan)
      : plan_(std::move(plan)),
        builder_({.slot = plan_.slot,
                  .byte_order = std::endian::big,
                  .cluster_size = plan_.cluster_size(),
                  .l2_entries = uint64_t{1} << plan_.l2_bits,
                  .l1_offset = plan_.l1_offset(),
                  .l1_bytes = plan_.l1_bytes()}) {}

  WriterTraits traits() const override {
    return {.cluster_size = plan_.cluster_size(), .ordered = true, .encodes = plan_.compress};
  }

  Result<std::unique_ptr<LaneEncoder>> MakeEncoder() override {
    return MakeClusterEncoder(Compression::kDeflate, plan_.cluster_size());
  }

  Status Place(IoChannel& io, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      switch (run.kind) {
        case Run::Kind::kZero:
          if (plan_.has_backing()) HOTCELL_RETURN_IF_ERROR(builder_.PlaceHoles(io, run));
          break;
        case Run::Kind::kData:
          HOTCELL_RETURN_IF_ERROR(builder_.PlaceData(io, run, chunk.writes));
          break;
        case Run::Kind::kCompressed:
          HOTCELL_RETURN_IF_ERROR(PlaceStream(io, run, chunk.writes));
          break;
        case Run::Kind::kUnallocated:
          break;
      }
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override {
    HOTCELL_RETURN_IF_ERROR(builder_.Finish(io));
    if (const IoResult sized = io.SetSize(plan_.slot, builder_.end()); !sized.ok()) {
      return IoError(sized, "set the size of the qcow file");
    }
    // A file without a header is no image, so that one which is not complete cannot be taken for
    // one.
    if (const IoResult flushed = io.Flush(plan_.slot); !flushed.ok()) {
      return IoError(flushed, "flush the qcow file");
    }
    return WriteHeader(io);
  }

 private:
  Status PlaceStream(IoChannel& io, const Run& run, std::vector<FileWrite>& writes) {
    const uint32_t size_shift = 63 - plan_.cluster_bits;
    if (builder_.end() >> size_shift != 0) {
      return InvalidArgument("qcow: the file is too large for compressed clusters");
    }
    return builder_.PlaceStream(io, run, kEntryCompressed | run.size << size_shift, writes);
  }

  Status WriteHeader(IoChannel& io) {
    Header header = {};
    header.magic = kMagic;
    header.version = kVersion;
    if (plan_.has_backing()) {
      header.backing_file_offset = sizeof(Header);
      header.backing_file_size = static_cast<uint32_t>(plan_.backing_name.size());
    }
    header.size = plan_.virtual_size;
    header.cluster_bits = static_cast<uint8_t>(plan_.cluster_bits);
    header.l2_bits = static_cast<uint8_t>(plan_.l2_bits);
    header.crypt_method = kCryptNone;
    header.l1_table_offset = plan_.l1_offset();
    if (plan_.has_backing()) {
      HOTCELL_RETURN_IF_ERROR(WriteAll(io, plan_.slot, sizeof(Header),
                                       std::as_bytes(std::span(plan_.backing_name)),
                                       "the backing file's name"));
    }
    return WriteAll(io, plan_.slot, 0, std::as_bytes(std::span(&header, 1)), "the qcow header");
  }

  const Plan plan_;
  TwoLevelBuilder builder_;
};

Result<Plan> MakePlan(const CreateOptions& options) {
  HOTCELL_RETURN_IF_ERROR(OptionParser(kOptions, options.options).Done());
  Plan plan = {
      .slot = options.slot, .virtual_size = options.virtual_size, .compress = options.compress};
  if (options.backing) {
    plan.backing_name = options.backing->name;
    plan.cluster_bits = kClusterBitsWithBacking;
    plan.l2_bits = kL2BitsWithBacking;
  }
  if (plan.backing_name.size() > kMaxBackingFileName) {
    return InvalidArgument(StrCat("qcow: the backing file name has ", plan.backing_name.size(),
                                  " bytes, more than the ", kMaxBackingFileName, " allowed"));
  }
  if (options.virtual_size == 0) {
    return InvalidArgument("qcow: an image of this format cannot have a disk of 0 bytes");
  }
  if (plan.l1_bytes() > kMaxL1Bytes) {
    return InvalidArgument(StrCat("qcow: a disk of ", options.virtual_size,
                                  " bytes is too large for clusters of ", plan.cluster_size(),
                                  " bytes"));
  }
  if (options.exists) return MakesImagesAnew("qcow");
  return plan;
}

}  // namespace
}  // namespace qcow

Result<std::unique_ptr<ImageWriter>> CreateQcow(IoChannel& /*io*/, const CreateOptions& options) {
  auto plan = qcow::MakePlan(options);
  if (!plan.ok()) return plan.status();
  return std::unique_ptr<ImageWriter>(std::make_unique<qcow::Writer>(std::move(*plan)));
}

}  // namespace hotcell::guest
