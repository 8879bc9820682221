// Guest programs out of a fuzzer's bytes.
#ifndef HOTCELL_TOOLS_FUZZERS_BOUNDARY_KVM_GUEST_H_
#define HOTCELL_TOOLS_FUZZERS_BOUNDARY_KVM_GUEST_H_

#include <cstdint>
#include <string>

#include "guest/abi/abi.h"
#include "tools/fuzzers/boundary/byte_source.h"

namespace hotcell::fuzz {

inline constexpr uint32_t kGuestVcpus = 2;
// Bytes of a payload's ELF file, whatever the input is: the arena has to be made before the program
// is.
inline constexpr uint64_t kPayloadSize = 64 << 10;

// A payload that does what the bytes say, one thing after the other, and then exits with 0: writes
// words of its rings, requests, names and reports, rings doorbells, uses ports and addresses, and
// executes instructions, known ones and any bytes. Its second vCPU flips words of the first one's
// rings for a while. The machine code is for an arena that is laid out as `header` says.
std::string MakePayload(ByteSource& input, const abi::ArenaHeader& header);

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_BOUNDARY_KVM_GUEST_H_
