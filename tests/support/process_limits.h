// Resource limits of a worker, read from outside.
#ifndef HOTCELL_TESTS_SUPPORT_PROCESS_LIMITS_H_
#define HOTCELL_TESTS_SUPPORT_PROCESS_LIMITS_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace hotcell::tests {

// A limit of that process, from /proc: prlimit() of another user's takes CAP_SYS_RESOURCE, which
// not every root has.
inline std::optional<rlimit> LimitOfProcess(pid_t pid, int resource) {
  // In the kernel's order, which is that of the numbers; the line before them is a heading.
  std::ifstream limits("/proc/" + std::to_string(pid) + "/limits");
  std::string line;
  for (int i = -1; i <= resource; ++i) std::getline(limits, line);
  constexpr size_t kNameWidth = 26;
  if (!limits || line.size() < kNameWidth) return std::nullopt;
  std::istringstream fields(line.substr(kNameWidth));
  std::string soft;
  std::string hard;
  fields >> soft >> hard;
  const auto value = [](const std::string& text) {
    return text == "unlimited" ? RLIM_INFINITY : rlim_t{std::stoull(text)};
  };
  return rlimit{value(soft), value(hard)};
}

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_SUPPORT_PROCESS_LIMITS_H_
