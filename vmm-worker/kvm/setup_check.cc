#include "vmm-worker/kvm/setup_check.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "base/text.h"
#include "guest/abi/abi.h"

namespace hotcell::worker {
namespace {

using abi::kPageSize;

constexpr uint64_t kMaxArena = 8ull << 30;
constexpr uint64_t kMaxProgram = 256ull << 20;

Error BadSetup(std::string detail) { return {v1::STEP_CHECK_SETUP, 0, std::move(detail)}; }

}  // namespace

Status CheckSetup(const v1::Setup& setup) {
  if (setup.mode() != v1::GUEST_MODE_PAYLOAD && setup.mode() != v1::GUEST_MODE_LONG &&
      setup.mode() != v1::GUEST_MODE_REAL) {
    return BadSetup(StrCat("unknown guest mode ", static_cast<int>(setup.mode())));
  }
  if (setup.memory_size() < abi::kMinGuestMemory || setup.memory_size() > abi::kMaxGuestMemory ||
      setup.memory_size() % kPageSize != 0) {
    return BadSetup(StrCat("guest memory of ", setup.memory_size(), " bytes"));
  }
  const uint32_t max_vcpus = setup.mode() == v1::GUEST_MODE_REAL ? 1 : abi::kMaxLanes;
  if (setup.vcpus() < 1 || setup.vcpus() > max_vcpus) {
    return BadSetup(StrCat(setup.vcpus(), " vCPUs; this mode has 1 to ", max_vcpus));
  }
  if (setup.arena_size() > kMaxArena || setup.arena_size() % kPageSize != 0) {
    return BadSetup(StrCat("an arena of ", setup.arena_size(), " bytes"));
  }
  if (setup.program_size() > kMaxProgram) {
    return BadSetup(
        StrCat("a program of ", setup.program_size(), " bytes, more than ", kMaxProgram));
  }
  if (setup.forward_doorbells() &&
      (setup.mode() != v1::GUEST_MODE_PAYLOAD || setup.vcpus() != 1 || setup.log_dirty_pages())) {
    return BadSetup("forwarded doorbells, which only payloads of one vCPU have");
  }
  const uint64_t warm = std::max(setup.warm_size(), setup.warm_later_size());
  if (warm != 0 &&
      (setup.warm_offset() > setup.arena_size() || setup.warm_stride() > setup.arena_size() ||
       warm > setup.warm_stride() ||
       setup.vcpus() * setup.warm_stride() > setup.arena_size() - setup.warm_offset())) {
    return BadSetup("memory to be warmed is outside the arena");
  }
  if (setup.program_offset() > setup.arena_size() ||
      setup.program_size() > setup.arena_size() - setup.program_offset()) {
    return BadSetup("the program is outside the arena");
  }
  return {};
}

}  // namespace hotcell::worker
