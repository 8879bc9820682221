// Mutates protobuf messages as what they are: a tree of numbered fields. A flipped byte in a length
// makes a parser give up; this keeps all lengths right, so that what lies behind the parser is
// reached.
#ifndef HOTCELL_TOOLS_FUZZERS_BOUNDARY_WIRE_MUTATOR_H_
#define HOTCELL_TOOLS_FUZZERS_BOUNDARY_WIRE_MUTATOR_H_

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

namespace hotcell::fuzz {

// `message` in the wire format, with one or two of its fields, on any level, changed, copied,
// moved, dropped or new. What does not parse is taken for one field's bytes. `max_field`: the
// largest number of a new field.
std::string MutateWire(std::string_view message, uint32_t max_field, std::minstd_rand& random);

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_BOUNDARY_WIRE_MUTATOR_H_
