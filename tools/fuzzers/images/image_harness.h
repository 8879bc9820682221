// Does with an image what the operations of the guest do, and checks what must hold of any image
// whatsoever.
#ifndef HOTCELL_TOOLS_FUZZERS_IMAGES_IMAGE_HARNESS_H_
#define HOTCELL_TOOLS_FUZZERS_IMAGES_IMAGE_HARNESS_H_

#include <string_view>

#include "tools/fuzzers/images/fuzz_input.h"

namespace hotcell::fuzz {

// `format`: a registered format's name; empty: found by probing. Aborts when
//   an extent lies outside its file, is empty or is longer than what was asked for
//   a compressed cluster is out of bounds, or the parts of an extent are not where the whole is
//   the image gets another answer when it is asked again
//   a disk that is converted has another digest than before
//   a reader writes, or breaks the contract of IoChannel
void RunImage(std::string_view format, const FuzzInput& input);

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_IMAGES_IMAGE_HARNESS_H_
