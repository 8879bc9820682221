// vmm-worker/main.cc, but for the arena. It carries no payload: every test brings a program.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest/abi/abi.h"
#include "tests/hostile/compromised_worker/stolen_arena.h"
#include "vmm-worker/job.h"

namespace hotcell::tests {
namespace {

std::byte* arena = nullptr;

bool StealArena() {
  struct stat status {};
  if (fstat(abi::kFdArena, &status) != 0) return false;
  void* const address = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ | PROT_WRITE,
                             MAP_SHARED, abi::kFdArena, 0);
  arena = static_cast<std::byte*>(address);
  return address != MAP_FAILED;
}

}  // namespace

std::byte* StolenArena() { return arena; }

}  // namespace hotcell::tests

int main() {
  if (!hotcell::tests::StealArena()) _exit(2);
  hotcell::worker::HostJob({});
}
