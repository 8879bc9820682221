#include "guest/formats/testing/qemu_img.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <vector>

#include "base/alignment.h"

namespace hotcell::guest {
namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "hotcell-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::Run(const std::string& script) const {
  std::ofstream(path("script.sh")) << "set -e\n" << script << "\n";
  const std::string command = "cd '" + path_ + "' && sh script.sh > stdout 2> stderr";
  const int status = std::system(command.c_str());
  EXPECT_EQ(status, 0) << script << "\n" << ReadAll(path("stderr"));
  return ReadAll(path("stdout"));
}

bool HaveQemuImg() {
  static const bool have =
      std::system("qemu-img --version >/dev/null 2>&1 && qemu-io --version >/dev/null 2>&1") == 0;
  return have;
}

std::string SevenZip() {
  for (const char* name : {"7zz", "7z"}) {
    const std::string command = std::string("command -v ") + name + " >/dev/null";
    if (std::system(command.c_str()) == 0) return name;
  }
  return "";
}

void WriteSampleDisk(const std::string& path, uint64_t size) {
  std::mt19937_64 random(size);
  // The test program is machine code and symbol names, which compress as programs do.
  const std::string code = ReadAll("/proc/self/exe");
  std::ofstream out(path, std::ios::binary);
  uint64_t at = 0;
  while (at < size) {
    const uint64_t piece = std::min<uint64_t>(size - at, 512 * (1 + random() % 400));
    out.seekp(static_cast<std::streamoff>(at));
    switch (random() % 4) {
      case 0:
        break;  // a hole
      case 1: {
        std::string text;
        while (text.size() < piece) text += "line " + std::to_string(random() % 1000) + " of it\n";
        out.write(text.data(), static_cast<std::streamsize>(piece));
        break;
      }
      case 2: {
        const uint64_t from = random() % code.size();
        const std::string part = code.substr(from, piece);
        out.write(part.data(), static_cast<std::streamsize>(part.size()));
        break;
      }
      case 3: {
        std::vector<uint64_t> noise(DivideUp(piece, 8));
        for (uint64_t& word : noise) word = random();
        out.write(reinterpret_cast<const char*>(noise.data()), static_cast<std::streamsize>(piece));
        break;
      }
    }
    at += piece;
  }
  out.close();
  std::filesystem::resize_file(path, size);
}

}  // namespace hotcell::guest
