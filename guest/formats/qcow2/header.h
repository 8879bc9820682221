// A qcow2 header with its extensions, read and validated.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_HEADER_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_HEADER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::qcow2 {

// A range of the file that a structure claims.
struct Region {
  uint64_t offset = 0;  // bytes
  uint64_t size = 0;    // bytes
  std::string_view what;

  uint64_t end() const { return offset + size; }  // validated not to overflow
  bool Overlaps(uint64_t other_offset, uint64_t other_size) const {
    return offset < other_offset + other_size && other_offset < end();
  }
};

struct BitmapDirectory {
  uint32_t count = 0;
  uint64_t offset = 0;  // bytes
  uint64_t size = 0;    // bytes
};

// The header's fields in host byte order. What a field alone can show to be wrong is ruled out;
// where the tables lie is judged by CheckTables().
struct ImageHeader {
  uint32_t version = 0;
  uint32_t cluster_bits = 0;
  uint64_t cluster_size = 0;  // bytes
  uint64_t size = 0;          // of the virtual disk, bytes
  uint32_t crypt_method = kCryptNone;
  uint32_t l1_size = 0;  // entries
  uint64_t l1_offset = 0;
  uint64_t refcount_table_offset = 0;
  uint64_t refcount_table_size = 0;  // bytes
  uint32_t refcount_bits = 0;
  uint32_t snapshot_count = 0;
  uint64_t snapshots_offset = 0;
  uint64_t incompatible = 0;
  uint64_t compatible = 0;
  uint64_t autoclear = 0;
  Compression compression = Compression::kDeflate;
  std::optional<Reference> backing;
  std::optional<std::string> data_file;
  std::optional<BitmapDirectory> bitmaps;
  std::optional<Region> encryption_header;
  uint32_t header_length = 0;  // bytes
  // Bytes of all header extensions together, those of unknown types included.
  uint64_t extensions_size = 0;
  uint32_t extension_count = 0;
  // The format that the header extension names, whether there is a backing file or not.
  std::optional<std::string> backing_format;
  std::vector<std::string> features;  // one for each bit that is set, as for ImageDescription

  bool dirty() const { return (incompatible & kIncompatibleDirty) != 0; }
  bool corrupt() const { return (incompatible & kIncompatibleCorrupt) != 0; }
  bool has_data_file() const { return (incompatible & kIncompatibleDataFile) != 0; }
  bool data_file_raw() const { return has_data_file() && (autoclear & kAutoclearRawDataFile) != 0; }
  bool extended_l2() const { return (incompatible & kIncompatibleExtendedL2) != 0; }

  uint32_t l2_entry_words() const { return extended_l2() ? 2 : 1; }  // of 8 bytes
  uint32_t l2_entries() const {
    return static_cast<uint32_t>(cluster_size / (uint64_t{8} * l2_entry_words()));
  }
  // Bytes of virtual disk that one L2 table maps.
  uint64_t l2_coverage() const { return l2_entries() * cluster_size; }
  // L1 entries that a disk of `virtual_size` bytes needs.
  uint64_t L1EntriesFor(uint64_t virtual_size) const {
    return virtual_size / l2_coverage() + (virtual_size % l2_coverage() != 0 ? 1 : 0);
  }
};

// Reads the file's first cluster, as far as there are extensions in it.
Result<ImageHeader> ReadHeader(IoChannel& io, const FileHandle& file);

// An L1 table of `entries` entries at `offset`, for a disk of `virtual_size` bytes: aligned, not
// too big, not too small. `what` names it in errors.
Status CheckL1Table(const ImageHeader& header, uint64_t offset, uint64_t entries,
                    uint64_t virtual_size, std::string_view what);

// The ranges that the header's structures claim: the header itself, the active L1 table, the
// refcount table, the encryption header, the bitmap directory.
std::vector<Region> MetadataRegions(const ImageHeader& header);

// Every region lies within the file, and no two claim the same bytes.
Status CheckRegions(const std::vector<Region>& regions, const FileHandle& file);

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_HEADER_H_
