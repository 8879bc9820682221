// Small qcow images made in memory, right or wrong in every field, for tests.
#ifndef HOTCELL_GUEST_FORMATS_QCOW_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_QCOW_TEST_IMAGE_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "guest/formats/qcow/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::qcow {

// A disk of 1 MiB in clusters of 4 KiB: header, L1 table of one entry at 48, L2 table at 4 KiB, and
// the clusters of disk offsets 0 and 4 KiB at 8 KiB and 12 KiB.
class TestImage {
 public:
  static constexpr uint64_t kCluster = 4096;

  TestImage() : bytes_(4 * kCluster) {
    Header header = {};
    header.magic = kMagic;
    header.version = kVersion;
    header.size = 1 << 20;
    header.cluster_bits = 12;
    header.l2_bits = 9;
    header.l1_table_offset = sizeof(Header);
    Set(0, header);
    Set(sizeof(Header), Be64(kCluster));
    SetL2(0, 2 * kCluster);
    SetL2(1, 3 * kCluster);
  }

  Header& header() { return *reinterpret_cast<Header*>(bytes_.data()); }
  void SetL2(size_t index, uint64_t entry) { Set(kCluster + index * sizeof(Be64), Be64(entry)); }
  template <typename T>
  void Set(uint64_t offset, const T& value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof(value));
  }
  void Resize(size_t size) { bytes_.resize(size); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace hotcell::guest::qcow

#endif  // HOTCELL_GUEST_FORMATS_QCOW_TEST_IMAGE_H_
