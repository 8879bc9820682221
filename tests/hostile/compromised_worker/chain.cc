#include "tests/hostile/compromised_worker/chain.h"

#include <cstdlib>

namespace hotcell::tests {

Chain& Chain::Add(Op op, int64_t number, std::initializer_list<Argument> arguments) {
  if (attack_.steps == kMaxSteps) std::abort();
  Step& step = attack_.step[attack_.steps++];
  step.op = op;
  step.number = number;
  int index = 0;
  for (const Argument& argument : arguments) {
    step.kinds[index] = argument.kind;
    step.arguments[index] = argument.value;
    if (argument.kind == Operand::kMemory) {
      if (used_ + argument.bytes.size() + 1 > kAttackMemory) std::abort();
      argument.bytes.copy(attack_.memory + used_, argument.bytes.size());
      step.arguments[index] = static_cast<int64_t>(used_);
      used_ += (argument.bytes.size() + 16) & ~size_t{15};
    }
    ++index;
  }
  return *this;
}

}  // namespace hotcell::tests
