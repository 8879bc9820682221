// The fuzz target of one format; HOTCELL_FUZZ_FORMAT is its name, or "" for one that probes.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "tools/fuzzers/images/image_harness.h"
#include "tools/fuzzers/images/mutator.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace hotcell::fuzz {
namespace {

// Bytes put into `data`; `size` where there is no room for the new input.
size_t Put(const FuzzInput& input, uint8_t* data, size_t size, size_t max_size) {
  const std::vector<uint8_t> bytes = input.Serialize(max_size);
  if (bytes.empty()) return size;
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}

}  // namespace
}  // namespace hotcell::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotcell::fuzz;
  RunImage(HOTCELL_FUZZ_FORMAT, FuzzInput::Parse({data, size}));
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  using namespace hotcell::fuzz;
  FuzzInput input = FuzzInput::Parse({data, size});
  ImageMutator(LayoutOf(HOTCELL_FUZZ_FORMAT), LLVMFuzzerMutate, seed).Mutate(input);
  return Put(input, data, size, max_size);
}

extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t* first, size_t first_size,
                                            const uint8_t* second, size_t second_size, uint8_t* out,
                                            size_t max_size, unsigned int seed) {
  using namespace hotcell::fuzz;
  FuzzInput input = FuzzInput::Parse({first, first_size});
  ImageMutator(LayoutOf(HOTCELL_FUZZ_FORMAT), LLVMFuzzerMutate, seed)
      .Cross(input, FuzzInput::Parse({second, second_size}));
  return Put(input, out, 0, max_size);
}
