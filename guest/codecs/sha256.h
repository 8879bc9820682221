// SHA-256, for digests of disks.
#ifndef HOTCELL_GUEST_CODECS_SHA256_H_
#define HOTCELL_GUEST_CODECS_SHA256_H_

#include <openssl/sha.h>

#include <array>
#include <cstddef>
#include <span>

namespace hotcell::guest {

// FIPS 180-4, by libcrypto, with the processor's SHA instructions where it has them.
class Sha256 {
 public:
  using Digest = std::array<std::byte, 32>;

  Sha256();
  void Update(std::span<const std::byte> data);
  // Ends the message.
  Digest Final();

 private:
  SHA256_CTX context_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_CODECS_SHA256_H_
