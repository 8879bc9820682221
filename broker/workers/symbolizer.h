// Names for addresses in a guest program, for the message about a guest that crashed.
#ifndef HOTCELL_BROKER_WORKERS_SYMBOLIZER_H_
#define HOTCELL_BROKER_WORKERS_SYMBOLIZER_H_

#include <cstdint>
#include <span>
#include <string>

namespace hotcell::broker {

struct Symbol {
  uint64_t address;
  const char* name;
};

// Functions of the built-in payload, sorted by address; made while building.
std::span<const Symbol> BuiltinSymbols();

// "function+0x12" when `address` may lie in one of `symbols`, else "0x200012".
std::string Symbolize(uint64_t address, std::span<const Symbol> symbols);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_SYMBOLIZER_H_
