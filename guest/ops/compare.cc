#include "guest/ops/compare.h"

#include <algorithm>
#include <array>
#include <bit>
#include <memory>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/chain.h"
#include "guest/ops/pipeline/compare_lane.h"
#include "guest/ops/pipeline/run_workers.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;
constexpr uint64_t kChunkSize = 1 << 20;

uint64_t SizeOf(const ImageChain& chain) { return AlignUp(chain.virtual_size(), kSectorSize); }

void CompareContents(Lanes& lanes, const std::array<ImageChain*, 2>& chains, bool strict,
                     CompareSummary& summary) {
  const uint64_t size = std::max(summary.first_size, summary.second_size);
  const uint64_t buffer_size = lanes.main_channel().buffer_size();
  uint64_t chunk_size = kChunkSize;
  for (ImageChain* chain : chains) {
    chunk_size = std::max(chunk_size, std::bit_floor(chain->Describe().cluster_size));
  }
  ChunkDispenser chunks(size, std::min(chunk_size, buffer_size));
  Verdict verdict;
  ComparePlan plan = {.images = chains,
                      .size = size,
                      .strict = strict,
                      .chunks = &chunks,
                      .verdict = &verdict,
                      .lanes = &lanes};
  for (size_t i = 0; i < chains.size(); ++i) {
    plan.read[i] = {
        .source = chains[i], .source_size = chains[i]->virtual_size(), .skips_zero_chunks = true};
  }
  std::vector<std::unique_ptr<CompareLane>> workers;
  for (uint32_t i = 0; i < lanes.count(); ++i) {
    workers.push_back(std::make_unique<CompareLane>(plan));
  }
  lanes.SetTotal(size);
  RunWorkers(lanes, workers);

  const Verdict::Finding& finding = verdict.finding();
  summary.outcome = finding.outcome;
  if (finding.outcome != CompareOutcome::kIdentical) summary.offset = finding.offset;
  summary.failure = finding.failure;
  summary.failed_image = finding.failed_image;
  for (const std::unique_ptr<CompareLane>& worker : workers) {
    summary.bytes_read += worker->bytes_read();
  }
}

}  // namespace

Result<CompareSummary> Compare(Lanes& lanes, const CompareJob& job) {
  IoChannel& io = lanes.main_channel();
  if (io.buffer_count() < CompareLane::kMinBuffers) {
    return InvalidArgument(StrCat("a lane has ", io.buffer_count(), " buffers; compare needs ",
                                  CompareLane::kMinBuffers));
  }
  auto first = ImageChain::Open(io, job.first, job.limits);
  if (!first.ok()) {
    return first.status().WithMessage(StrCat("first image: ", first.status().message()));
  }
  auto second = ImageChain::Open(io, job.second, job.limits);
  if (!second.ok()) {
    return second.status().WithMessage(StrCat("second image: ", second.status().message()));
  }
  CompareSummary summary = {.first_size = SizeOf(**first),
                            .second_size = SizeOf(**second),
                            .first_format = std::string((*first)->format()),
                            .second_format = std::string((*second)->format())};
  for (const auto& chain : {first->get(), second->get()}) {
    const std::vector<std::string>& warnings = chain->warnings();
    summary.warnings.insert(summary.warnings.end(), warnings.begin(), warnings.end());
  }
  if (job.strict && summary.first_size != summary.second_size) {
    summary.outcome = CompareOutcome::kSizeMismatch;
    return summary;
  }
  CompareContents(lanes, {first->get(), second->get()}, job.strict, summary);
  return summary;
}

}  // namespace hotcell::guest
