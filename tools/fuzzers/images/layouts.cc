#include <algorithm>
#include <array>

#include "guest/formats/bochs/on_disk.h"
#include "guest/formats/cloop/on_disk.h"
#include "guest/formats/dmg/on_disk.h"
#include "guest/formats/parallels/on_disk.h"
#include "guest/formats/qcow/on_disk.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qed/on_disk.h"
#include "guest/formats/vdi/on_disk.h"
#include "tools/fuzzers/images/layout.h"
#include "tools/fuzzers/images/repaired_layouts.h"
#include "tools/fuzzers/images/vmdk_layout.h"

namespace hotcell::fuzz {
namespace {

using namespace guest;  // NOLINT(google-build-using-namespace): a namespace for each format

// A pointer that is a field of the structure at the file's start.
#define POINTER(type, member) \
  { .at = offsetof(type, member), .width = sizeof(type::member) }

namespace qcow2_layout {
using namespace qcow2;  // NOLINT(google-build-using-namespace)
constexpr std::array kHeader = {
    HOTCELL_FIELD(Header, version),
    HOTCELL_FIELD(Header, backing_file_offset),
    HOTCELL_FIELD(Header, backing_file_size),
    HOTCELL_FIELD(Header, cluster_bits),
    HOTCELL_FIELD(Header, size),
    HOTCELL_FIELD(Header, crypt_method),
    HOTCELL_FIELD(Header, l1_size),
    HOTCELL_FIELD(Header, l1_table_offset),
    HOTCELL_FIELD(Header, refcount_table_offset),
    HOTCELL_FIELD(Header, refcount_table_clusters),
    HOTCELL_FIELD(Header, nb_snapshots),
    HOTCELL_FIELD(Header, snapshots_offset),
    HOTCELL_FIELD(Header, incompatible_features),
    HOTCELL_FIELD(Header, compatible_features),
    HOTCELL_FIELD(Header, autoclear_features),
    HOTCELL_FIELD(Header, refcount_order),
    HOTCELL_FIELD(Header, header_length),
    HOTCELL_FIELD(Header, compression_type),
};
constexpr std::array kExtension = {HOTCELL_FIELD(ExtensionHeader, type),
                                   HOTCELL_FIELD(ExtensionHeader, length), Field{8, 8},
                                   Field{16, 8}, Field{24, 8}};
constexpr std::array kSnapshot = {HOTCELL_FIELD(SnapshotEntry, l1_table_offset),
                                  HOTCELL_FIELD(SnapshotEntry, l1_size),
                                  HOTCELL_FIELD(SnapshotEntry, id_str_size),
                                  HOTCELL_FIELD(SnapshotEntry, name_size),
                                  HOTCELL_FIELD(SnapshotEntry, vm_state_size),
                                  HOTCELL_FIELD(SnapshotEntry, extra_data_size),
                                  Field{sizeof(SnapshotEntry), 8},
                                  Field{sizeof(SnapshotEntry) + 8, 8},
                                  Field{sizeof(SnapshotEntry) + 16, 16}};
constexpr std::array kStructures = {
    Structure{.fields = kHeader},
    Structure{.at = kHeaderLengthV3, .fields = kExtension},
    Structure{.at = sizeof(Header), .fields = kExtension},
    Structure{.pointer = POINTER(Header, snapshots_offset), .fields = kSnapshot},
};
constexpr Table kL2 = {.width = 8, .entries = 64};
constexpr Table kRefcountBlock = {.width = 2, .entries = 64};
constexpr std::array kTables = {
    Table{.pointer = POINTER(Header, l1_table_offset),
          .width = 8,
          .entries = 8,
          .below = &kL2,
          .mask = kOffsetMask},
    Table{.pointer = POINTER(Header, refcount_table_offset),
          .width = 8,
          .entries = 4,
          .below = &kRefcountBlock,
          .mask = kRefcountBlockMask},
};
constexpr std::array<uint64_t, 10> kValues = {kEntryCopied,
                                              kEntryCompressed,
                                              kEntryZero,
                                              kEntryCopied | kEntryZero,
                                              kAllSubclustersZero,
                                              kExtensionBackingFormat,
                                              kExtensionFeatureNames,
                                              kExtensionBitmaps,
                                              kExtensionEncryption,
                                              kExtensionDataFile};
constexpr Layout kLayout = {.format = "qcow2",
                            .big_endian = true,
                            .structures = kStructures,
                            .tables = kTables,
                            .values = kValues};
}  // namespace qcow2_layout

namespace qcow_layout {
using namespace qcow;  // NOLINT(google-build-using-namespace)
constexpr std::array kHeader = {HOTCELL_FIELD(Header, version),
                                HOTCELL_FIELD(Header, backing_file_offset),
                                HOTCELL_FIELD(Header, backing_file_size),
                                HOTCELL_FIELD(Header, mtime),
                                HOTCELL_FIELD(Header, size),
                                HOTCELL_FIELD(Header, cluster_bits),
                                HOTCELL_FIELD(Header, l2_bits),
                                HOTCELL_FIELD(Header, crypt_method),
                                HOTCELL_FIELD(Header, l1_table_offset)};
constexpr std::array kStructures = {Structure{.fields = kHeader}};
constexpr Table kL2 = {.width = 8, .entries = 64};
constexpr std::array kTables = {
    Table{.pointer = POINTER(Header, l1_table_offset), .width = 8, .entries = 8, .below = &kL2}};
constexpr std::array<uint64_t, 2> kValues = {kEntryCompressed, kEntryCompressed | 512ull << 51};
constexpr Layout kLayout = {.format = "qcow",
                            .big_endian = true,
                            .structures = kStructures,
                            .tables = kTables,
                            .values = kValues};
}  // namespace qcow_layout

namespace qed_layout {
using namespace qed;  // NOLINT(google-build-using-namespace)
constexpr std::array kHeader = {HOTCELL_FIELD(Header, cluster_size),
                                HOTCELL_FIELD(Header, table_size),
                                HOTCELL_FIELD(Header, header_size),
                                HOTCELL_FIELD(Header, features),
                                HOTCELL_FIELD(Header, compat_features),
                                HOTCELL_FIELD(Header, autoclear_features),
                                HOTCELL_FIELD(Header, l1_table_offset),
                                HOTCELL_FIELD(Header, image_size),
                                HOTCELL_FIELD(Header, backing_filename_offset),
                                HOTCELL_FIELD(Header, backing_filename_size)};
constexpr std::array kStructures = {Structure{.fields = kHeader}};
constexpr Table kL2 = {.width = 8, .entries = 64};
constexpr std::array kTables = {
    Table{.pointer = POINTER(Header, l1_table_offset), .width = 8, .entries = 8, .below = &kL2}};
constexpr std::array<uint64_t, 2> kValues = {kZeroCluster, kKnownFeatures};
constexpr Layout kLayout = {
    .format = "qed", .structures = kStructures, .tables = kTables, .values = kValues};
}  // namespace qed_layout

namespace vdi_layout {
using namespace vdi;  // NOLINT(google-build-using-namespace)
constexpr std::array kHeader = {
    HOTCELL_FIELD(Header, version),         HOTCELL_FIELD(Header, header_size),
    HOTCELL_FIELD(Header, image_type),      HOTCELL_FIELD(Header, image_flags),
    HOTCELL_FIELD(Header, offset_bmap),     HOTCELL_FIELD(Header, offset_data),
    HOTCELL_FIELD(Header, sector_size),     HOTCELL_FIELD(Header, disk_size),
    HOTCELL_FIELD(Header, block_size),      HOTCELL_FIELD(Header, block_extra),
    HOTCELL_FIELD(Header, blocks_in_image), HOTCELL_FIELD(Header, blocks_allocated),
    HOTCELL_FIELD(Header, uuid_image),      HOTCELL_FIELD(Header, uuid_link),
    HOTCELL_FIELD(Header, uuid_parent)};
constexpr std::array kStructures = {Structure{.fields = kHeader}};
constexpr std::array kTables = {
    Table{.pointer = POINTER(Header, offset_bmap), .width = 4, .entries = 32}};
constexpr std::array<uint64_t, 3> kValues = {kUnallocated, kDiscarded, kBlockSize};
constexpr Layout kLayout = {
    .format = "vdi", .structures = kStructures, .tables = kTables, .values = kValues};
}  // namespace vdi_layout

namespace parallels_layout {
using namespace parallels;  // NOLINT(google-build-using-namespace)
constexpr std::array kHeader = {
    HOTCELL_FIELD(Header, magic),      HOTCELL_FIELD(Header, version),
    HOTCELL_FIELD(Header, heads),      HOTCELL_FIELD(Header, cylinders),
    HOTCELL_FIELD(Header, tracks),     HOTCELL_FIELD(Header, nb_bat_entries),
    HOTCELL_FIELD(Header, nb_sectors), HOTCELL_FIELD(Header, in_use),
    HOTCELL_FIELD(Header, data_off),   HOTCELL_FIELD(Header, flags),
    HOTCELL_FIELD(Header, ext_off)};
constexpr std::array kExtension = {
    HOTCELL_FIELD(ExtensionHeader, magic),
    Field{sizeof(ExtensionHeader) + offsetof(FeatureHeader, magic), 8},
    Field{sizeof(ExtensionHeader) + offsetof(FeatureHeader, flags), 8},
    Field{sizeof(ExtensionHeader) + offsetof(FeatureHeader, data_size), 4}};
constexpr std::array kStructures = {
    Structure{.fields = kHeader},
    Structure{.pointer = {.at = offsetof(Header, ext_off), .width = 8, .unit = kSectorSize},
              .fields = kExtension}};
constexpr std::array kTables = {Table{.at = sizeof(Header), .width = 4, .entries = 32}};
constexpr std::array<uint64_t, 4> kValues = {kInUse, kExtensionMagic, kFeatureDirtyBitmap,
                                             kFlagEmpty};
constexpr Layout kLayout = {.format = "parallels",
                            .unit = kSectorSize,
                            .structures = kStructures,
                            .tables = kTables,
                            .values = kValues};
}  // namespace parallels_layout

namespace bochs_layout {
using namespace bochs;  // NOLINT(google-build-using-namespace)
constexpr std::array kHeader = {
    HOTCELL_FIELD(Header, type),   HOTCELL_FIELD(Header, subtype), HOTCELL_FIELD(Header, version),
    HOTCELL_FIELD(Header, header), HOTCELL_FIELD(Header, catalog), HOTCELL_FIELD(Header, bitmap),
    HOTCELL_FIELD(Header, extent), Field{kDiskOffsetV1, 8},        HOTCELL_FIELD(Header, disk)};
constexpr std::array kStructures = {Structure{.fields = kHeader}};
constexpr std::array kTables = {
    Table{.pointer = POINTER(Header, header), .width = 4, .entries = 16}};
constexpr std::array<uint64_t, 3> kValues = {kVersion1, kVersion2, kNoExtent};
constexpr Layout kLayout = {
    .format = "bochs", .structures = kStructures, .tables = kTables, .values = kValues};
}  // namespace bochs_layout

namespace cloop_layout {
using namespace cloop;  // NOLINT(google-build-using-namespace)
constexpr std::array kHeader = {HOTCELL_FIELD(Header, block_size),
                                HOTCELL_FIELD(Header, num_blocks)};
constexpr std::array kStructures = {Structure{.fields = kHeader}};
constexpr std::array kTables = {Table{.at = sizeof(Header), .width = 8, .entries = 16}};
constexpr Layout kLayout = {
    .format = "cloop", .big_endian = true, .structures = kStructures, .tables = kTables};
}  // namespace cloop_layout

namespace dmg_layout {
using namespace dmg;  // NOLINT(google-build-using-namespace)
constexpr std::array kTrailer = {HOTCELL_FIELD(Trailer, version),
                                 HOTCELL_FIELD(Trailer, header_size),
                                 HOTCELL_FIELD(Trailer, flags),
                                 HOTCELL_FIELD(Trailer, data_fork_offset),
                                 HOTCELL_FIELD(Trailer, data_fork_length),
                                 HOTCELL_FIELD(Trailer, rsrc_fork_offset),
                                 HOTCELL_FIELD(Trailer, rsrc_fork_length),
                                 HOTCELL_FIELD(Trailer, segment_number),
                                 HOTCELL_FIELD(Trailer, segment_count),
                                 HOTCELL_FIELD(Trailer, xml_offset),
                                 HOTCELL_FIELD(Trailer, xml_length),
                                 HOTCELL_FIELD(Trailer, sector_count)};
constexpr std::array kFork = {
    HOTCELL_FIELD(ResourceForkHeader, data_offset), HOTCELL_FIELD(ResourceForkHeader, map_offset),
    HOTCELL_FIELD(ResourceForkHeader, data_length), HOTCELL_FIELD(ResourceForkHeader, map_length)};
constexpr std::array kBlockTable = {
    HOTCELL_FIELD(BlockTableHeader, signature), HOTCELL_FIELD(BlockTableHeader, sector_number),
    HOTCELL_FIELD(BlockTableHeader, sector_count), HOTCELL_FIELD(BlockTableHeader, data_offset),
    HOTCELL_FIELD(BlockTableHeader, chunk_count)};
constexpr std::array kChunk = {
    HOTCELL_FIELD(ChunkEntry, type), HOTCELL_FIELD(ChunkEntry, sector_number),
    HOTCELL_FIELD(ChunkEntry, sector_count), HOTCELL_FIELD(ChunkEntry, offset),
    HOTCELL_FIELD(ChunkEntry, length)};
// The resource fork of the seeds begins with its only resource, after a header of 16 bytes.
constexpr uint64_t kForkAt = 0;
constexpr int64_t kResource = sizeof(ResourceForkHeader) + sizeof(Be32);
constexpr std::array kStructures = {
    Structure{.at = -static_cast<int64_t>(sizeof(Trailer)), .fields = kTrailer},
    Structure{.at = kForkAt, .fields = kFork},
    Structure{.at = kForkAt + kResource, .fields = kBlockTable},
    Structure{.at = kForkAt + kResource + sizeof(BlockTableHeader),
              .fields = kChunk,
              .count = 8,
              .stride = sizeof(ChunkEntry)}};
constexpr std::array<uint64_t, 10> kValues = {kZero, kRaw,   kIgnore, kComment, kAdc,
                                              kZlib, kBzip2, kLzfse,  kLzma,    kEnd};
constexpr Layout kLayout = {
    .format = "dmg", .big_endian = true, .structures = kStructures, .values = kValues};
}  // namespace dmg_layout

#undef POINTER

}  // namespace

const Layout& LayoutOf(std::string_view format) {
  static constexpr Layout kUnknown = {};
  static constexpr const Layout* kLayouts[] = {&qcow2_layout::kLayout,
                                               &qcow_layout::kLayout,
                                               &qed_layout::kLayout,
                                               &vdi_layout::kLayout,
                                               &parallels_layout::kLayout,
                                               &bochs_layout::kLayout,
                                               &cloop_layout::kLayout,
                                               &dmg_layout::kLayout,
                                               &kVmdkLayout,
                                               &kVpcLayout,
                                               &kVhdxLayout};
  const auto* const found = std::ranges::find(kLayouts, format, &Layout::format);
  return found == std::end(kLayouts) ? kUnknown : **found;
}

}  // namespace hotcell::fuzz
