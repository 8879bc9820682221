// Time of check against time of use: one vCPU submits requests, another changes a field of theirs
// between a value that is allowed and one that is not, as fast as it can.
#include <atomic>
#include <cstdint>
#include <string>

#include "tests/hostile/guests/program/lane.h"
#include "tests/hostile/guests/program/program.h"
#include "tests/hostile/guests/script.h"

namespace hotcell::hostile {
namespace {

// Writes of 512 bytes from the first buffer to the start of the output: allowed as they are.
abi::Submission Write(const Lane& lane) {
  return {.opcode = static_cast<uint32_t>(abi::Opcode::kWrite),
          .slot = kOutputSlot,
          .length = 512,
          .buffer = lane.buffers()};
}

// Lane 0 submits `rounds` rings full of `request`; lane 1 flips `word(entry)` of all entries
// between `good` and `bad` meanwhile. `count` sees the completions, until it returns false.
template <typename Word, typename T, typename Count>
void Race(uint64_t rounds, const abi::Submission& request, Word word, T good, T bad, Count count) {
  std::atomic<bool> flipping = false;
  std::atomic<bool> done = false;
  OnAllLanes([&](uint32_t index) {
    Lane lane(0);
    if (index == 1) {
      while (!done.load(std::memory_order_relaxed)) {
        flipping = true;
        for (const T value : {bad, good}) {
          for (uint32_t i = 0; i < abi::kRingEntries; ++i) {
            __atomic_store_n(word(lane.submission(i)), value, __ATOMIC_RELAXED);
          }
        }
      }
    }
    if (index != 0) return;
    while (!flipping) asm volatile("pause");
    bool go_on = true;
    for (uint64_t round = 0; round < rounds && go_on; ++round) {
      for (uint32_t i = 0; i < abi::kRingEntries; ++i) lane.Put(request);
      lane.Publish();
      for (uint32_t i = 0; i < abi::kRingEntries; ++i) go_on = count(lane.Await()) && go_on;
    }
    done = true;
  });
}

bool IgnoreCompletion(const abi::Completion& /*completion*/) { return true; }

// Neither value breaks anything, and both are seen: the flipping reaches what the broker reads.
HOSTILE_GUEST(race_user_data) {
  uint64_t good = 0;
  uint64_t bad = 0;
  uint64_t other = 0;
  Race(
      p.first, Write(Lane(0)), [](abi::Submission& entry) { return &entry.user_data; },
      uint64_t{0x600d}, uint64_t{0xbad},
      [&](const abi::Completion& completion) {
        if (completion.user_data == 0x600d) {
          ++good;
        } else if (completion.user_data == 0xbad) {
          ++bad;
        } else if (completion.user_data != 0) {
          ++other;
        }
        return good == 0 || bad == 0;
      });
  Tell(std::string("good ") + (good > 0 ? "yes" : "no") + ", bad " + (bad > 0 ? "yes" : "no") +
       ", other " + (other > 0 ? "yes" : "no"));
}
// To the input instead of to the output.
HOSTILE_GUEST(race_slot) {
  Race(
      p.first, Write(Lane(0)), [](abi::Submission& entry) { return &entry.slot; }, kOutputSlot,
      kInputSlot, IgnoreCompletion);
}
HOSTILE_GUEST(race_opcode) {
  abi::Submission request = Write(Lane(0));
  request.slot = kInputSlot;
  request.opcode = static_cast<uint32_t>(abi::Opcode::kRead);
  Race(
      p.first, request, [](abi::Submission& entry) { return &entry.opcode; },
      static_cast<uint32_t>(abi::Opcode::kRead), static_cast<uint32_t>(abi::Opcode::kWrite),
      IgnoreCompletion);
}
HOSTILE_GUEST(race_offset) {
  Race(
      p.first, Write(Lane(0)), [](abi::Submission& entry) { return &entry.offset; }, uint64_t{0},
      p.second, IgnoreCompletion);
}
HOSTILE_GUEST(race_length) {
  Race(
      p.first, Write(Lane(0)), [](abi::Submission& entry) { return &entry.length; }, uint64_t{512},
      p.second, IgnoreCompletion);
}
// The race is to have the broker read into the arena's header instead of into a buffer.
HOSTILE_GUEST(race_buffer) {
  Lane lane(0);
  abi::Submission request = Write(lane);
  request.slot = kInputSlot;
  request.opcode = static_cast<uint32_t>(abi::Opcode::kRead);
  Race(
      p.first, request, [](abi::Submission& entry) { return &entry.buffer; }, lane.buffers(),
      p.second, IgnoreCompletion);
}
// The number of entries itself.
HOSTILE_GUEST(race_tail) {
  OnAllLanes([&](uint32_t index) {
    Lane lane(0);
    for (uint64_t i = 0; index == 1; ++i) lane.control().sq_tail = i % 2 == 0 ? 0x7fffffff : 1;
    if (index == 0) lane.Put(Write(lane));
    for (; index == 0;) lane.Publish();
  });
}
// The bytes of a name while the policy looks at it: `first` bytes that are allowed, then others.
HOSTILE_GUEST(race_reference_name) {
  std::atomic<bool> done = false;
  uint64_t refused = 0;
  uint64_t opened = 0;
  Lane(0).Do({.opcode = static_cast<uint32_t>(abi::Opcode::kRead),
              .slot = kInputSlot,
              .length = p.second,
              .buffer = Lane(0).buffers()});
  OnAllLanes([&](uint32_t index) {
    Lane lane(0);
    auto* const name = reinterpret_cast<volatile char*>(lane.data());
    while (index == 1 && !done) {
      name[0] = '/';
      name[0] = 'b';
    }
    if (index != 0) return;
    for (uint64_t i = 0; i < p.first; ++i) {
      const abi::Completion completion =
          lane.OpenReference(p.second, static_cast<uint32_t>(abi::ReferenceKind::kExtentFile));
      ++(completion.status == 0 ? opened : refused);
    }
    done = true;
  });
  Tell(std::string("opened ") + (opened > 0 ? "yes" : "no") + ", refused " +
       (refused > 0 ? "yes" : "no"));
}

}  // namespace
}  // namespace hotcell::hostile
