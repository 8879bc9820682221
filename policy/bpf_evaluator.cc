#include "policy/bpf_evaluator.h"

#include <cstddef>
#include <cstring>

namespace hotcell::policy {

std::optional<uint32_t> Evaluate(std::span<const sock_filter> program, const seccomp_data& data) {
  uint32_t accumulator = 0;
  size_t next = 0;
  while (next < program.size()) {
    const sock_filter& at = program[next++];
    bool condition = false;
    switch (at.code) {
      case BPF_LD | BPF_W | BPF_ABS:  // a 32-bit word of the call's description
        if (at.k % sizeof(uint32_t) != 0 || at.k > sizeof(data) - sizeof(uint32_t)) return {};
        std::memcpy(&accumulator, reinterpret_cast<const std::byte*>(&data) + at.k,
                    sizeof(accumulator));
        continue;
      case BPF_ALU | BPF_AND | BPF_K:
        accumulator &= at.k;
        continue;
      case BPF_RET | BPF_K:
        return at.k;
      case BPF_JMP | BPF_JA:
        next += at.k;
        continue;
      case BPF_JMP | BPF_JEQ | BPF_K:
        condition = accumulator == at.k;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        condition = accumulator >= at.k;
        break;
      case BPF_JMP | BPF_JGT | BPF_K:
        condition = accumulator > at.k;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        condition = (accumulator & at.k) != 0;
        break;
      default:
        return {};
    }
    next += condition ? at.jt : at.jf;
  }
  return {};
}

}  // namespace hotcell::policy
