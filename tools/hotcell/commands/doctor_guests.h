// The checks of `hotcell doctor` that run guests.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMANDS_DOCTOR_GUESTS_H_
#define HOTCELL_TOOLS_HOTCELL_COMMANDS_DOCTOR_GUESTS_H_

#include <vector>

#include "hotcell/engine.h"
#include "tools/hotcell/commands/doctor_checks.h"

namespace hotcell::cli {

// Finds the worker program, runs a few instructions of a guest to HLT, and converts a small image
// in a guest. `layers` gets what confined the workers; it stays empty when none could be asked.
// Stops at the first problem: what follows would fail for the same reason.
std::vector<Check> CheckGuests(const EngineOptions& engine, const JobOptions& job,
                               std::vector<LayerResult>& layers);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMANDS_DOCTOR_GUESTS_H_
