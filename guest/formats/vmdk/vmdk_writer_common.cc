#include "guest/formats/vmdk/vmdk_writer_common.h"

#include <cstring>

#include "guest/formats/vmdk/vmdk_writer_descriptor.h"

namespace hotcell::guest::vmdk {

SparseExtentHeader MakeHeader(uint64_t sectors, bool has_descriptor) {
  SparseExtentHeader header = {};
  header.magicNumber = kSparseMagic;
  header.version = 1;
  header.flags = kFlagNewlineDetection;
  header.capacity = sectors;
  header.grainSize = kGrainSectors;
  if (has_descriptor) {
    header.descriptorOffset = kDescriptorSector;
    header.descriptorSize = kDescriptorSectors;
  }
  header.numGTEsPerGT = kTableEntries;
  header.singleEndLineChar = '\n';
  header.nonEndLineChar = ' ';
  header.doubleEndLineChar1 = '\r';
  header.doubleEndLineChar2 = '\n';
  return header;
}

Status CheckFileSize(uint64_t sectors) {
  if (sectors <= kMaxFileSectors) return OkStatus();
  return LimitExceeded("vmdk: the file would be larger than 2 TiB, which is the most it can be");
}

Status WriteHeaderAndDescriptor(IoChannel& io, uint32_t slot, const SparseExtentHeader& header,
                                std::string_view descriptor) {
  std::vector<std::byte> head(sizeof(header) + descriptor.size());
  std::memcpy(head.data(), &header, sizeof(header));
  std::memcpy(head.data() + kDescriptorSector * kSectorSize, descriptor.data(), descriptor.size());
  return WriteAll(io, slot, 0, head, "the vmdk header");
}

std::string NameInDescriptor(std::string_view name) {
  return name.empty() || !FitsInQuotes(name) ? "disk.vmdk" : std::string(name);
}

}  // namespace hotcell::guest::vmdk
