// The header of a sparse extent, read and validated: where its tables are and how they are read.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_SPARSE_LAYOUT_H_
#define HOTCELL_GUEST_FORMATS_VMDK_SPARSE_LAYOUT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/vmdk/on_disk.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest::vmdk {

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

enum class SparseKind : uint8_t { kHosted, kCowd, kSeSparse };

// All offsets and sizes in bytes of the file, validated to lie within it.
struct SparseLayout {
  SparseKind kind = SparseKind::kHosted;
  FileHandle file;
  uint64_t capacity = 0;    // of the extent, bytes
  uint64_t grain_size = 0;  // bytes
  uint32_t gt_entries = 0;  // of a grain table
  uint32_t entry_size = 4;  // of a grain directory's or grain table's entry, bytes
  uint64_t gd_offset = 0;
  uint64_t gd_entries = 0;  // as many as the capacity needs
  uint64_t rgd_offset = 0;  // of the redundant grain directory; 0: there is none
  uint64_t descriptor_offset = 0;
  uint64_t descriptor_size = 0;  // 0: there is none

  // kHosted.
  uint32_t version = 0;
  uint64_t overhead = 0;  // bytes from the file's start that hold no grains
  bool compressed = false;
  bool markers = false;  // before compressed grains
  bool zeroed_grains = false;
  bool unclean = false;
  bool footer = false;

  // kSeSparse: where the tables and grains are that entries give the numbers of.
  Region tables;
  uint64_t grains_offset = 0;

  std::vector<Region> metadata;  // where no grain may lie

  uint64_t table_size() const { return uint64_t{gt_entries} * entry_size; }      // bytes
  uint64_t table_coverage() const { return uint64_t{gt_entries} * grain_size; }  // bytes
};

// Reads the layout of a file that begins with kSparseMagic or kCowdMagic. capacity 0: the file only
// holds a descriptor, and a footer, if `footer` says so, has not been read.
Result<SparseLayout> ReadSparseLayout(IoChannel& io, const FileHandle& file);
// An error when the file does not end with a footer that says of the disk what its header says.
// Precondition: ReadSparseLayout() found a footer to be promised.
Status CheckFooter(IoChannel& io, const FileHandle& file);
Result<SparseLayout> ReadSeSparseLayout(IoChannel& io, const FileHandle& file);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_SPARSE_LAYOUT_H_
