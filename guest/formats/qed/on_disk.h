// The structures of a QED file, with the field names of QEMU's docs/interop/qed_spec.
#ifndef HOTCELL_GUEST_FORMATS_QED_ON_DISK_H_
#define HOTCELL_GUEST_FORMATS_QED_ON_DISK_H_

#include <cstdint>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::qed {

inline constexpr uint32_t kMagic = 0x00444551;  // "QED\0"

// "Layout".
struct Header {
  Le32 magic;
  Le32 cluster_size;  // bytes
  Le32 table_size;    // of L1 and L2 tables, clusters
  Le32 header_size;   // clusters
  Le64 features;
  Le64 compat_features;
  Le64 autoclear_features;
  Le64 l1_table_offset;  // bytes
  Le64 image_size;       // bytes
  // Where the name of the backing file is, bytes; valid with kFeatureBackingFile.
  Le32 backing_filename_offset;
  Le32 backing_filename_size;
};
static_assert(sizeof(Header) == 64);

// "Feature bits": an image with one that is not known cannot be read.
inline constexpr uint64_t kFeatureBackingFile = 1u << 0;
inline constexpr uint64_t kFeatureNeedCheck = 1u << 1;
inline constexpr uint64_t kFeatureBackingFormatNoProbe = 1u << 2;  // the backing file is raw
inline constexpr uint64_t kKnownFeatures =
    kFeatureBackingFile | kFeatureNeedCheck | kFeatureBackingFormatNoProbe;

// "Tables": an L2 entry of this value is a cluster of zeroes, one of 0 is not allocated.
inline constexpr uint64_t kZeroCluster = 1;

inline constexpr uint32_t kMinClusterSize = 4 << 10;
inline constexpr uint32_t kMaxClusterSize = 64 << 20;
inline constexpr uint32_t kMaxTableSize = 16;
// QEMU's limit: its block layer has room for so many.
inline constexpr uint32_t kMaxBackingFileName = 1023;

}  // namespace hotcell::guest::qed

#endif  // HOTCELL_GUEST_FORMATS_QED_ON_DISK_H_
