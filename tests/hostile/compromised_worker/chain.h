// How a test writes down the system calls of an intruder: as a chain whose steps use what earlier
// ones returned.
#ifndef HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_CHAIN_H_
#define HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_CHAIN_H_

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "tests/hostile/compromised_worker/attack.h"

namespace hotcell::tests {

// An argument of a step: a number, or one of those below.
struct Argument {
  template <typename Integer>
  requires std::is_integral_v<Integer> || std::is_enum_v<Integer> Argument(Integer number)
      : value(static_cast<int64_t>(number)) {}  // NOLINT: stands for it
  Argument(Operand operand, int64_t number) : kind(operand), value(number) {}
  explicit Argument(std::string content) : kind(Operand::kMemory), bytes(std::move(content)) {}

  Operand kind = Operand::kValue;
  int64_t value = 0;
  std::string bytes;
};

// The address of these bytes, and of a zero after them.
inline Argument Bytes(std::string_view bytes) { return Argument(std::string(bytes)); }
template <typename T>
Argument Object(const T& object) {
  static_assert(std::is_trivially_copyable_v<T>);
  return Argument(std::string(reinterpret_cast<const char*>(&object), sizeof(object)));
}
// The address of this many zeroes, for what a call gives back.
inline Argument Space(size_t size) { return Argument(std::string(size, '\0')); }
// What an earlier step returned; the first is 0.
inline Argument Result(int64_t step) { return {Operand::kResult, step}; }
inline Argument TextAddress() { return {Operand::kText, 0}; }
inline Argument DataAddress() { return {Operand::kData, 0}; }
inline Argument StackAddress() { return {Operand::kStack, 0}; }
inline Argument TextPage() { return {Operand::kTextPage, 0}; }
inline Argument DataPage() { return {Operand::kDataPage, 0}; }

// Builds an attack, step by step:
//   Chain().Call(SYS_openat, {AT_FDCWD, Bytes("/etc/passwd"), O_RDONLY})
//          .Call(SYS_read, {Result(0), Space(64), 64})
class Chain {
 public:
  Chain& Call(int64_t number, std::initializer_list<Argument> arguments = {}) {
    return Add(Op::kCall, number, arguments);
  }
  Chain& Interrupt80(int64_t number) { return Add(Op::kInterrupt80, number, {}); }
  Chain& Store(const Argument& address) { return Add(Op::kStore, 0, {address}); }
  Chain& Jump(const Argument& address) { return Add(Op::kJump, 0, {address}); }
  Chain& Spin() { return Add(Op::kSpin, 0, {}); }
  Chain& AccompaniedCall(int64_t number, std::initializer_list<Argument> arguments) {
    return Add(Op::kAccompaniedCall, number, arguments);
  }
  Chain& BlockSigsys() { return Add(Op::kBlockSigsys, 0, {}); }
  // Ends with the step that is the first now.
  Chain First() const {
    Chain first = *this;
    first.attack_.steps = 1;
    return first;
  }

  const Attack& attack() const { return attack_; }
  // Whether it takes a second thread, which is that of a second vCPU.
  bool needs_accomplice() const {
    return std::ranges::any_of(attack_.step,
                               [](const Step& step) { return step.op == Op::kAccompaniedCall; });
  }

 private:
  Chain& Add(Op op, int64_t number, std::initializer_list<Argument> arguments);

  Attack attack_;
  size_t used_ = 0;  // of Attack::memory
};

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_HOSTILE_COMPROMISED_WORKER_CHAIN_H_
