// A worker that misbehaves in one chosen way. It is started by SpawnWorker() as a real one is.
#include "broker/testing/fake_worker.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "guest/abi/abi.h"
#include "protos/control.pb.h"

namespace hotcell::broker {
namespace {

void WriteBytes(const std::string& bytes) {
  if (write(abi::kFdControlOut, bytes.data(), bytes.size()) < 0) _exit(2);
}

void Send(const v1::FromWorker& message) {
  const std::string body = message.SerializeAsString();
  const auto size = static_cast<uint32_t>(body.size());
  WriteBytes(std::string(reinterpret_cast<const char*>(&size), sizeof(size)) + body);
}

void ReadBytes(char* data, size_t size) {
  while (size > 0) {
    const ssize_t got = read(abi::kFdControlIn, data, size);
    if (got <= 0) _exit(3);
    data += got;
    size -= static_cast<size_t>(got);
  }
}

v1::ToWorker Receive() {
  uint32_t size = 0;
  ReadBytes(reinterpret_cast<char*>(&size), sizeof(size));
  std::string body(size, '\0');
  ReadBytes(body.data(), size);
  v1::ToWorker message;
  if (!message.ParseFromString(body)) _exit(4);
  return message;
}

void AddLayer(v1::Confined& confined, v1::Layer layer, v1::LayerState state) {
  v1::LayerResult& result = *confined.add_layers();
  result.set_layer(layer);
  result.set_state(state);
  result.set_error(state == v1::LAYER_STATE_ACHIEVED ? 0 : 1);
}

[[noreturn]] void Hang() {
  while (true) pause();
}

abi::LaneControl* MapLane0() {
  void* header_page = mmap(nullptr, 4096, PROT_READ, MAP_SHARED, abi::kFdArena, 0);
  const auto* header = static_cast<const abi::ArenaHeader*>(header_page);
  char* arena = static_cast<char*>(
      mmap(nullptr, header->arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, abi::kFdArena, 0));
  return reinterpret_cast<abi::LaneControl*>(arena + header->lanes_offset);
}

void RingDoorbell() {
  const uint64_t one = 1;
  if (write(abi::kFdDoorbell, &one, sizeof(one)) < 0) _exit(5);
}

void SendFinished(v1::EndReason reason) {
  v1::FromWorker message;
  message.mutable_finished()->set_reason(reason);
  message.mutable_finished()->mutable_registers()->set_rip(0x1234);
  Send(message);
}

void Confine(FakeBehaviour behaviour) {
  v1::FromWorker message;
  v1::Confined& confined = *message.mutable_confined();
  AddLayer(confined, v1::LAYER_NO_NEW_PRIVS, v1::LAYER_STATE_ACHIEVED);
  AddLayer(confined, v1::LAYER_CLOSED_FDS, v1::LAYER_STATE_ACHIEVED);
  AddLayer(confined, v1::LAYER_NET_NAMESPACE, v1::LAYER_STATE_UNAVAILABLE);
  AddLayer(confined, v1::LAYER_SECCOMP,
           behaviour == FakeBehaviour::kNoSeccomp ? v1::LAYER_STATE_UNAVAILABLE
                                                  : v1::LAYER_STATE_ACHIEVED);
  if (behaviour == FakeBehaviour::kFailedLayer) {
    AddLayer(confined, v1::LAYER_LANDLOCK, v1::LAYER_STATE_FAILED);
  }
  Send(message);
}

// What the worker does before Start. Returns when a good worker would be ready.
void SetUp(FakeBehaviour behaviour) {
  v1::FromWorker message;
  switch (behaviour) {
    case FakeBehaviour::kGarbage:
      WriteBytes(std::string("\x05\x00\x00\x00garbage", 11));
      Hang();
    case FakeBehaviour::kHugeFrame:
      WriteBytes("\xff\xff\xff\x7f");
      Hang();
    case FakeBehaviour::kHalfFrame:
      WriteBytes(std::string("\x20\x00\x00\x00\x0a", 5));
      _exit(0);
    case FakeBehaviour::kExits:
      _exit(42);
    case FakeBehaviour::kKillsItself:
      // A fault: the first process of a pid namespace does not die of signals it sends itself.
      __builtin_trap();
    case FakeBehaviour::kHangsAtOnce:
      Hang();
    case FakeBehaviour::kClosesPipe:
      close(abi::kFdControlOut);
      Hang();
    case FakeBehaviour::kFails:
      message.mutable_failure()->set_step(v1::STEP_KVM_CREATE_VM);
      message.mutable_failure()->set_error(ENOMEM);
      Send(message);
      _exit(1);
    case FakeBehaviour::kReadyFirst:
      break;
    default:
      Confine(behaviour);
  }
  message.mutable_ready();
  Send(message);
}

// What the worker does after Start. Returns when a good guest would have finished.
void Run(FakeBehaviour behaviour) {
  v1::FromWorker message;
  switch (behaviour) {
    case FakeBehaviour::kHangsRunning:
      Hang();
    case FakeBehaviour::kStopsWhenTold:
      Receive();
      SendFinished(v1::END_REASON_STOPPED);
      Hang();
    case FakeBehaviour::kBurnsCpu:
      fcntl(abi::kFdControlIn, F_SETFL, O_NONBLOCK);
      for (char byte = 0; read(abi::kFdControlIn, &byte, 1) < 0;) {
      }
      SendFinished(v1::END_REASON_STOPPED);
      Hang();
    case FakeBehaviour::kViolates:
      message.mutable_violation()->set_syscall(59);
      message.mutable_violation()->set_phase(v1::PHASE_RUN);
      Send(message);
      _exit(159);
    case FakeBehaviour::kConsole:
      message.mutable_output()->set_serial("hello");
      Send(message);
      break;
    case FakeBehaviour::kFloods:
      message.mutable_output()->set_serial(std::string(4000, 'x'));
      while (true) Send(message);
    case FakeBehaviour::kBreaksRing:
      MapLane0()->sq_tail = abi::kRingEntries + 1;
      RingDoorbell();
      Hang();
    case FakeBehaviour::kAsksForSlot: {
      abi::LaneControl* lane = MapLane0();
      auto* submission = reinterpret_cast<abi::Submission*>(reinterpret_cast<char*>(lane) +
                                                            abi::kSubmissionRingOffset);
      *submission = {
          .opcode = static_cast<uint32_t>(abi::Opcode::kBlockStatus), .slot = 7, .length = 1};
      __atomic_store_n(&lane->sq_tail, 1, __ATOMIC_RELEASE);
      RingDoorbell();
      Hang();
    }
    case FakeBehaviour::kBlocksEventFds: {
      const uint64_t full = UINT64_MAX - 1;
      if (write(abi::kFdWake, &full, sizeof(full)) < 0) _exit(5);
      __atomic_store_n(&MapLane0()->guest_waiting, 1, __ATOMIC_SEQ_CST);
      for (uint64_t count = 0; read(abi::kFdDoorbell, &count, sizeof(count)) > 0;) {
      }
      break;
    }
    default:
      break;
  }
  SendFinished(v1::END_REASON_EXITED);
}

}  // namespace
}  // namespace hotcell::broker

int main() {
  const auto behaviour =
      static_cast<hotcell::broker::FakeBehaviour>(hotcell::broker::Receive().setup().memory_size());
  hotcell::broker::SetUp(behaviour);
  hotcell::broker::Receive();  // Start
  hotcell::broker::Run(behaviour);
}
