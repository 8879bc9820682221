// Small QED images made in memory, right or wrong in every field, for tests.
#ifndef HOTCELL_GUEST_FORMATS_QED_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_QED_TEST_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "guest/formats/qed/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::qed {

// A disk of 1 MiB in clusters of 4 KiB, in this order: header, L1 table, L2 table, the clusters of
// disk offsets 0 and 4 KiB. Disk offset 8 KiB is a zero cluster.
class TestImage {
 public:
  static constexpr uint64_t kCluster = 4096;

  TestImage() : bytes_(5 * kCluster) {
    Header header = {};
    header.magic = kMagic;
    header.cluster_size = uint32_t{kCluster};
    header.table_size = 1u;
    header.header_size = 1u;
    header.l1_table_offset = kCluster;
    header.image_size = 1u << 20;
    Set(0, header);
    SetL1(0, 2 * kCluster);
    SetL2(0, 3 * kCluster);
    SetL2(1, 4 * kCluster);
    SetL2(2, kZeroCluster);
  }

  Header& header() { return *reinterpret_cast<Header*>(bytes_.data()); }
  void SetL1(size_t index, uint64_t entry) { Set(kCluster + index * sizeof(Le64), Le64(entry)); }
  void SetL2(size_t index, uint64_t entry) {
    Set(2 * kCluster + index * sizeof(Le64), Le64(entry));
  }
  void SetBackingName(uint32_t offset, uint32_t size) {
    header().features = kFeatureBackingFile;
    header().backing_filename_offset = offset;
    header().backing_filename_size = size;
  }
  template <typename T>
  void Set(uint64_t offset, const T& value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(value));
  }
  void Resize(size_t size) { bytes_.resize(size); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace hotcell::guest::qed

#endif  // HOTCELL_GUEST_FORMATS_QED_TEST_IMAGE_H_
