// How fast an engine with a pool of workers answers `info`, as a service would ask it: each job in
// a worker and a VM of its own. Prints JSON; see kUsage.
#include <fcntl.h>
#include <getopt.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "hotcell/engine.h"

namespace hotcell {
namespace {

constexpr char kUsage[] =
    R"(usage: pool_bench --image FILE [--format NAME] [--jobs N] [--threads T] [--pool P] [--pause MS]

  --image FILE   describe this image
  --format NAME  its format (default: found out in the guest)
  --jobs N       in all (default 200)
  --threads T    that ask at the same time (default 1)
  --pool P       workers kept ready (default 4); 0: every job starts its own
  --pause MS     between two jobs of a thread, milliseconds (default 0)

Prints as JSON: p50 and p99 of a job's latency and the median of its steps, counted from the call, in
microseconds; jobs per second; how many jobs found a worker ready.
)";

struct Options {
  std::string image;
  std::string format;
  uint32_t jobs = 200;
  uint32_t threads = 1;
  uint32_t pool = 4;
  uint32_t pause = 0;
};

bool ParseNumber(std::string_view text, uint32_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseOptions(int argc, char** argv, Options& options) {
  const option names[] = {{"image", required_argument, nullptr, 'i'},
                          {"format", required_argument, nullptr, 'f'},
                          {"jobs", required_argument, nullptr, 'j'},
                          {"threads", required_argument, nullptr, 't'},
                          {"pool", required_argument, nullptr, 'p'},
                          {"pause", required_argument, nullptr, 's'},
                          {}};
  for (int id = 0; (id = getopt_long(argc, argv, "", names, nullptr)) != -1;) {
    bool good = true;
    switch (id) {
      case 'i':
        options.image = optarg;
        break;
      case 'f':
        options.format = optarg;
        break;
      case 'j':
        good = ParseNumber(optarg, options.jobs) && options.jobs > 0;
        break;
      case 't':
        good = ParseNumber(optarg, options.threads) && options.threads > 0;
        break;
      case 'p':
        good = ParseNumber(optarg, options.pool);
        break;
      case 's':
        good = ParseNumber(optarg, options.pause);
        break;
      default:
        good = false;
    }
    if (!good) return false;
  }
  return optind == argc && !options.image.empty();
}

struct Sample {
  absl::Duration latency;
  JobTimes times;
};

class Bench {
 public:
  Bench(const Options& options, const Engine& engine, int fd)
      : options_(options), engine_(engine), fd_(fd) {}

  // Runs all jobs.
  absl::Status Run() {
    samples_.resize(options_.jobs);
    statuses_.resize(options_.threads);
    const absl::Time begin = absl::Now();
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < options_.threads; ++i) {
      threads.emplace_back([this, i] { statuses_[i] = Serve(); });
    }
    for (std::thread& thread : threads) thread.join();
    seconds_ = absl::ToDoubleSeconds(absl::Now() - begin);
    for (const absl::Status& status : statuses_) {
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  nlohmann::ordered_json Report() const {
    const auto pooled = std::ranges::count_if(
        samples_, [](const Sample& sample) { return sample.times.ready == absl::ZeroDuration(); });
    nlohmann::ordered_json steps;
    for (const auto& [name, step] : kSteps) {
      steps[name] = Percentile(50, [&](const Sample& sample) { return sample.times.*step; });
    }
    const auto latency = [](const Sample& sample) { return sample.latency; };
    return {{"jobs", options_.jobs},
            {"threads", options_.threads},
            {"pool", options_.pool},
            {"pooled-jobs", pooled},
            {"jobs-per-second", options_.jobs / seconds_},
            {"latency-p50-us", Percentile(50, latency)},
            {"latency-p99-us", Percentile(99, latency)},
            {"steps-p50-us", steps}};
  }

 private:
  static constexpr std::pair<const char*, absl::Duration JobTimes::*> kSteps[] = {
      {"spawned", &JobTimes::spawned},
      {"confined", &JobTimes::confined},
      {"ready", &JobTimes::ready},
      {"finished", &JobTimes::finished},
      {"stopped", &JobTimes::stopped}};

  absl::Status Serve() {
    InfoRequest request;
    request.source = {.fd = fd_, .name = options_.image, .format = options_.format};
    for (uint32_t job = 0; (job = next_++) < options_.jobs;) {
      const absl::Time begin = absl::Now();
      const absl::StatusOr<InfoReply> reply = engine_.Info(request);
      if (!reply.ok()) return reply.status();
      samples_[job] = {absl::Now() - begin, reply->worker.times};
      absl::SleepFor(absl::Milliseconds(options_.pause));
    }
    return absl::OkStatus();
  }

  template <typename Get>
  double Percentile(size_t percent, Get get) const {
    std::vector<absl::Duration> values;
    std::ranges::transform(samples_, std::back_inserter(values), get);
    const auto place = values.begin() + static_cast<ptrdiff_t>(values.size() * percent / 100);
    std::ranges::nth_element(values, place);
    return absl::ToDoubleMicroseconds(*place);
  }

  const Options& options_;
  const Engine& engine_;
  const int fd_;
  std::atomic<uint32_t> next_ = 0;
  std::vector<Sample> samples_;
  std::vector<absl::Status> statuses_;  // of the threads
  double seconds_ = 0;
};

int Main(int argc, char** argv) {
  Options options;
  if (!ParseOptions(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const int fd = open(options.image.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    std::fprintf(stderr, "pool_bench: %s: %s\n", options.image.c_str(), std::strerror(errno));
    return 1;
  }
  const absl::StatusOr<Engine> engine = Engine::Create({.pool = {.info_workers = options.pool}});
  absl::Status status = engine.status();
  if (status.ok()) {
    // The pool fills.
    if (options.pool > 0) absl::SleepFor(absl::Milliseconds(50 + 10 * options.pool));
    Bench bench(options, *engine, fd);
    status = bench.Run();
    if (status.ok()) std::printf("%s\n", bench.Report().dump(2).c_str());
  }
  if (status.ok()) return 0;
  std::fprintf(stderr, "pool_bench: %s\n", status.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace hotcell

int main(int argc, char** argv) { return hotcell::Main(argc, argv); }
