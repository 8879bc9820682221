// How long after its limit of wall time or CPU time, or after its cancellation, a job ends that
// would never end by itself. Prints one line for each kind of job: milliseconds, of so many runs.
//
//   deadline_bench [RUNS]
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/load/sieges.h"

namespace hotcell::load {
namespace {

void PrintRow(const std::string& name, const std::vector<absl::Duration>& lateness) {
  std::vector<double> values;
  for (const absl::Duration late : lateness) values.push_back(absl::ToDoubleMilliseconds(late));
  std::sort(values.begin(), values.end());
  std::printf("  %-36s %8.1f %8.1f %8.1f\n", name.c_str(), values[values.size() / 2],
              values[values.size() * 9 / 10], values.back());
  std::fflush(stdout);
}

void PrintTitle(const std::string& title) {
  std::printf("%-38s %8s %8s %8s\n", title.c_str(), "median", "p90", "worst");
}

// The lateness of `runs` jobs; a job that ended otherwise than it should ends the program.
void Measure(const std::string& name, int runs, absl::StatusCode code,
             const std::function<absl::Duration(absl::Status&)>& run) {
  std::vector<absl::Duration> lateness;
  for (int i = 0; i < runs; ++i) {
    absl::Status status;
    lateness.push_back(run(status));
    if (status.code() == code) continue;
    std::fprintf(stderr, "deadline_bench: %s: %s\n", name.c_str(), status.ToString().c_str());
    std::exit(1);
  }
  PrintRow(name, lateness);
}

void MeasureWallTime(const Sieges& sieges, int runs, absl::Duration limit) {
  PrintTitle("wall_time of " + absl::FormatDuration(limit));
  for (const Siege& siege : sieges.all()) {
    Measure(siege.name, runs, absl::StatusCode::kDeadlineExceeded, [&](absl::Status& status) {
      JobOptions options;
      options.limits.wall_time = limit;
      const absl::Time begin = absl::Now();
      status = siege.run(options);
      return absl::Now() - begin - limit;
    });
  }
}

absl::Duration ChildrensCpuTime() {
  rusage usage{};
  getrusage(RUSAGE_CHILDREN, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

void MeasureCpuTime(const Sieges& sieges, int runs, absl::Duration limit) {
  PrintTitle("CPU used beyond a cpu_time of " + absl::FormatDuration(limit));
  for (const Siege& siege : sieges.all()) {
    if (!siege.burns_cpu) continue;
    Measure(siege.name, runs, absl::StatusCode::kDeadlineExceeded, [&](absl::Status& status) {
      JobOptions options;
      options.limits.cpu_time = limit;
      const absl::Duration before = ChildrensCpuTime();
      status = siege.run(options);  // the worker of a job that failed is reaped
      return ChildrensCpuTime() - before - limit;
    });
  }
}

void MeasureCancellation(const Sieges& sieges, int runs) {
  PrintTitle("cancellation after 60ms");
  for (const Siege& siege : sieges.all()) {
    Measure(siege.name, runs, absl::StatusCode::kCancelled, [&](absl::Status& status) {
      Cancellation cancellation;
      JobOptions options;
      options.cancellation = &cancellation;
      absl::Time cancelled;
      std::thread canceller([&] {
        absl::SleepFor(absl::Milliseconds(60));
        cancelled = absl::Now();
        cancellation.Cancel();
      });
      status = siege.run(options);
      const absl::Time end = absl::Now();
      canceller.join();
      return end - cancelled;
    });
  }
}

// The command from its start to its end, the start of the process included.
void MeasureCommand(int runs, const std::string& mode, const std::string& demo) {
  Measure("hotcell run --mode " + mode, runs, absl::StatusCode::kOk, [&](absl::Status& status) {
    std::vector<std::string> words = {"hotcell", "run", "--mode", mode, "--timeout", "0.2", demo};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    int death = 0;
    const absl::Time begin = absl::Now();
    const int error = posix_spawn(&child, HOTCELL_PATH, &files, nullptr, arguments.data(), environ);
    if (error == 0) waitpid(child, &death, 0);
    const absl::Duration elapsed = absl::Now() - begin;
    posix_spawn_file_actions_destroy(&files);
    constexpr int kTimeout = 124;
    if (error != 0 || WEXITSTATUS(death) != kTimeout) {
      status = absl::InternalError("the command did not end by its timeout");
    }
    return elapsed - absl::Milliseconds(200);
  });
}

int Main(int argc, char** argv) {
  int runs = 50;
  if (argc == 2) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), runs);
  if (argc > 2 || runs < 1) {
    std::fputs("usage: deadline_bench [RUNS]\n", stderr);
    return 2;
  }
  const absl::StatusOr<Sieges> sieges = Sieges::Make();
  if (!sieges.ok()) {
    std::fprintf(stderr, "deadline_bench: %s\n", sieges.status().ToString().c_str());
    return 1;
  }
  std::printf("milliseconds late, of %d runs\n", runs);
  for (const int limit : {50, 200, 500}) {
    MeasureWallTime(*sieges, runs, absl::Milliseconds(limit));
  }
  MeasureCpuTime(*sieges, runs, absl::Milliseconds(100));
  MeasureCancellation(*sieges, runs);
  PrintTitle("--timeout 0.2, the command as a whole");
  MeasureCommand(runs, "long", HOTCELL_DEMO_DIR "/long_endless_loop.bin");
  MeasureCommand(runs, "real", HOTCELL_DEMO_DIR "/real_endless_loop.bin");
  return 0;
}

}  // namespace
}  // namespace hotcell::load

int main(int argc, char** argv) { return hotcell::load::Main(argc, argv); }
