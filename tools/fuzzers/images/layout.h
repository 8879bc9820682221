// Where a format keeps its integers, for a mutator that changes one of them rather than any bit.
#ifndef HOTCELL_TOOLS_FUZZERS_IMAGES_LAYOUT_H_
#define HOTCELL_TOOLS_FUZZERS_IMAGES_LAYOUT_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tools/fuzzers/images/fuzz_input.h"

namespace hotcell::fuzz {

// An integer of a structure.
struct Field {
  uint32_t offset = 0;  // in the structure, bytes
  uint32_t width = 0;   // bytes; up to 8 is a number, more is text or a UUID
};
// A Field of an on-disk struct.
#define HOTCELL_FIELD(type, member) \
  ::hotcell::fuzz::Field { offsetof(type, member), sizeof(type::member) }

// An integer at a fixed place that says where something is: (value & mask) * unit + addend.
struct Pointer {
  uint64_t at = 0;     // in the file, bytes
  uint32_t width = 0;  // bytes; 0: there is none
  uint64_t mask = UINT64_MAX;
  uint64_t unit = 1;
  uint64_t addend = 0;
};

struct Structure {
  int64_t at = 0;        // in the file, bytes; negative: from its end
  Pointer pointer = {};  // when there is one, `at` is relative to where it leads
  std::span<const Field> fields;
  // Several of them, one after the other, this far apart; bytes.
  uint32_t count = 1;
  uint32_t stride = 0;
};

// A table of integers, and perhaps tables that its entries lead to.
struct Table {
  int64_t at = 0;
  Pointer pointer = {};
  uint32_t width = 0;    // of an entry, bytes
  uint32_t entries = 0;  // so many of the first are worth changing
  // The table that entries that are not 0 lead to; where it is, they say as a Pointer does.
  const Table* below = nullptr;
  uint64_t mask = UINT64_MAX;
  uint64_t unit = 1;
};

struct Layout {
  std::string_view format;
  bool big_endian = false;
  // The unit of the format's pointers, bytes.
  uint64_t unit = 1;
  std::span<const Structure> structures;
  std::span<const Table> tables;
  // Values that mean something to the format, for any field that is wide enough.
  std::span<const uint64_t> values;
  // Makes checksums right after a change, so that it is not refused for them; may be null.
  void (*repair)(SparseFile& file) = nullptr;
};

// The layout of the format; one of no structure at all when none is known.
const Layout& LayoutOf(std::string_view format);

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_IMAGES_LAYOUT_H_
