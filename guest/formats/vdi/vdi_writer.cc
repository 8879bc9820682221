#include "guest/formats/vdi/vdi_writer.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "base/alignment.h"
#include "base/text.h"
#include "formats_generated/vdi_options.h"
#include "guest/formats/common/block_writer.h"
#include "guest/formats/common/derived_uuid.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/vdi/on_disk.h"

namespace hotcell::guest {
namespace vdi {
namespace {

constexpr std::string_view kText = "<<< hotcell VirtualBox Disk Image >>>\n";
constexpr uint64_t kMapOffset = sizeof(Header);

// VirtualBox keeps UUIDs with their first three fields in little-endian order.
Uuid MakeUuid(std::string_view purpose, const CreateOptions& options) {
  auto bytes = DeriveUuid(purpose, options);
  std::reverse(bytes.begin(), bytes.begin() + 4);
  std::reverse(bytes.begin() + 4, bytes.begin() + 6);
  std::reverse(bytes.begin() + 6, bytes.begin() + 8);
  Uuid uuid;
  std::copy(bytes.begin(), bytes.end(), uuid.bytes);
  return uuid;
}

// Blocks are aligned as VirtualBox aligns them, which is also what page caches like.
BlockLayout MakeLayout(uint64_t virtual_size) {
  const uint64_t blocks = DivideUp(virtual_size, kBlockSize);
  const uint64_t map_end = kMapOffset + blocks * sizeof(uint32_t);
  return {.block_size = kBlockSize,
          .blocks = blocks,
          .table_offset = kMapOffset,
          .table_name = "the VDI block map",
          .unallocated = kUnallocated,
          .first_entry = 0,
          .data_offset = AlignUp(map_end, kBlockSize)};
}

class Writer : public ImageWriter {
 public:
  Writer(const CreateOptions& options, bool is_static)
      : slot_(options.slot),
        is_static_(is_static),
        layout_(MakeLayout(options.virtual_size)),
        blocks_(slot_, layout_) {
    std::copy(kText.begin(), kText.end(), header_.text);
    header_.signature = kSignature;
    header_.version = kVersion11;
    header_.header_size = kHeaderSize;
    header_.image_type = is_static ? kTypeStatic : kTypeDynamic;
    header_.offset_bmap = static_cast<uint32_t>(kMapOffset);
    header_.offset_data = static_cast<uint32_t>(layout_.data_offset);
    header_.sector_size = static_cast<uint32_t>(kSectorSize);
    header_.disk_size = options.virtual_size;
    header_.block_size = static_cast<uint32_t>(kBlockSize);
    header_.blocks_in_image = static_cast<uint32_t>(layout_.blocks);
    header_.uuid_image = MakeUuid("vdi image", options);
    header_.uuid_last_snap = MakeUuid("vdi snapshot", options);
  }

  WriterTraits traits() const override { return {.ordered = !is_static_}; }

  Status Place(IoChannel& io, Chunk& chunk) override {
    if (!is_static_) return blocks_.Place(io, chunk);
    for (const Run& run : chunk.runs) {
      if (run.kind != Run::Kind::kData) continue;
      chunk.writes.push_back(
          {.offset = layout_.data_offset + run.offset, .length = run.length, .data = run.data});
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override {
    HOTCELL_RETURN_IF_ERROR(is_static_ ? WriteStaticMap(io) : blocks_.Finish(io));
    const uint64_t allocated = is_static_ ? layout_.blocks : blocks_.allocated();
    const uint64_t size = layout_.data_offset + allocated * kBlockSize;
    if (const IoResult sized = io.SetSize(slot_, size); !sized.ok()) {
      return IoError(sized, StrCat("make the VDI file ", size, " bytes long"));
    }
    // A file without a header is no image, so that one which is not complete cannot be taken for
    // one.
    if (const IoResult flushed = io.Flush(slot_); !flushed.ok()) {
      return IoError(flushed, "flush the VDI file");
    }
    header_.blocks_allocated = static_cast<uint32_t>(allocated);
    return WriteAll(io, slot_, 0, std::as_bytes(std::span(&header_, 1)), "the VDI header");
  }

 private:
  Status WriteStaticMap(IoChannel& io) {
    TableWriter map(slot_, layout_.table_offset, layout_.table_name);
    for (uint64_t block = 0; block < layout_.blocks; ++block) {
      HOTCELL_RETURN_IF_ERROR(map.Append(io, static_cast<uint32_t>(block)));
    }
    return map.Finish(io);
  }

  const uint32_t slot_;
  const bool is_static_;
  const BlockLayout layout_;
  Header header_ = {};
  BlockWriter blocks_;  // unless it is static
};

}  // namespace
}  // namespace vdi

Result<std::unique_ptr<ImageWriter>> CreateVdi(IoChannel& /*io*/, const CreateOptions& options) {
  OptionParser parser(vdi::kOptions, options.options);
  const bool is_static = parser.OnOff("static");
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  if (options.compress) return Unsupported("vdi: compression not supported for this file format");
  if (options.backing) return Unsupported("vdi: backing file not supported for this file format");
  if (options.exists) return MakesImagesAnew("vdi");
  if (options.virtual_size > vdi::kMaxBlocks * vdi::kBlockSize) {
    return InvalidArgument(StrCat("vdi: a disk of ", options.virtual_size,
                                  " bytes is more than the most there can be, ",
                                  vdi::kMaxBlocks * vdi::kBlockSize));
  }
  return std::unique_ptr<ImageWriter>(std::make_unique<vdi::Writer>(options, is_static));
}

}  // namespace hotcell::guest
