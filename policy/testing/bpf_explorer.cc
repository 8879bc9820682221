#include "policy/testing/bpf_explorer.h"

#include <linux/seccomp.h>

#include <cstddef>
#include <set>

namespace hotcell::policy::testing {
namespace {

enum class Word : uint8_t { kNumber, kArch, kArgument };

// Where the program is, and what is known there.
struct State {
  size_t at = 0;
  Word loaded = Word::kArgument;
  Range number;
  Range arch;
  // NOLINTNEXTLINE(modernize-use-nullptr): a false alarm of clang-tidy 14.
  auto operator<=>(const State&) const = default;
};

struct Split {
  std::vector<Range> taken;
  std::vector<Range> not_taken;
};

void AddRange(uint64_t first, uint64_t last, const Range& within, std::vector<Range>& ranges) {
  if (first < within.first) first = within.first;
  if (last > within.last) last = within.last;
  if (first > last) return;
  ranges.push_back({static_cast<uint32_t>(first), static_cast<uint32_t>(last)});
}

// Splits by 64-bit ends, so that k + 1 and k - 1 do not wrap (k - 1 of 0 is beyond every end).
Split SplitRange(const Range& range, uint16_t operation, uint64_t k) {
  constexpr uint64_t kEnd = UINT32_MAX;
  Split split;
  switch (operation) {
    case BPF_JEQ:
      AddRange(k, k, range, split.taken);
      if (k > 0) AddRange(0, k - 1, range, split.not_taken);
      AddRange(k + 1, kEnd, range, split.not_taken);
      break;
    case BPF_JGE:
      AddRange(k, kEnd, range, split.taken);
      if (k > 0) AddRange(0, k - 1, range, split.not_taken);
      break;
    case BPF_JGT:
      AddRange(k + 1, kEnd, range, split.taken);
      AddRange(0, k, range, split.not_taken);
      break;
    default:  // of bits: either way may be
      split.taken = split.not_taken = {range};
      break;
  }
  return split;
}

Word WordAt(uint32_t offset) {
  switch (offset) {
    case offsetof(seccomp_data, nr):
      return Word::kNumber;
    case offsetof(seccomp_data, arch):
      return Word::kArch;
    default:
      return Word::kArgument;
  }
}

class Explorer {
 public:
  explicit Explorer(std::span<const sock_filter> program) : program_(program) {}

  std::vector<Outcome> Run() {
    Visit({});
    while (!pending_.empty()) {
      const State state = pending_.back();
      pending_.pop_back();
      Step(state);
    }
    return std::move(outcomes_);
  }

 private:
  void Visit(const State& state) {
    if (seen_.insert(state).second) pending_.push_back(state);
  }

  void Step(State state) {
    if (state.at >= program_.size()) {
      outcomes_.push_back({state.number, state.arch, kNoReturn});
      return;
    }
    const sock_filter& instruction = program_[state.at];
    const size_t next = state.at + 1;
    state.at = next;
    switch (instruction.code) {
      case BPF_RET | BPF_K:
        outcomes_.push_back({state.number, state.arch, instruction.k});
        return;
      case BPF_LD | BPF_W | BPF_ABS:
        state.loaded = WordAt(instruction.k);
        return Visit(state);
      case BPF_ALU | BPF_AND | BPF_K:
        state.loaded = Word::kArgument;  // no longer the word as it was loaded
        return Visit(state);
      case BPF_JMP | BPF_JA:
        state.at = next + instruction.k;
        return Visit(state);
      default:
        Branch(state, instruction);
    }
  }

  void Branch(State state, const sock_filter& instruction) {
    const size_t taken = state.at + instruction.jt;
    const size_t not_taken = state.at + instruction.jf;
    if (state.loaded == Word::kArgument) {
      state.at = taken;
      Visit(state);
      state.at = not_taken;
      return Visit(state);
    }
    Range State::*const known = state.loaded == Word::kNumber ? &State::number : &State::arch;
    const Split split = SplitRange(state.*known, BPF_OP(instruction.code), instruction.k);
    for (const Range& range : split.taken) {
      state.at = taken;
      state.*known = range;
      Visit(state);
    }
    for (const Range& range : split.not_taken) {
      state.at = not_taken;
      state.*known = range;
      Visit(state);
    }
  }

  const std::span<const sock_filter> program_;
  std::set<State> seen_;
  std::vector<State> pending_;
  std::vector<Outcome> outcomes_;
};

}  // namespace

std::vector<Outcome> Explore(std::span<const sock_filter> program) {
  return Explorer(program).Run();
}

}  // namespace hotcell::policy::testing
