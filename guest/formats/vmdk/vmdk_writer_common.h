// What the writers of sparse extents share.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_COMMON_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_COMMON_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/alignment.h"
#include "guest/formats/common/writer.h"
#include "guest/formats/vmdk/on_disk.h"
#include "guest/formats/vmdk/write_options.h"

namespace hotcell::guest::vmdk {

inline constexpr uint64_t kGrainSectors = 128;
inline constexpr uint64_t kGrainSize = kGrainSectors * kSectorSize;  // bytes
inline constexpr uint32_t kTableEntries = 512;
inline constexpr uint64_t kTableSectors = kTableEntries * sizeof(Le32) / kSectorSize;
inline constexpr uint64_t kDescriptorSector = 1;
inline constexpr uint64_t kDescriptorSectors = 20;
// Tables hold sector numbers of 32 bits.
inline constexpr uint64_t kMaxFileSectors = UINT32_MAX;

// All fields that do not depend on where the tables are.
SparseExtentHeader MakeHeader(uint64_t sectors, bool has_descriptor);

// The error of a file that is too large for its tables.
Status CheckFileSize(uint64_t sectors);

// Writes both; `descriptor` may be empty.
Status WriteHeaderAndDescriptor(IoChannel& io, uint32_t slot, const SparseExtentHeader& header,
                                std::string_view descriptor);

// The name that a descriptor gives for the target itself. It is of no consequence, so what cannot
// be said there is left out.
std::string NameInDescriptor(std::string_view name);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_COMMON_H_
