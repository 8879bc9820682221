// The files of an image whose extents are files of their own, beside the descriptor.
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_FILES_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_FILES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/writer.h"
#include "guest/formats/vmdk/vmdk_writer_descriptor.h"
#include "guest/formats/vmdk/write_options.h"

namespace hotcell::guest::vmdk {

// All extents of an image but the last are this long, unless it has only one.
inline constexpr uint64_t kMaxExtentSize = 2ull << 30;  // bytes

struct ExtentFile {
  uint32_t slot = 0;
  uint64_t size = 0;  // bytes of the disk
  std::string name;
};

// "disk.vmdk" and 0: "disk-flat.vmdk", "disk-s001.vmdk" or "disk-f001.vmdk". Whoever makes the file
// names it by the same rule.
std::string ExtentName(std::string_view target, Subformat subformat, uint32_t number);

// Has all files made. None for an empty disk.
Result<std::vector<ExtentFile>> CreateExtentFiles(IoChannel& io, const CreateOptions& create,
                                                  const WriteOptions& options);

// Writes the descriptor, which is all that the target holds.
Status WriteDescriptorFile(IoChannel& io, uint32_t slot, const WriteOptions& options,
                           ContentId content_id, const std::vector<ExtentFile>& files);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_FILES_H_
