// What an L2 entry says about its cluster.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_H_

#include <cstdint>

#include "guest/formats/common/format.h"
#include "guest/formats/qcow2/header.h"

namespace hotcell::guest::qcow2 {

// An entry of an L2 table, with what is needed to judge it.
struct ClusterEntry {
  uint64_t descriptor = 0;      // first 8 bytes
  uint64_t bitmap = 0;          // last 8 bytes, of extended entries
  uint64_t virtual_offset = 0;  // of the cluster, bytes
};

// Decodes entries of one image.
class ClusterDecoder {
 public:
  // `data_file` holds the clusters: the image's own file, or its external data file.
  ClusterDecoder(const ImageHeader& header, const FileHandle& data_file);

  // The extent that starts `offset_in_cluster` bytes into the cluster; it ends at the cluster's end
  // or before.
  Result<Extent> Decode(const ClusterEntry& entry, uint64_t offset_in_cluster) const;

 private:
  Result<Extent> DecodeCompressed(const ClusterEntry& entry, uint64_t offset_in_cluster) const;
  Result<Extent> DecodeSubclusters(const ClusterEntry& entry, uint64_t offset_in_cluster) const;
  Extent Hole(Extent::Kind kind, const ClusterEntry& entry, uint64_t offset_in_cluster,
              uint64_t length) const;
  Result<Extent> Data(const ClusterEntry& entry, uint64_t offset_in_cluster, uint64_t length) const;

  uint32_t version_;
  uint32_t cluster_bits_;
  uint64_t cluster_size_;  // bytes
  bool extended_;
  bool external_;
  Compression compression_;
  FileHandle data_file_;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_CLUSTER_H_
