// An input as the files of a job.
#ifndef HOTCELL_TOOLS_FUZZERS_IMAGES_NATIVE_IMAGE_H_
#define HOTCELL_TOOLS_FUZZERS_IMAGES_NATIVE_IMAGE_H_

#include <cstdint>

#include "guest/runtime/native/native_channel.h"
#include "tools/fuzzers/images/fuzz_input.h"

namespace hotcell::fuzz {

// The files of one job that reads `input`, which outlives it. As in a real job there is a limit on
// what is read, so that no input takes long: reads fail once it is passed.
class NativeImage {
 public:
  explicit NativeImage(const FuzzInput& input);

  guest::NativeFiles& files() { return files_; }
  const guest::FileHandle& image() const { return image_; }
  // A new, empty file that a job may write, to its own limit.
  guest::FileHandle AddTarget();

 private:
  class ReadOnlyFile;

  guest::NativeFiles::Opened OpenReference();

  const FuzzInput& input_;
  uint64_t bytes_left_;
  size_t references_ = 0;
  guest::NativeFiles files_;
  guest::FileHandle image_;
};

}  // namespace hotcell::fuzz

#endif  // HOTCELL_TOOLS_FUZZERS_IMAGES_NATIVE_IMAGE_H_
