// The random choices of the differential fuzzer, which a seed repeats.
#ifndef HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_RANDOM_H_
#define HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_RANDOM_H_

#include <cstdint>
#include <initializer_list>
#include <random>

namespace hotcell::fuzz {

// The same seed gives the same choices on any machine, which the distributions of <random> do not
// promise.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  uint64_t Next() { return engine_(); }
  // below > 0.
  uint64_t Below(uint64_t below) { return engine_() % below; }
  bool OneIn(uint64_t count) { return Below(count) == 0; }
  template <typename T>
  T Pick(std::initializer_list<T> choices) {
    return choices.begin()[Below(choices.size())];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_RANDOM_H_
