// Small cloop images made in memory, right or wrong in every field, for tests.
#ifndef HOTCELL_GUEST_FORMATS_CLOOP_TEST_IMAGE_H_
#define HOTCELL_GUEST_FORMATS_CLOOP_TEST_IMAGE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "guest/formats/cloop/on_disk.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::cloop {

// Three blocks of 512 bytes, each a zlib stream of stored bytes: 'a's, 'b's, 'c's.
class TestImage {
 public:
  static constexpr uint32_t kBlocks = 3;
  static constexpr uint64_t kData = sizeof(Header) + (kBlocks + 1) * sizeof(Be64);
  // RFC 1950 header, RFC 1951 block header with the lengths, data, Adler-32.
  static constexpr uint64_t kStream = 2 + 5 + 512 + 4;

  TestImage() : bytes_(kData + kBlocks * kStream) {
    std::copy(kScript.begin(), kScript.end(), header().script);
    header().block_size = 512u;
    header().num_blocks = kBlocks;
    for (uint32_t block = 0; block <= kBlocks; ++block) SetOffset(block, kData + block * kStream);
    for (uint32_t block = 0; block < kBlocks; ++block) WriteStream(block, char('a' + block));
  }

  Header& header() { return *reinterpret_cast<Header*>(bytes_.data()); }
  void SetOffset(uint64_t index, uint64_t offset) {
    const Be64 stored = offset;
    std::memcpy(bytes_.data() + sizeof(Header) + index * sizeof(Be64), &stored, sizeof(stored));
  }
  std::byte& at(uint64_t offset) { return bytes_[offset]; }
  void Resize(size_t size) { bytes_.resize(size); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  void WriteStream(uint32_t block, char fill) {
    uint8_t* const out = reinterpret_cast<uint8_t*>(bytes_.data()) + kData + block * kStream;
    constexpr uint8_t kHead[] = {0x78, 0x01, 0x01, 0x00, 0x02, 0xff, 0xfd};
    std::memcpy(out, kHead, sizeof(kHead));
    std::memset(out + sizeof(kHead), fill, 512);
    uint32_t a = 1;
    uint32_t b = 0;
    for (int i = 0; i < 512; ++i) {
      a = (a + static_cast<uint8_t>(fill)) % 65521;
      b = (b + a) % 65521;
    }
    const Be32 adler = b << 16 | a;
    std::memcpy(out + sizeof(kHead) + 512, &adler, sizeof(adler));
  }

  std::vector<std::byte> bytes_;
};

}  // namespace hotcell::guest::cloop

#endif  // HOTCELL_GUEST_FORMATS_CLOOP_TEST_IMAGE_H_
