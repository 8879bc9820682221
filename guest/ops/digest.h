// `digest`: the SHA-256 of a disk, whatever the format it is stored in.
#ifndef HOTCELL_GUEST_OPS_DIGEST_H_
#define HOTCELL_GUEST_OPS_DIGEST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "guest/codecs/sha256.h"
#include "guest/ops/jobs.h"
#include "guest/runtime/common/lanes.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// The fields of hotcell.v1.DigestResult.
struct DigestSummary {
  Sha256::Digest sha256 = {};
  uint64_t virtual_size = 0;  // bytes hashed, a multiple of 512
  std::string source_format;
  uint64_t bytes_read = 0;
  std::vector<std::string> warnings;
};

// Reads and unpacks the disk on all lanes, and hashes it in order, one lane at a time: the result
// is that of sha256sum on the disk converted to raw.
Result<DigestSummary> Digest(Lanes& lanes, const DigestJob& job);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_DIGEST_H_
