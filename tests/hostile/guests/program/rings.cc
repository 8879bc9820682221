// Attacks on the broker by way of a lane's rings.
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

#include "guest/runtime/guest/ports.h"
#include "tests/hostile/guests/program/lane.h"
#include "tests/hostile/guests/program/program.h"
#include "tests/hostile/guests/script.h"

namespace hotcell::hostile {
namespace {

// Words of a Submission's `buffer` that name a place are made arena offsets.
void Place(abi::Submission& request, const Lane& lane) {
  const uint64_t offset = request.buffer & ~kPlaceBits;
  const uint64_t place = request.buffer & kPlaceBits;
  if (place == kInBuffers) request.buffer = lane.buffers() + offset;
  if (place == kInRings) request.buffer = guest::Arena()->lanes_offset + offset;
  if (place == kBeforeEnd) request.buffer = guest::ArenaBytes().size() - offset;
}

std::unique_ptr<Script> TakeScript(Lane& lane) {
  auto script = std::make_unique<Script>();
  std::memcpy(script.get(), ReadScript(lane), sizeof(Script));
  for (abi::Submission& request : script->requests) Place(request, lane);
  return script;
}

abi::Submission Read(const Lane& lane, uint64_t length) {
  return {.opcode = static_cast<uint32_t>(abi::Opcode::kRead),
          .slot = kInputSlot,
          .length = length,
          .buffer = lane.buffers()};
}

[[noreturn]] void Spin() {
  for (;;) asm volatile("pause");
}

// The script's requests, one after the other; tells what became of the last.
HOSTILE_GUEST(requests) {
  Lane lane(0);
  const std::unique_ptr<Script> script = TakeScript(lane);
  abi::Completion completion{};
  for (uint64_t i = 0; i < script->count; ++i) completion = lane.Do(script->requests[i]);
  Tell(Describe(completion));
}
// All at once.
HOSTILE_GUEST(requests_at_once) {
  Lane lane(0);
  const std::unique_ptr<Script> script = TakeScript(lane);
  for (uint64_t i = 0; i < script->count; ++i) lane.Put(script->requests[i]);
  lane.Publish();
  abi::Completion completion{};
  for (uint64_t i = 0; i < script->count; ++i) completion = lane.Await();
  Tell(Describe(completion));
}
// Reads what was written through the output back and tells its first byte.
HOSTILE_GUEST(requests_on_last_lane) {
  Lane first(0);
  const std::unique_ptr<Script> script = TakeScript(first);
  const uint32_t last = guest::Team().count() - 1;
  OnAllLanes([&](uint32_t index) {
    if (index != last) return;
    Lane lane(index);
    Tell(Describe(lane.Do(script->requests[0])));
  });
}

// sq_tail moves on by `first`, after `second` requests that were in order.
HOSTILE_GUEST(move_tail) {
  Lane lane(0);
  for (uint64_t i = 0; i < p.second; ++i) lane.Do(Read(lane, 512));
  lane.PublishTail(lane.tail() + static_cast<uint32_t>(p.first));
  Spin();
}
// The ring full of legal requests, `first` times over.
HOSTILE_GUEST(full_ring) {
  Lane lane(0);
  abi::Completion completion{};
  for (uint64_t round = 0; round < p.first; ++round) {
    for (uint32_t i = 0; i < abi::kRingEntries; ++i) lane.Put(Read(lane, 512));
    lane.Publish();
    for (uint32_t i = 0; i < abi::kRingEntries; ++i) completion = lane.Await();
  }
  Tell(Describe(completion));
}
// Completions are never taken.
HOSTILE_GUEST(take_no_completions) {
  Lane lane(0);
  for (uint32_t i = 0; i <= abi::kRingEntries; ++i) {
    lane.Submit(Read(lane, 512));
    while (lane.control().sq_head != lane.tail()) asm volatile("pause");
  }
  Spin();
}
// cq_head says that `first` more were taken than were posted.
HOSTILE_GUEST(move_completion_head) {
  Lane lane(0);
  lane.control().cq_head = lane.control().cq_tail + static_cast<uint32_t>(p.first);
  lane.Submit(Read(lane, 512));
  Spin();
}
// The broker's own words lie, while requests go on.
HOSTILE_GUEST(overwrite_broker_words) {
  Lane lane(0);
  abi::Completion completion{};
  for (uint32_t i = 0; i < 300; ++i) {
    lane.control().sq_head = i * 0x10001;
    lane.control().broker_polling = i;
    lane.control().cq_tail = lane.control().cq_head;
    completion = lane.Do(Read(lane, 512));
  }
  Tell(Describe(completion));
}
// guest_waiting and wake_at lie: each completion wakes a lane that does not wait.
HOSTILE_GUEST(wake_lies) {
  Lane lane(0);
  lane.control().guest_waiting = 0xffffffff;
  abi::Completion completion{};
  for (uint32_t i = 0; i < 1000; ++i) {
    lane.control().wake_at = i * 0x9e3779b9u;
    completion = lane.Do(Read(lane, 512));
  }
  lane.control().guest_waiting = 0;
  Tell(Describe(completion));
}
// The page that only the broker writes, and the job: nobody reads them back.
HOSTILE_GUEST(overwrite_header) {
  Lane lane(0);
  const uint64_t job = guest::Arena()->job_offset;
  const uint64_t status = guest::Arena()->status_offset;
  std::memset(guest::ArenaBytes().data(), 0xff, sizeof(abi::ArenaHeader));
  std::memset(guest::ArenaBytes().data() + job, 0xff, 4096);
  const std::string text = Describe(lane.Do(Read(lane, 512)));
  // Tell() would look for the status block in the header.
  auto* const shared = reinterpret_cast<abi::GuestStatus*>(guest::ArenaBytes().data() + status);
  std::memcpy(shared->panic_text, text.data(), text.size());
  shared->panic_size = static_cast<uint32_t>(text.size());
  guest::ExitVcpu(abi::kExitPanic);
}
// The broker reads from a file into the ring that it takes its requests from, if it can be made to.
HOSTILE_GUEST(read_into_completion_ring) {
  Lane lane(0);
  abi::Submission request = Read(lane, 512);
  request.buffer = guest::Arena()->lanes_offset + abi::kCompletionRingOffset;
  lane.Submit(request);
  Spin();
}
// Requests without end that all fail softly; the deadline must end it.
HOSTILE_GUEST(flood) {
  Lane lane(0);
  const std::unique_ptr<Script> script = TakeScript(lane);
  for (;;) {
    for (uint32_t i = 0; i < abi::kRingEntries; ++i) lane.Put(script->requests[0]);
    lane.Publish();
    for (uint32_t i = 0; i < abi::kRingEntries; ++i) lane.Await();
  }
}

// Asks for the reference whose name the input begins with: `first` bytes, of kind `second`. What is
// refused becomes the job's error, as the transcoder does it.
HOSTILE_GUEST(open_reference) {
  Lane lane(0);
  ReadScript(lane);
  const abi::Completion completion = lane.OpenReference(p.first, static_cast<uint32_t>(p.second));
  if (completion.status == static_cast<uint32_t>(abi::IoStatus::kOk)) Tell(Describe(completion));
  // v1::Report{error {code, message "?"}} with ERROR_LIMIT, ERROR_REFERENCE_REFUSED,
  // ERROR_NOT_FOUND or ERROR_IO.
  constexpr char kCodes[] = {0, 5, 5, 4, 6, 7};
  const char report[] = {0x0a, 5, 0x08, kCodes[completion.status], 0x12, 1, '?'};
  std::memcpy(guest::ArenaBytes().data() + guest::Arena()->report_offset, report, sizeof(report));
  guest::SharedStatus()->report_size = sizeof(report);
  guest::ExitVcpu(abi::kExitOk);
}
// Asks for one reference `first` times; tells the first answer that is not OK, and when it came.
HOSTILE_GUEST(many_references) {
  Lane lane(0);
  ReadScript(lane);
  for (uint64_t i = 0; i < p.first; ++i) {
    const abi::Completion completion =
        lane.OpenReference(p.second, static_cast<uint32_t>(abi::ReferenceKind::kExtentFile));
    if (completion.status != 0) Tell(std::to_string(i) + " opened, " + Describe(completion));
  }
}

}  // namespace
}  // namespace hotcell::hostile
