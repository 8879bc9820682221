// Runs a fuzz target on files, without libFuzzer, so that any build can:
//
//   replay_NAME [--mutations=N] PATH...
//
// Directories stand for the files in them. The input that was on when the target died is the last
// one that was named. --mutations: each input is followed by N that the target's own mutator makes
// of it, the same in every run.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" {
int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int* argc, char*** argv);
__attribute__((weak)) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                                     unsigned int seed);

// libFuzzer's own, which custom mutators fall back on, in its simplest form.
size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size) {
  static std::minstd_rand random;
  if (size < max_size && random() % 4 == 0) data[size++] = static_cast<uint8_t>(random());
  if (size > 0) data[random() % size] ^= static_cast<uint8_t>(1u << random() % 8);
  return size;
}
}

namespace {

constexpr size_t kMaxMutatedSize = 64 << 10;
constexpr char kMutations[] = "--mutations=";

using Input = std::vector<uint8_t>;

void Run(const Input& input) {
  // The copy has its exact size and is on the heap, so that a sanitizer sees the first byte too
  // much.
  const Input copy(input);
  if (LLVMFuzzerTestOneInput(copy.data(), copy.size()) != 0) {
    std::fputs("the target returned something but 0\n", stderr);
    std::exit(1);
  }
}

void RunMutations(Input input, unsigned int count) {
  if (LLVMFuzzerCustomMutator == nullptr) return;
  input.reserve(kMaxMutatedSize);
  for (unsigned int i = 0; i < count && input.size() <= kMaxMutatedSize; ++i) {
    const size_t size = input.size();
    input.resize(kMaxMutatedSize);
    input.resize(LLVMFuzzerCustomMutator(input.data(), size, kMaxMutatedSize, i));
    Run(input);
  }
}

std::vector<std::filesystem::path> FilesOf(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return {path};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  unsigned int mutations = 0;
  size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with(kMutations)) {
      mutations = static_cast<unsigned int>(std::atoi(argument.c_str() + std::strlen(kMutations)));
      continue;
    }
    // A target that never failed has no folder of regressions.
    if (!std::filesystem::exists(argument)) continue;
    for (const std::filesystem::path& file : FilesOf(argument)) {
      std::printf("%s\n", file.c_str());
      std::fflush(stdout);
      std::ifstream stream(file, std::ios::binary);
      const Input input{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
      if (stream.bad()) {
        std::perror(file.c_str());
        return 1;
      }
      Run(input);
      RunMutations(input, mutations);
      ++count;
    }
  }
  std::printf("%zu inputs\n", count);
  if (count == 0) std::fputs("there is no input to run\n", stderr);
  return count == 0 ? 1 : 0;
}
