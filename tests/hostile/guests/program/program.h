// The hostile program: attacks by name, each a function that the job's source format asks for. A
// job that names none is done by the transcoder.
//
//   HOSTILE_GUEST(invalid_opcode) { asm volatile("ud2"); }
#ifndef HOTCELL_TESTS_HOSTILE_GUESTS_PROGRAM_PROGRAM_H_
#define HOTCELL_TESTS_HOSTILE_GUESTS_PROGRAM_PROGRAM_H_

#include <cstdint>
#include <string_view>

#include "guest/runtime/guest/program.h"

namespace hotcell::hostile {

struct Parameters {
  uint64_t first = 0;
  uint64_t second = 0;
};

class Attack {
 public:
  using Function = void(const Parameters& parameters);

  // Makes itself known; one for each name.
  Attack(std::string_view name, Function* run) : name_(name), run_(run), next_(first_) {
    first_ = this;
  }
  Attack(const Attack&) = delete;
  Attack& operator=(const Attack&) = delete;

  static const Attack* Find(std::string_view name);
  void Run(const Parameters& parameters) const { run_(parameters); }

 private:
  static const Attack* first_;

  const std::string_view name_;
  Function* const run_;
  const Attack* const next_;
};

// An attack that returns was not ended by what it did; the job then ends with kExitWentOn.
#define HOSTILE_GUEST(name)                                            \
  static void name(const ::hotcell::hostile::Parameters& p);           \
  static const ::hotcell::hostile::Attack name##_attack(#name, &name); \
  static void name([[maybe_unused]] const ::hotcell::hostile::Parameters& p)

// Ends the job with this text as the guest's last words.
[[noreturn]] void Tell(std::string_view text);

// Bytes of the program, of one page and writable.
extern std::byte writable_page[abi::kPageSize];

inline void* At(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

// Calls `body(lane)` on all vCPUs at the same time.
template <typename Body>
void OnAllLanes(Body body) {
  struct Task final : guest::LaneTeam::Task {
    explicit Task(Body& b) : body(b) {}
    void Run(uint32_t lane) override { body(lane); }
    Body& body;
  } task(body);
  guest::Team().RunOnAll(task);
}

}  // namespace hotcell::hostile

#endif  // HOTCELL_TESTS_HOSTILE_GUESTS_PROGRAM_PROGRAM_H_
