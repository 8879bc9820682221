// From an offset in a sparse extent to the grain that holds it.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_GRAIN_MAP_H_
#define HOTCELL_GUEST_FORMATS_VMDK_GRAIN_MAP_H_

#include <cstdint>
#include <span>
#include <vector>

#include "guest/formats/common/claim_table.h"
#include "guest/formats/common/extent_builder.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/piece_cache.h"
#include "guest/formats/vmdk/sparse_layout.h"

namespace hotcell::guest::vmdk {

// What an entry of a grain table says.
struct Grain {
  enum class Kind : uint8_t { kUnallocated, kZero, kData };
  Kind kind = Kind::kUnallocated;
  uint64_t offset = 0;  // kData: in the file, bytes
};

// The two levels of tables of one extent. Map() may be called by all lanes at once.
class GrainMap {
 public:
  // Entries read at once.
  static constexpr size_t kBatch = 128;

  // `cache` and `claims` outlive the map and may be shared by several.
  GrainMap(SparseLayout layout, PieceCache& cache, ClaimTable& claims)
      : layout_(std::move(layout)), cache_(cache), claims_(claims) {}

  const SparseLayout& layout() const { return layout_; }

  // Maps the extent as ImageReader::Map() maps a disk. `disk_offset` is where the extent begins on
  // the disk.
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length, uint64_t disk_offset);

  // Finds grain tables that lie where none can, and those that overlap: a file of little size
  // could otherwise have a disk that takes days to map.
  Status CheckTables(IoChannel& io);

  // Entries of the directory at `directory` (the grain directory's or the redundant one's offset),
  // from `first` on.
  Status ReadDirectory(IoChannel& io, uint64_t directory, uint64_t first,
                       std::span<uint64_t> entries);
  // Offset of the grain table that a directory entry names, validated; 0: there is none.
  Result<uint64_t> TableAt(uint64_t index, uint64_t entry) const;
  // Entries of the grain table at `table`, from `first` on.
  Status ReadTable(IoChannel& io, uint64_t table, uint64_t first, std::span<uint64_t> entries);
  // Any bytes of the file, through the cache.
  Status ReadFile(IoChannel& io, uint64_t offset, std::span<std::byte> out, std::string_view what) {
    return cache_.Read(io, layout_.file, offset, out, what);
  }
  // What an entry says of the grain at `offset` of the extent, of which `length` bytes are on the
  // disk. Validated.
  Result<Grain> GrainAt(uint64_t offset, uint64_t length, uint64_t entry) const;

 private:
  Status ReadEntries(IoChannel& io, uint64_t place, std::span<uint64_t> entries,
                     std::string_view what);
  Status Walk(IoChannel& io, uint64_t offset, uint64_t end, uint64_t disk_offset,
              ExtentBuilder& extent);
  Status WalkTable(IoChannel& io, uint64_t table, uint64_t offset, uint64_t end,
                   uint64_t disk_offset, ExtentBuilder& extent);
  // The piece of the extent in [offset, end) that the first of `entries` is about.
  Result<Extent> MakeExtent(uint64_t offset, uint64_t end, std::span<const uint64_t> entries) const;
  uint64_t StreamBound(uint64_t begin, std::span<const uint64_t> following) const;
  Status Claim(const Extent& piece, uint64_t offset, uint64_t disk_offset);

  const SparseLayout layout_;
  PieceCache& cache_;
  ClaimTable& claims_;
};

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_GRAIN_MAP_H_
