// One round of the differential fuzzer: a disk, an image of it, and everyone who can read it.
#ifndef HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_ROUND_TRIP_H_
#define HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_ROUND_TRIP_H_

#include <cstdint>
#include <string>

namespace hotcell::fuzz {

struct Outcome {
  std::string what;     // was done, in words
  std::string problem;  // empty: none
};

// We write, by a conversion from a file with holes; we and qemu-img read and check. `directory` is
// empty and stays so that a problem can be looked at.
Outcome WriteAndRead(uint64_t seed, const std::string& directory);
// qemu-io writes, over several commands, with snapshots and a backing image where the format has
// them; we read.
Outcome ReadWritten(uint64_t seed, const std::string& directory);

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_ROUND_TRIP_H_
