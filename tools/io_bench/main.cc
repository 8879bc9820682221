// Measures ways to copy a file chunk by chunk, as the broker moves the data of a conversion: system
// calls of some threads against io_uring.
#include <algorithm>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "tools/io_bench/backed_memory.h"
#include "tools/io_bench/measure.h"

ABSL_FLAG(bool, json, false, "Print JSON instead of a table");
ABSL_FLAG(unsigned, chunk, 1024, "KiB of a request");
ABSL_FLAG(unsigned, threads, std::thread::hardware_concurrency(),
          "Threads of the engines that have several");
ABSL_FLAG(unsigned, burst, 4, "Chunks that `turns` writes in a turn");
ABSL_FLAG(unsigned, depth, 4, "Requests in flight on each ring");
ABSL_FLAG(unsigned, rounds, 7, "Rounds, after one that warms up; the median counts");
ABSL_FLAG(bool, direct, false, "Open both files with O_DIRECT");

namespace hotcell::io_bench {
namespace {

using nlohmann::ordered_json;

constexpr size_t kKib = 1 << 10;

double Median(std::vector<Cost> costs, double Cost::*figure) {
  std::ranges::sort(costs, {}, figure);
  return costs[costs.size() / 2].*figure;
}

// The costs of all rounds but the first, by engine.
absl::StatusOr<std::vector<std::vector<Cost>>> MeasureAll(const std::vector<Engine>& engines,
                                                          const Files& files,
                                                          std::span<std::byte> buffer) {
  std::vector<std::vector<Cost>> costs(engines.size());
  for (unsigned round = 0; round <= absl::GetFlag(FLAGS_rounds); ++round) {
    for (size_t i = 0; i < engines.size(); ++i) {
      const size_t engine = (round + i) % engines.size();  // each begins in its turn
      const auto cost = Measure(engines[engine], files, buffer, /*verify=*/round == 0);
      if (!cost.ok()) {
        return absl::Status(cost.status().code(),
                            engines[engine].name + ": " + std::string(cost.status().message()));
      }
      if (round > 0) costs[engine].push_back(*cost);
    }
  }
  return costs;
}

void PrintTable(const std::vector<Engine>& engines, const std::vector<std::vector<Cost>>& costs) {
  std::puts("engine    threads  chunks  wall ms  (least - most)     CPU ms");
  for (size_t i = 0; i < engines.size(); ++i) {
    const auto [least, most] = std::ranges::minmax(costs[i], {}, &Cost::wall_ms);
    std::puts(absl::StrFormat("%-9s %7d %7d %8.1f  (%.1f - %.1f)  %8.1f", engines[i].name,
                              engines[i].threads, engines[i].chunks,
                              Median(costs[i], &Cost::wall_ms), least.wall_ms, most.wall_ms,
                              Median(costs[i], &Cost::cpu_ms))
                  .c_str());
  }
}

ordered_json Report(const Files& files, size_t size, const std::vector<Engine>& engines,
                    const std::vector<std::vector<Cost>>& costs) {
  ordered_json results = ordered_json::array();
  for (size_t i = 0; i < engines.size(); ++i) {
    ordered_json rounds = ordered_json::array();
    for (const Cost& cost : costs[i]) {
      rounds.push_back({{"wall_ms", cost.wall_ms}, {"cpu_ms", cost.cpu_ms}});
    }
    results.push_back({{"name", engines[i].name},
                       {"threads", engines[i].threads},
                       {"chunks", engines[i].chunks},
                       {"wall_ms", Median(costs[i], &Cost::wall_ms)},
                       {"cpu_ms", Median(costs[i], &Cost::cpu_ms)},
                       {"rounds", rounds}});
  }
  return {{"source", files.source},     {"target", files.target}, {"bytes", size},
          {"chunk_bytes", files.chunk}, {"direct", files.direct}, {"engines", results}};
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "io_bench: %s\n", std::string(status.message()).c_str());
  return 1;
}

int Main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "measures ways to copy a file chunk by chunk.\n\n  io_bench [option]... SOURCE TARGET\n\n"
      "  threads  each thread reads a chunk and writes it\n"
      "  turns    each reads some chunks and writes them while the others may not: the broker's\n"
      "  uring    io_uring, one ring\n"
      "  uring-n  io_uring, a ring for each thread\n\n"
      "TARGET must not exist; every copy makes and removes it, and those of the first round are "
      "compared with SOURCE.");
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  const unsigned threads = absl::GetFlag(FLAGS_threads);
  const unsigned burst = absl::GetFlag(FLAGS_burst);
  const unsigned depth = absl::GetFlag(FLAGS_depth);
  const Files files = {.source = arguments.size() == 3 ? arguments[1] : "",
                       .target = arguments.size() == 3 ? arguments[2] : "",
                       .chunk = absl::GetFlag(FLAGS_chunk) * kKib,
                       .direct = absl::GetFlag(FLAGS_direct)};
  if (arguments.size() != 3 || files.chunk == 0 || threads == 0 || burst == 0 || depth == 0 ||
      absl::GetFlag(FLAGS_rounds) == 0) {
    std::fputs("io_bench: name a source and a target, and no count of 0; try --help\n", stderr);
    return 2;
  }
  const std::vector<Engine> engines = {{"threads", threads, 1, MakeSyscallCopier},
                                       {"turns", threads, burst, MakeTurnCopier},
                                       {"uring", 1, depth, MakeUringCopier},
                                       {"uring-n", threads, depth, MakeUringCopier}};
  const absl::StatusOr<size_t> size = SourceSize(files);
  if (!size.ok()) return Fail(size.status());
  const Memory buffer(threads * std::max(burst, depth) * files.chunk);
  Memory backed(2 * *size);
  if (buffer.bytes().empty() || backed.bytes().empty()) {
    return Fail(absl::ResourceExhaustedError("not enough memory"));
  }
  backed.FreeScattered();
  const auto costs = MeasureAll(engines, files, buffer.bytes());
  if (!costs.ok()) return Fail(costs.status());
  if (absl::GetFlag(FLAGS_json)) {
    std::puts(Report(files, *size, engines, *costs).dump(2).c_str());
  } else {
    PrintTable(engines, *costs);
  }
  return 0;
}

}  // namespace
}  // namespace hotcell::io_bench

int main(int argc, char** argv) { return hotcell::io_bench::Main(argc, argv); }
