// Which image a round of the differential fuzzer makes: a format that both programs know, with
// options that they have in common.
#ifndef HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_IMAGE_CHOICE_H_
#define HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_IMAGE_CHOICE_H_

#include <string>
#include <utility>
#include <vector>

#include "tools/fuzzers/differential/random.h"

namespace hotcell::fuzz {

// A format with options that go together.
struct ImageChoice {
  std::string format;
  std::vector<std::pair<std::string, std::string>> options = {};
  bool compress = false;

  // "qcow2 -c -o cluster_size=512", for people and for qemu-img's command line.
  std::string Text() const;
};

// One that we write.
ImageChoice ChooseWritten(Random& random);
// One that qemu-io writes.
ImageChoice ChooseRead(Random& random);

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_DIFFERENTIAL_IMAGE_CHOICE_H_
