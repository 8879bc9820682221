// What `hotcell doctor` finds out about the machine without running a guest.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMANDS_DOCTOR_CHECKS_H_
#define HOTCELL_TOOLS_HOTCELL_COMMANDS_DOCTOR_CHECKS_H_

#include <string>
#include <string_view>
#include <vector>

#include "hotcell/layers.h"

namespace hotcell::cli {

enum class CheckState {
  kOk,
  kNote,     // worth knowing
  kWarning,  // slower or less confined than it could be
  kProblem,  // `hotcell convert` does not work
};

struct Check {
  std::string name;
  CheckState state = CheckState::kOk;
  std::string finding;
  std::string remedy;  // what to do about it; empty when there is nothing to do
};

// "ok", "note", "warning", "problem".
std::string_view StateName(CheckState state);

// Where the machine's files are; tests have their own.
struct HostPaths {
  std::string root;  // before /proc and /sys
  std::string kvm = "/dev/kvm";
};

Check CheckKernel();
Check CheckKvmDevice(const HostPaths& paths);
Check CheckKvmModule(const HostPaths& paths);
Check CheckNested(const HostPaths& paths);
Check CheckHugePages(const HostPaths& paths);
Check CheckUserNamespaces(const HostPaths& paths);
Check CheckMemory(const HostPaths& paths);
Check CheckMemfdSealing();
// Resource limits that this process has from whoever started it.
Check CheckInheritedLimits();

// One check for each layer that a worker reported.
std::vector<Check> CheckLayers(const std::vector<LayerResult>& layers);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMANDS_DOCTOR_CHECKS_H_
