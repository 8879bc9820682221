// What a scripted worker does instead of a job, step by step:
//
//   Script().Write(Frame(Confined())).Receive().Write(half_a_frame).Hang()
//
// A worker of Engine::Run() finds its script in the place of the guest's program. That of any other
// job behaves well until it has its job, and reads its script, through its ring, from the image.
#ifndef HOTCELL_TESTS_HOSTILE_SCRIPTED_WORKER_SCRIPT_H_
#define HOTCELL_TESTS_HOSTILE_SCRIPTED_WORKER_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "guest/abi/abi.h"

namespace hotcell::hostile {

enum class StepKind : uint32_t {
  kEnd,           // of the script; as kHang
  kWrite,         // bytes to the control pipe
  kWriteForever,  // bytes to the control pipe, over and over, `number` microseconds apart
  kReceive,       // a frame from the broker
  kExit,          // with status `number`
  kTrap,          // SIGILL
  kHang,
  kBurn,         // processor time
  kClosePipe,    // descriptor `number`
  kFork,         // a process that takes the next step and hangs, while this one goes on after it
  kSleep,        // `number` milliseconds
  kStore,        // bytes to the arena at `number`, see Place
  kFlip,         // for good: the two halves of bytes in turn to the arena at `number`
  kAdd,          // a value of 8 bytes to eventfd `number`
  kAddForever,   // one to eventfd `number`, over and over
  kTakeForever,  // reads eventfd `number`, over and over
  kUnblock,      // sets O_NONBLOCK on descriptor `number`
};

struct Step {
  StepKind kind = StepKind::kEnd;
  uint32_t size = 0;  // of the bytes that follow
  uint64_t number = 0;
};

// Where in the arena; its offsets depend on the job. In bits 32 to 63 of a step's number.
enum class Place : uint64_t { kLane0, kSubmissions, kStatus, kReport };

// Setup::memory_size of workers that misbehave before they have a script. Valid sizes, so that any
// job may ask for one.
inline constexpr uint64_t kMisbehaves = 32ull << 20;
inline constexpr uint64_t kFillsWakes = kMisbehaves + 1 * abi::kPageSize;      // before Confined
inline constexpr uint64_t kTalksWhenReady = kMisbehaves + 2 * abi::kPageSize;  // Trace, once
inline constexpr uint64_t kFloodsAtSetup = kMisbehaves + 3 * abi::kPageSize;   // Trace, no Ready
inline constexpr uint64_t kDripsAtSetup = kMisbehaves + 4 * abi::kPageSize;    // half a frame

class Script {
 public:
  Script& Write(std::string_view bytes) { return Add(StepKind::kWrite, 0, bytes); }
  Script& WriteForever(std::string_view bytes, uint64_t pause_us = 0) {
    return Add(StepKind::kWriteForever, pause_us, bytes);
  }
  Script& Receive() { return Add(StepKind::kReceive, 0, {}); }
  Script& Exit(uint64_t status) { return Add(StepKind::kExit, status, {}); }
  Script& Trap() { return Add(StepKind::kTrap, 0, {}); }
  Script& Hang() { return Add(StepKind::kHang, 0, {}); }
  Script& Burn() { return Add(StepKind::kBurn, 0, {}); }
  Script& ClosePipe(int fd) { return Add(StepKind::kClosePipe, static_cast<uint64_t>(fd), {}); }
  Script& Fork() { return Add(StepKind::kFork, 0, {}); }
  Script& Sleep(uint64_t milliseconds) { return Add(StepKind::kSleep, milliseconds, {}); }
  Script& Store(Place place, uint64_t offset, std::string_view bytes) {
    return Add(StepKind::kStore, At(place, offset), bytes);
  }
  Script& Flip(Place place, uint64_t offset, std::string_view one, std::string_view other) {
    return Add(StepKind::kFlip, At(place, offset), std::string(one).append(other));
  }
  Script& AddTo(int fd, uint64_t value) {
    return Add(StepKind::kAdd, static_cast<uint64_t>(fd), Bytes(value));
  }
  Script& AddForever(int fd) { return Add(StepKind::kAddForever, static_cast<uint64_t>(fd), {}); }
  Script& TakeForever(int fd) { return Add(StepKind::kTakeForever, static_cast<uint64_t>(fd), {}); }
  Script& Unblock(int fd) { return Add(StepKind::kUnblock, static_cast<uint64_t>(fd), {}); }

  const std::string& bytes() const { return bytes_; }

  template <typename T>
  static std::string Bytes(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }

 private:
  static uint64_t At(Place place, uint64_t offset) {
    return static_cast<uint64_t>(place) << 32 | offset;
  }
  Script& Add(StepKind kind, uint64_t number, std::string_view bytes) {
    bytes_ +=
        Bytes(Step{.kind = kind, .size = static_cast<uint32_t>(bytes.size()), .number = number});
    bytes_ += bytes;
    return *this;
  }

  std::string bytes_;
};

}  // namespace hotcell::hostile

#endif  // HOTCELL_TESTS_HOSTILE_SCRIPTED_WORKER_SCRIPT_H_
