// Files for tests, in a directory that goes with the test.
#ifndef HOTCELL_BROKER_TESTING_TEMP_DIR_H_
#define HOTCELL_BROKER_TESTING_TEMP_DIR_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/unique_fd.h"

namespace hotcell::broker {

// A directory of the test's own, removed with all that is in it.
class TempDir {
 public:
  TempDir() {
    std::string pattern = testing::TempDir() + "/hotcell-XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  std::string Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(File(name)).parent_path());
    std::ofstream(File(name), std::ios::binary) << content;
    return File(name);
  }
  std::string Read(const std::string& name) const {
    std::ifstream in(File(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  UniqueFd Open(const std::string& name, int flags) const {
    return UniqueFd(open(File(name).c_str(), flags | O_CLOEXEC, 0600));
  }

 private:
  std::string path_;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_TESTING_TEMP_DIR_H_
