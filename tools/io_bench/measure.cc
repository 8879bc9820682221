#include "tools/io_bench/measure.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <barrier>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"

namespace hotcell::io_bench {
namespace {

constexpr size_t kDirectAlignment = 4096;

double CpuMilliseconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto milliseconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
}

absl::Status CheckEqual(int source, int target, size_t size) {
  void* const expected = mmap(nullptr, size, PROT_READ, MAP_SHARED, source, 0);
  void* const actual = mmap(nullptr, size, PROT_READ, MAP_SHARED, target, 0);
  const absl::Cleanup unmap = [&] {
    if (expected != MAP_FAILED) munmap(expected, size);
    if (actual != MAP_FAILED) munmap(actual, size);
  };
  if (expected == MAP_FAILED || actual == MAP_FAILED) {
    return absl::ErrnoToStatus(errno, "cannot map the files");
  }
  if (std::memcmp(expected, actual, size) != 0) return absl::DataLossError("copied wrongly");
  return absl::OkStatus();
}

absl::StatusOr<Cost> Run(const Engine& engine, CopyJob& job, std::span<std::byte> buffer) {
  const size_t share = engine.chunks * job.chunk;
  std::vector<absl::Status> statuses(engine.threads);
  std::barrier phase(engine.threads + 1);
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < engine.threads; ++i) {
    threads.emplace_back([&, i] {
      const std::unique_ptr<Copier> copier = engine.make(buffer.subspan(i * share, share));
      statuses[i] = copier->Prepare(job);
      phase.arrive_and_wait();  // all are ready
      phase.arrive_and_wait();  // the clock runs
      if (statuses[i].ok()) statuses[i] = copier->Run(job);
      phase.arrive_and_wait();
    });
  }
  phase.arrive_and_wait();
  const double cpu_begin = CpuMilliseconds();
  const auto begin = std::chrono::steady_clock::now();
  phase.arrive_and_wait();
  phase.arrive_and_wait();
  const std::chrono::duration<double, std::milli> wall = std::chrono::steady_clock::now() - begin;
  const double cpu = CpuMilliseconds() - cpu_begin;
  threads.clear();
  for (const absl::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  return Cost{.wall_ms = wall.count(), .cpu_ms = cpu};
}

}  // namespace

absl::StatusOr<size_t> SourceSize(const Files& files) {
  struct stat status;
  if (stat(files.source.c_str(), &status) != 0) return absl::ErrnoToStatus(errno, files.source);
  const auto size = static_cast<size_t>(status.st_size);
  if (!S_ISREG(status.st_mode) || size == 0) {
    return absl::InvalidArgumentError(files.source + ": no regular file with data");
  }
  if (files.direct && (size % kDirectAlignment != 0 || files.chunk % kDirectAlignment != 0)) {
    return absl::InvalidArgumentError("O_DIRECT needs a file and chunks of whole 4 KiB blocks");
  }
  return size;
}

absl::StatusOr<Cost> Measure(const Engine& engine, const Files& files, std::span<std::byte> buffer,
                             bool verify) {
  const absl::StatusOr<size_t> size = SourceSize(files);
  if (!size.ok()) return size.status();
  const int direct = files.direct ? O_DIRECT : 0;
  CopyJob job;
  job.size = *size;
  job.chunk = files.chunk;
  job.source = open(files.source.c_str(), O_RDONLY | O_CLOEXEC | direct);
  if (job.source < 0) return absl::ErrnoToStatus(errno, files.source);
  const absl::Cleanup close_source = [&] { close(job.source); };
  // O_EXCL: what has the name already is not ours to overwrite, and to remove.
  job.target = open(files.target.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | direct, 0600);
  if (job.target < 0) return absl::ErrnoToStatus(errno, files.target);
  const absl::Cleanup close_target = [&] { close(job.target); };
  unlink(files.target.c_str());
  if (ftruncate(job.target, static_cast<off_t>(*size)) != 0) {
    return absl::ErrnoToStatus(errno, files.target);
  }
  absl::StatusOr<Cost> cost = Run(engine, job, buffer);
  if (cost.ok() && verify) {
    if (absl::Status status = CheckEqual(job.source, job.target, *size); !status.ok()) {
      return status;
    }
  }
  return cost;
}

}  // namespace hotcell::io_bench
