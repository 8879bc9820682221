#include "guest/ops/digest.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/chain.h"
#include "guest/formats/common/writer.h"
#include "guest/ops/pipeline/convert_lane.h"
#include "guest/ops/pipeline/run_workers.h"

namespace hotcell::guest {
namespace {

constexpr uint64_t kSectorSize = 512;
constexpr uint64_t kChunkSize = 1 << 20;

// Takes chunks in the place of an image and keeps nothing of them but their hash.
class HashingWriter : public ImageWriter {
 public:
  WriterTraits traits() const override { return {}; }

  Status Place(IoChannel& /*io*/, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind == Run::Kind::kData) {
        hash_.Update({run.data, run.size});
      } else {
        AddZeroes(run.length);
      }
    }
    return OkStatus();
  }

  Status Finish(IoChannel& /*io*/) override { return OkStatus(); }

  Sha256::Digest digest() { return hash_.Final(); }

 private:
  void AddZeroes(uint64_t length) {
    static constexpr std::byte kZeroes[16 << 10] = {};
    while (length > 0) {
      const uint64_t size = std::min<uint64_t>(length, sizeof(kZeroes));
      hash_.Update({kZeroes, size});
      length -= size;
    }
  }

  Sha256 hash_;
};

}  // namespace

Result<DigestSummary> Digest(Lanes& lanes, const DigestJob& job) {
  IoChannel& io = lanes.main_channel();
  if (io.buffer_count() < ConvertLane::kMinBuffers) {
    return InvalidArgument(StrCat("a lane has ", io.buffer_count(), " buffers; digest needs ",
                                  ConvertLane::kMinBuffers));
  }
  auto opened = ImageChain::Open(io, job.source, job.limits);
  if (!opened.ok()) return opened.status();
  ImageChain& chain = **opened;
  const uint64_t size = AlignUp(chain.virtual_size(), kSectorSize);
  const uint64_t chunk_size =
      std::min(std::max(kChunkSize, std::bit_floor(chain.Describe().cluster_size)),
               uint64_t{io.buffer_size()});

  HashingWriter writer;
  ChunkScheduler scheduler(writer, size, chunk_size);
  const ConvertPlan plan = {
      .read = {.source = &chain, .source_size = chain.virtual_size(), .skips_zero_chunks = true},
      .virtual_size = size,
      .buffer_size = chunk_size,
      .scheduler = &scheduler,
      .lanes = &lanes,
  };
  std::vector<std::unique_ptr<ConvertLane>> workers;
  for (uint32_t i = 0; i < lanes.count(); ++i) {
    workers.push_back(std::make_unique<ConvertLane>(plan, nullptr));
  }
  lanes.SetTotal(size);
  RunWorkers(lanes, workers);
  if (scheduler.failed()) return scheduler.status();

  DigestSummary summary = {.sha256 = writer.digest(),
                           .virtual_size = size,
                           .source_format = std::string(chain.format()),
                           .warnings = chain.warnings()};
  for (const std::unique_ptr<ConvertLane>& worker : workers) {
    summary.bytes_read += worker->totals().bytes_read;
  }
  return summary;
}

}  // namespace hotcell::guest
