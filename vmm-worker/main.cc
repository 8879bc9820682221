// hotcell-worker: the process that owns a guest. Started by libhotcell, never by hand.
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <string_view>

#include "guest/abi/abi.h"
#include "vmm-worker/job.h"

// vmm-worker/builtin_program.S
extern "C" const std::byte hotcell_builtin_program_begin[];
extern "C" const std::byte hotcell_builtin_program_end[];

namespace {

constexpr int kExitUsage = 2;

bool IsPipe(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

}  // namespace

int main() {
  using hotcell::abi::kFdControlIn;
  using hotcell::abi::kFdControlOut;
  if (!IsPipe(kFdControlIn) || !IsPipe(kFdControlOut)) {
    constexpr std::string_view kUsage =
        "hotcell-worker runs one guest for libhotcell, which starts it; see `hotcell --help`.\n";
    // Nobody is left to tell when standard error is closed as well.
    [[maybe_unused]] const ssize_t n = write(STDERR_FILENO, kUsage.data(), kUsage.size());
    return kExitUsage;
  }
  hotcell::worker::HostJob(std::span(hotcell_builtin_program_begin, hotcell_builtin_program_end));
}
