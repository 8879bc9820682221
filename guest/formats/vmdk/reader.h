// The disk of a VMDK, put together from its extents: sparse ones, whose grains are looked up, flat
// ones, and those that are only zeroes.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_READER_H_
#define HOTCELL_GUEST_FORMATS_VMDK_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "guest/formats/common/claim_table.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/piece_cache.h"
#include "guest/formats/vmdk/descriptor.h"
#include "guest/formats/vmdk/grain_map.h"

namespace hotcell::guest::vmdk {

// What an image says of one of its extents.
struct ExtentInfo {
  std::string filename;       // as the descriptor has it
  std::string format;         // "SPARSE", "FLAT"; empty: the image itself is the extent
  uint64_t virtual_size = 0;  // bytes
  uint64_t cluster_size = 0;  // bytes; 0: none
  bool compressed = false;
};

// An extent of the disk. Without `grains` and `flat` it reads as zeroes, or is only described.
struct DiskExtent {
  uint64_t begin = 0;   // on the disk, bytes
  uint64_t length = 0;  // bytes
  ExtentInfo info;
  std::unique_ptr<GrainMap> grains;
  std::unique_ptr<ImageReader> flat;
  uint64_t flat_offset = 0;  // in the file, bytes
};

// The tables of all extents share these.
struct Tables {
  PieceCache cache{32};
  ClaimTable claims;
};

// What Open() found out about an image.
struct ImageParts {
  Descriptor descriptor;
  std::string create_type;  // as QEMU names it
  std::unique_ptr<Tables> tables;
  std::vector<DiskExtent> extents;  // ascending, adjacent
  std::vector<Reference> references;
  std::vector<std::string> features;
  std::vector<std::string> warnings;
};

class Reader : public ImageReader {
 public:
  explicit Reader(ImageParts parts);

  uint64_t virtual_size() const override { return virtual_size_; }
  std::optional<Reference> backing() const override;
  std::string identity() const override;
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override;
  std::vector<FileHandle> data_files() const override;
  ImageDescription Describe() const override;

 private:
  const ImageParts parts_;
  const uint64_t virtual_size_;
};

// The error of an extent, with the name of its file if that is not the image's own.
Status InExtent(const ExtentInfo& extent, const Status& status);

// Everything about an image, and, unless it is only described, its open extents, whose tables
// nobody has looked at.
Result<ImageParts> OpenParts(IoChannel& io, const FileHandle& file, const OpenOptions& options);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_READER_H_
