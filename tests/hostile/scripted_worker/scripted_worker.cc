// A worker that does what its script says; see script.h. It is started as a real one is, but it
// neither confines itself nor makes a virtual machine.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "guest/abi/abi.h"
#include "protos/control.pb.h"
#include "tests/hostile/scripted_worker/script.h"

namespace hotcell::hostile {
namespace {

constexpr int kBrokerGone = 3;

std::byte* arena = nullptr;

const abi::ArenaHeader& Header() { return *reinterpret_cast<const abi::ArenaHeader*>(arena); }
abi::LaneControl& Lane0() {
  return *reinterpret_cast<abi::LaneControl*>(arena + Header().lanes_offset);
}

void WritePipe(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(abi::kFdControlOut, bytes.data(), bytes.size());
    if (written <= 0) _exit(kBrokerGone);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void ReadPipe(char* data, size_t size) {
  while (size > 0) {
    const ssize_t got = read(abi::kFdControlIn, data, size);
    if (got <= 0) _exit(kBrokerGone);
    data += got;
    size -= static_cast<size_t>(got);
  }
}

v1::ToWorker Receive() {
  uint32_t size = 0;
  ReadPipe(reinterpret_cast<char*>(&size), sizeof(size));
  std::string body(size, '\0');
  ReadPipe(body.data(), size);
  v1::ToWorker message;
  message.ParseFromString(body);
  return message;
}

void Send(const v1::FromWorker& message) {
  const std::string body = message.SerializeAsString();
  WritePipe(Script::Bytes(static_cast<uint32_t>(body.size())) + body);
}

void Signal(int fd, uint64_t value) {
  if (write(fd, &value, sizeof(value)) < 0) usleep(1000);
}

[[noreturn]] void Hang() {
  while (true) pause();
}

void Confine() {
  v1::FromWorker message;
  for (int layer = v1::LAYER_NO_NEW_PRIVS; layer <= v1::LAYER_SECCOMP; ++layer) {
    v1::LayerResult& result = *message.mutable_confined()->add_layers();
    result.set_layer(static_cast<v1::Layer>(layer));
    result.set_state(v1::LAYER_STATE_ACHIEVED);
  }
  Send(message);
}

// The first bytes of file 0, as a guest reads them. Called once; leaves the request in the whole
// ring.
std::string_view ReadImage() {
  auto* const ring = reinterpret_cast<abi::Submission*>(reinterpret_cast<std::byte*>(&Lane0()) +
                                                        abi::kSubmissionRingOffset);
  for (uint32_t i = 0; i < abi::kRingEntries; ++i) {
    ring[i] = {.opcode = static_cast<uint32_t>(abi::Opcode::kRead),
               .length = Header().buffer_size,
               .buffer = Header().buffers_offset};
  }
  __atomic_store_n(&Lane0().sq_tail, 1, __ATOMIC_SEQ_CST);
  Signal(abi::kFdDoorbell, 1);
  while (__atomic_load_n(&Lane0().cq_tail, __ATOMIC_ACQUIRE) == 0) usleep(100);
  __atomic_store_n(&Lane0().cq_head, 1, __ATOMIC_RELEASE);
  return {reinterpret_cast<const char*>(arena + Header().buffers_offset), Header().buffer_size};
}

// The broker stores the program, and then the input, once the worker has started.
std::string_view WaitForProgram(const v1::Setup& setup) {
  const auto* const go = reinterpret_cast<const char*>(arena + Header().input_offset);
  while (__atomic_load_n(go, __ATOMIC_ACQUIRE) == 0) usleep(100);
  return {reinterpret_cast<const char*>(arena + setup.program_offset()), setup.program_size()};
}

// Behaves as a good worker does until it has its job, but for what `memory_size` says.
void BehaveUntilStart(uint64_t memory_size) {
  v1::FromWorker trace;
  trace.mutable_trace()->set_text("?");
  v1::FromWorker ready;
  ready.mutable_ready();
  if (memory_size == kFillsWakes) Signal(abi::kFdWake, UINT64_MAX - 1);
  Confine();
  if (memory_size == kFloodsAtSetup) {
    while (true) Send(trace);
  }
  if (memory_size == kDripsAtSetup) {
    WritePipe(std::string_view("\x10\0\0\0\x22", 5));
    Hang();
  }
  Send(ready);
  if (memory_size == kTalksWhenReady) Send(trace);
  Receive();
}

std::byte* Locate(uint64_t number) {
  const uint64_t offset = number & UINT32_MAX;
  switch (static_cast<Place>(number >> 32)) {
    case Place::kLane0:
      return arena + Header().lanes_offset + offset;
    case Place::kSubmissions:
      return arena + Header().lanes_offset + abi::kSubmissionRingOffset + offset;
    case Place::kStatus:
      return arena + Header().status_offset + offset;
    case Place::kReport:
      return arena + Header().report_offset + offset;
  }
  _exit(4);
}

void Take(const Step& step, std::string_view bytes) {
  const int fd = static_cast<int>(step.number);
  uint64_t value = 0;
  switch (step.kind) {
    case StepKind::kEnd:
    case StepKind::kHang:
      Hang();
    case StepKind::kWrite:
      return WritePipe(bytes);
    case StepKind::kWriteForever:
      while (true) {
        WritePipe(bytes);
        if (step.number != 0) usleep(static_cast<useconds_t>(step.number));
      }
    case StepKind::kReceive:
      Receive();
      return;
    case StepKind::kExit:
      _exit(static_cast<int>(step.number));
    case StepKind::kTrap:
      // The first process of a pid namespace does not die of signals that it sends itself.
      __builtin_trap();
    case StepKind::kBurn:
      while (true) asm volatile("pause");
    case StepKind::kClosePipe:
      close(fd);
      return;
    case StepKind::kFork:
      return;  // Play()'s
    case StepKind::kSleep:
      usleep(static_cast<useconds_t>(step.number * 1000));
      return;
    case StepKind::kStore:
      std::memcpy(Locate(step.number), bytes.data(), bytes.size());
      return;
    case StepKind::kFlip:
      for (size_t half = 0;; half = bytes.size() / 2 - half) {
        std::memcpy(Locate(step.number), bytes.data() + half, bytes.size() / 2);
      }
    case StepKind::kAdd:
      std::memcpy(&value, bytes.data(), sizeof(value));
      return Signal(fd, value);
    case StepKind::kAddForever:
      while (true) Signal(fd, 1);
    case StepKind::kTakeForever:
      while (true) (void)!read(fd, &value, sizeof(value));
    case StepKind::kUnblock:
      fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
      return;
  }
}

[[noreturn]] void Play(std::string_view script) {
  bool forked = false;
  while (script.size() >= sizeof(Step)) {
    Step step;
    std::memcpy(&step, script.data(), sizeof(step));
    script.remove_prefix(sizeof(step));
    const std::string bytes(script.substr(0, step.size));
    script.remove_prefix(bytes.size());
    if (!forked) {
      Take(step, bytes);
    } else if (fork() == 0) {
      Take(step, bytes);
      break;
    }
    forked = step.kind == StepKind::kFork;
  }
  Hang();
}

[[noreturn]] void Main() {
  const v1::Setup setup = Receive().setup();
  arena = static_cast<std::byte*>(
      mmap(nullptr, setup.arena_size(), PROT_READ | PROT_WRITE, MAP_SHARED, abi::kFdArena, 0));
  if (arena == MAP_FAILED) _exit(5);
  if (setup.program_size() != 0) Play(WaitForProgram(setup));
  BehaveUntilStart(setup.memory_size());
  Play(ReadImage());
}

}  // namespace
}  // namespace hotcell::hostile

int main() { hotcell::hostile::Main(); }
