// Images made by qemu-img in a temporary directory, for tests that compare with it.
#ifndef HOTCELL_GUEST_FORMATS_TESTING_QEMU_IMG_H_
#define HOTCELL_GUEST_FORMATS_TESTING_QEMU_IMG_H_

#include <string>

namespace hotcell::guest {

// A directory of a test's own, removed with all it holds.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string path(const std::string& name) const { return path_ + "/" + name; }

  // Runs a shell script in the directory; returns its standard output. The test fails, with the
  // script's standard error, when it does not exit with 0.
  std::string Run(const std::string& script) const;

 private:
  std::string path_;
};

// Whether qemu-img and qemu-io are on PATH.
bool HaveQemuImg();

// 7-Zip's program, which is called 7zz by Debian 12 and 7z from Debian 13 on; empty: there is none.
std::string SevenZip();

// Writes a disk with text, machine code, noise and holes of several sizes.
void WriteSampleDisk(const std::string& path, uint64_t size);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_TESTING_QEMU_IMG_H_
