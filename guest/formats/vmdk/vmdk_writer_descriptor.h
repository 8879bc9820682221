// The descriptor of a VMDK that is written: the text that says of what the image consists. Virtual
// Disk Format 5.0, "The Descriptor File".
#ifndef HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_DESCRIPTOR_H_
#define HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_DESCRIPTOR_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "guest/formats/vmdk/write_options.h"

namespace hotcell::guest::vmdk {

// Whether text can stand between the quotes of a descriptor.
bool FitsInQuotes(std::string_view text);

// A content ID out of what is known of the image. VMware draws one at random; here the same input
// must give the same image.
class ContentId {
 public:
  void Add(uint64_t value) { state_ = (state_ ^ value) * 0x100000001b3; }  // FNV-1a
  void Add(std::string_view text) {
    for (const char c : text) Add(static_cast<uint8_t>(c));
  }
  // None of those that mean something: no parent, or a disk that was never written.
  uint32_t value() const;

 private:
  uint64_t state_ = 0xcbf29ce484222325;
};

struct DescribedExtent {
  uint64_t sectors = 0;
  std::string_view type;  // SPARSE or FLAT
  std::string name;       // of the file
};

std::string MakeDescriptor(const WriteOptions& options, uint64_t virtual_size, uint32_t content_id,
                           std::span<const DescribedExtent> extents);

}  // namespace hotcell::guest::vmdk

#endif  // HOTCELL_GUEST_FORMATS_VMDK_VMDK_WRITER_DESCRIPTOR_H_
