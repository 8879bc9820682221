#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <thread>

#include "tools/codec_bench/codec.h"

namespace hotcell::codec_bench {
namespace {

constexpr size_t kShare = 8;  // clusters that a thread takes at a time

}  // namespace

Measurement Measure(const Codec& codec, const Clusters& inputs, unsigned threads, unsigned rounds) {
  const bool compress = codec.operation == "compress";
  Measurement result;
  std::vector<double> seconds;
  for (unsigned round = 0; round <= rounds; ++round) {
    std::atomic<size_t> next = 0;
    std::atomic<size_t> output_size = 0;
    std::atomic<size_t> failures = 0;
    std::barrier start(threads + 1);
    std::vector<std::jthread> workers;
    workers.reserve(threads);
    for (unsigned thread = 0; thread < threads; ++thread) {
      workers.emplace_back([&] {
        const Coder coder = codec.make();
        std::vector<std::byte> out(kClusterSize);
        start.arrive_and_wait();
        size_t produced = 0;
        size_t failed = 0;
        for (size_t begin; (begin = next.fetch_add(kShare)) < inputs.size();) {
          for (size_t i = begin; i < std::min(begin + kShare, inputs.size()); ++i) {
            const size_t limit = compress ? inputs[i].size() - 1 : out.size();
            const size_t size = coder(inputs[i], std::span(out).first(limit));
            failed += size == 0;
            produced += size == 0 && compress ? inputs[i].size() : size;
          }
        }
        output_size += produced;
        failures += failed;
      });
    }
    start.arrive_and_wait();
    const auto begin = std::chrono::steady_clock::now();
    workers.clear();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    if (round > 0) seconds.push_back(taken.count());
    result.output_size = output_size;
    result.failures = failures;
  }
  std::ranges::sort(seconds);
  result.seconds = seconds[seconds.size() / 2];
  result.input_size = TotalSize(inputs);
  return result;
}

Clusters Compressed(const Codec& codec, const Clusters& clusters) {
  const Coder coder = codec.make();
  Clusters streams;
  std::vector<std::byte> out(kClusterSize - 1);
  for (const auto& cluster : clusters) {
    const size_t size = coder(cluster, out);
    if (size > 0) streams.emplace_back(out.begin(), out.begin() + static_cast<ptrdiff_t>(size));
  }
  return streams;
}

}  // namespace hotcell::codec_bench
