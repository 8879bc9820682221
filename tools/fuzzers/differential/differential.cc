// A differential fuzzer with a model: what we write must be read as the same disk by us and by
// qemu-img, and what qemu-io writes must be read as the same disk by us.
//
//   differential [--seconds=N | --count=N] [--seed=N] [--keep]
//
// Round i of seed N is round 0 of seed N + i. The directory of a round that fails is kept with
// --keep. Ends with a line as that of tools/fuzz. Exit status 77: qemu-img is not there.
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "tools/fuzzers/differential/round_trip.h"

namespace {

struct Options {
  uint64_t seconds = 0;  // 0: until `count`
  uint64_t count = 10;
  uint64_t seed = 1;
  bool keep = false;
};

bool Parse(int argc, char** argv, Options& options) {
  const std::map<std::string, uint64_t*> numbers = {
      {"--seconds", &options.seconds}, {"--count", &options.count}, {"--seed", &options.seed}};
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const size_t equals = argument.find('=');
    const auto number = numbers.find(argument.substr(0, equals));
    if (argument == "--keep") {
      options.keep = true;
    } else if (number != numbers.end() && equals != std::string::npos) {
      *number->second = std::strtoull(argument.c_str() + equals + 1, nullptr, 10);
    } else {
      std::fprintf(stderr, "usage: %s [--seconds=N | --count=N] [--seed=N] [--keep]\n", argv[0]);
      return false;
    }
  }
  return true;
}

class Rounds {
 public:
  explicit Rounds(const Options& options) : options_(options) {}

  int Run() {
    const auto start = std::chrono::steady_clock::now();
    const auto elapsed = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    while (options_.seconds > 0 ? elapsed() < static_cast<double>(options_.seconds)
                                : done_ < options_.count) {
      RunOne(options_.seed + done_++);
    }
    std::printf("RESULT target=differential seconds=%.0f executions=%" PRIu64 " crashes=%" PRIu64
                "\n",
                elapsed(), done_, failed_);
    return failed_ > 0 ? 1 : 0;
  }

 private:
  void RunOne(uint64_t seed) {
    std::string directory =
        (std::filesystem::temp_directory_path() / "hotcell-fuzz-XXXXXX").string();
    if (mkdtemp(directory.data()) == nullptr) {
      std::perror("mkdtemp");
      std::exit(1);
    }
    const hotcell::fuzz::Outcome outcome = seed % 3 == 0
                                               ? hotcell::fuzz::ReadWritten(seed, directory)
                                               : hotcell::fuzz::WriteAndRead(seed, directory);
    if (outcome.problem.empty()) {
      std::filesystem::remove_all(directory);
      return;
    }
    ++failed_;
    std::fprintf(stderr, "seed %" PRIu64 ", %s: %s\n  reproduce it with --count=1 --seed=%" PRIu64,
                 seed, outcome.what.c_str(), outcome.problem.c_str(), seed);
    std::fprintf(stderr, options_.keep ? "; %s\n" : "\n", directory.c_str());
    if (!options_.keep) std::filesystem::remove_all(directory);
  }

  const Options options_;
  uint64_t done_ = 0;
  uint64_t failed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!Parse(argc, argv, options)) return 2;
  if (std::system("qemu-img --version >/dev/null 2>&1 && qemu-io --version >/dev/null 2>&1") != 0) {
    std::fputs("qemu-img and qemu-io are not installed (qemu-utils)\n", stderr);
    return 77;
  }
  return Rounds(options).Run();
}
