// What a test tells its hostile guest: which attack to run and with what, in places that the guest
// of a real job can read.
#ifndef HOTCELL_TESTS_HOSTILE_GUESTS_SCRIPT_H_
#define HOTCELL_TESTS_HOSTILE_GUESTS_SCRIPT_H_

#include <cstdint>

#include "guest/abi/abi.h"

namespace hotcell::hostile {

// The job's source format is this, the attack's name and two numbers in hexadecimal, with spaces
// between them. A job without it is an ordinary one. The second character cannot follow the first
// in a serialized Job outside a text.
inline constexpr char kAttackMark[] = "!>";

// A job of the command's has no place for such a text: where its limit on the disk is this, the
// attack is asked for at the start of the input.
inline constexpr uint64_t kScriptedSize = (1ull << 49) + 0x7e57;

// The files of a job of the tests.
inline constexpr uint32_t kInputSlot = 0;
inline constexpr uint32_t kOutputSlot = 1;

// Bytes at the start of the input that an attack uses, such as a report or a Script.
inline constexpr uint64_t kScriptSize = 128 << 10;

// The most that the text there has; numbers end with a space.
inline constexpr uint64_t kMaxSelector = 128;

// Requests for lane 0's ring.
struct Script {
  static constexpr uint64_t kMaxRequests = 1024;
  uint64_t count;
  abi::Submission requests[kMaxRequests];
};
static_assert(sizeof(Script) <= kScriptSize);

// Added to a Submission's `buffer`: the guest replaces it by the arena offset of that place.
inline constexpr uint64_t kInBuffers = 1ull << 62;  // from the first buffer of lane 0 on
inline constexpr uint64_t kInRings = 1ull << 61;    // from lane 0's LaneControl on
inline constexpr uint64_t kBeforeEnd = 1ull << 60;  // this far before the arena's end
inline constexpr uint64_t kPlaceBits = kInBuffers | kInRings | kBeforeEnd;

// What an attack exits with that came to its end and was not ended by what it did.
inline constexpr uint32_t kExitWentOn = 0x5a;

}  // namespace hotcell::hostile

#endif  // HOTCELL_TESTS_HOSTILE_GUESTS_SCRIPT_H_
