#include "guest/formats/parallels/parallels_writer.h"

#include <algorithm>
#include <span>

#include "base/alignment.h"
#include "base/text.h"
#include "formats_generated/parallels_options.h"
#include "guest/formats/common/block_writer.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/parallels/on_disk.h"

namespace hotcell::guest {
namespace parallels {
namespace {

static_assert(kOptions.RangeOf("cluster_size").maximum == uint64_t{kMaxTracks} * kSectorSize);
// A geometry for those who ask; nothing depends on it.
constexpr uint32_t kHeads = 16;
constexpr uint32_t kSectorsPerTrack = 32;

BlockLayout MakeLayout(uint64_t virtual_size, uint64_t cluster_size) {
  const uint64_t clusters = DivideUp(virtual_size, cluster_size);
  const uint64_t bat_end = sizeof(Header) + clusters * sizeof(uint32_t);
  const uint64_t data_cluster = DivideUp(bat_end, cluster_size);
  return {.block_size = cluster_size,
          .blocks = clusters,
          .table_offset = sizeof(Header),
          .table_name = "the BAT of the Parallels image",
          .unallocated = 0,
          .first_entry = static_cast<uint32_t>(data_cluster),
          .data_offset = data_cluster * cluster_size};
}

class Writer : public ImageWriter {
 public:
  Writer(const CreateOptions& options, const BlockLayout& layout)
      : slot_(options.slot), blocks_(options.slot, layout) {
    const uint64_t sectors = options.virtual_size / kSectorSize;
    std::copy(kMagicExtended.begin(), kMagicExtended.end(), header_.magic);
    header_.version = kVersion;
    header_.heads = kHeads;
    header_.cylinders = static_cast<uint32_t>(sectors / kHeads / kSectorsPerTrack);
    header_.tracks = static_cast<uint32_t>(layout.block_size / kSectorSize);
    header_.nb_bat_entries = static_cast<uint32_t>(layout.blocks);
    header_.nb_sectors = sectors;
    header_.data_off = static_cast<uint32_t>(layout.data_offset / kSectorSize);
  }

  // Clusters need not be a power of two; chunks can be cut anywhere.
  WriterTraits traits() const override { return {}; }

  Status Place(IoChannel& io, Chunk& chunk) override { return blocks_.Place(io, chunk); }

  Status Finish(IoChannel& io) override {
    HOTCELL_RETURN_IF_ERROR(blocks_.Finish(io));
    if (const IoResult sized = io.SetSize(slot_, blocks_.end()); !sized.ok()) {
      return IoError(sized, StrCat("make the Parallels image ", blocks_.end(), " bytes long"));
    }
    // A file without a header is no image, so that one which is not complete cannot be taken for
    // one.
    if (const IoResult flushed = io.Flush(slot_); !flushed.ok()) {
      return IoError(flushed, "flush the Parallels image");
    }
    return WriteAll(io, slot_, 0, std::as_bytes(std::span(&header_, 1)), "the Parallels header");
  }

 private:
  const uint32_t slot_;
  BlockWriter blocks_;
  Header header_ = {};
};

}  // namespace
}  // namespace parallels

Result<std::unique_ptr<ImageWriter>> CreateParallels(IoChannel& /*io*/,
                                                     const CreateOptions& options) {
  OptionParser parser(parallels::kOptions, options.options);
  // Rounded up in silence, as qemu-img does.
  const uint64_t cluster_size = AlignUp(parser.Size("cluster_size"), parallels::kSectorSize);
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  if (options.compress) {
    return Unsupported("parallels: compression not supported for this file format");
  }
  if (options.backing) {
    return Unsupported("parallels: backing file not supported for this file format");
  }
  if (options.exists) return MakesImagesAnew("parallels");
  const auto layout = parallels::MakeLayout(options.virtual_size, cluster_size);
  if (layout.blocks > parallels::kMaxBatEntries) {
    return InvalidArgument(StrCat("parallels: a disk of ", options.virtual_size,
                                  " bytes is too large for clusters of ", cluster_size,
                                  " bytes; set a larger cluster_size"));
  }
  return std::unique_ptr<ImageWriter>(std::make_unique<parallels::Writer>(options, layout));
}

}  // namespace hotcell::guest
