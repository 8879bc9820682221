// Deflate within a small window.
#ifndef HOTCELL_GUEST_CODECS_DEFLATE_ENCODER_H_
#define HOTCELL_GUEST_CODECS_DEFLATE_ENCODER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hotcell::guest {

// Makes raw deflate streams (RFC 1951) whose matches reach back less than 4 KiB, because readers of
// qcow2 inflate with a window of 12 bits, as qemu does. zlib holds them to that wherever its output
// buffer ends before the cluster does: Python's zlib.decompressobj(-12) refuses a match that
// reaches farther. The libraries that Debian has as static archives are libdeflate, whose window is
// always 32 KiB, and zlib, which takes nearly four times as long.
//
// About 200 KiB of state. Not thread-safe. The same data gives the same stream, whatever was
// compressed before.
class DeflateEncoder {
 public:
  static constexpr size_t kWindowSize = 4096;
  static constexpr int kHashBits = 15;

  // Bytes of `out` used; 0 when the stream is longer than `out`.
  size_t Compress(std::span<const std::byte> data, std::span<std::byte> out);

 private:
  class BitWriter;
  struct Match {
    uint32_t length = 0;  // 0: none
    uint32_t distance = 0;
  };

  static constexpr size_t kMaxTokens = 32768;  // in a block
  static constexpr size_t kLiteralSymbols = 288;
  static constexpr size_t kDistanceSymbols = 30;
  static constexpr size_t kKinds = 10;

  void StartBlock();
  void Insert(const uint8_t* data, size_t at);
  Match FindAndInsert(const uint8_t* data, size_t at, size_t size);
  void AddLiteral(uint8_t byte);
  void AddMatch(Match match);
  bool BlockShouldEnd(size_t block_size);
  bool WriteBlock(BitWriter& writer, bool last);
  void WriteTokens(BitWriter& writer, std::span<const uint8_t> literal_lengths,
                   std::span<const uint8_t> distance_lengths);

  // Positions are kept modulo 2^16. One that is out of date may pass for one in the window; it is
  // looked at like any other.
  std::array<uint16_t, 1 << kHashBits> last_;  // by hash of four bytes: where it was last
  std::array<uint16_t, kWindowSize> earlier_;  // by position: where its hash was before

  // The block being made: literals as they are, matches as distance << kLengthBits | length.
  std::array<uint32_t, kMaxTokens> tokens_;
  size_t token_count_ = 0;
  std::array<uint32_t, kLiteralSymbols> literal_frequencies_;
  std::array<uint32_t, kDistanceSymbols> distance_frequencies_;

  // What kinds of tokens the first `judged_count_` of the block are.
  std::array<uint32_t, kKinds> kinds_;
  size_t judged_count_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_CODECS_DEFLATE_ENCODER_H_
