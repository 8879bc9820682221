#include "guest/formats/vhdx/crc32c.h"

#include <array>

#include "guest/formats/common/endian.h"

namespace hotcell::guest::vhdx {
namespace {

constexpr size_t kSlices = 8;
using Tables = std::array<std::array<uint32_t, 256>, kSlices>;

// tables[k][b]: what byte b adds when k bytes follow it.
constexpr Tables MakeTables() {
  constexpr uint32_t kReversedPolynomial = 0x82f6'3b78;
  Tables tables = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? kReversedPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < kSlices; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

// Eight bytes at once: metadata is read in pieces of up to a MiB before a disk can be opened.
uint32_t Crc32c(std::span<const std::byte> data, uint32_t crc) {
  crc = ~crc;
  for (; data.size() >= kSlices; data = data.subspan(kSlices)) {
    uint64_t word = LoadStruct<Le64>(data) ^ crc;
    crc = 0;
    for (size_t k = kSlices; k-- > 0; word >>= 8) crc ^= kTables[k][word & 0xff];
  }
  for (const std::byte byte : data) {
    crc = crc >> 8 ^ kTables[0][(crc ^ std::to_integer<uint32_t>(byte)) & 0xff];
  }
  return ~crc;
}

}  // namespace hotcell::guest::vhdx
