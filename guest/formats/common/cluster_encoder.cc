#include "guest/formats/common/cluster_encoder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "guest/codecs/compressor.h"

namespace hotcell::guest {
namespace {

class Encoder : public LaneEncoder {
 public:
  Encoder(uint64_t cluster_size, std::unique_ptr<ClusterCompressor> compressor)
      : cluster_size_(cluster_size), compressor_(std::move(compressor)) {}

  Status Encode(Chunk& chunk, std::span<std::byte> out) override {
    runs_.clear();
    for (const Run& run : chunk.runs) {
      if (run.kind != Run::Kind::kData) {
        runs_.push_back(run);
        continue;
      }
      for (uint64_t done = 0; done < run.length; done += cluster_size_) {
        out = out.subspan(EncodeCluster({.kind = Run::Kind::kData,
                                         .offset = run.offset + done,
                                         .length = std::min(cluster_size_, run.length - done),
                                         .data = run.data + done},
                                        out));
      }
    }
    chunk.runs.swap(runs_);
    return OkStatus();
  }

 private:
  // Bytes of `out` used. A cluster that does not shrink stays as it is.
  size_t EncodeCluster(Run cluster, std::span<std::byte> out) {
    const size_t size =
        compressor_->Compress({cluster.data, cluster_size_}, out.first(cluster_size_ - 1));
    if (size != 0) {
      cluster.kind = Run::Kind::kCompressed;
      cluster.data = out.data();
      cluster.size = size;
    } else {
      cluster.size = cluster.length;
      if (!runs_.empty() && runs_.back().kind == Run::Kind::kData) {
        runs_.back().length += cluster.length;
        runs_.back().size += cluster.length;
        return 0;
      }
    }
    runs_.push_back(cluster);
    return size;
  }

  const uint64_t cluster_size_;
  const std::unique_ptr<ClusterCompressor> compressor_;
  std::vector<Run> runs_;
};

}  // namespace

Result<std::unique_ptr<LaneEncoder>> MakeClusterEncoder(Compression compression,
                                                        uint64_t cluster_size) {
  auto made = ClusterCompressor::Create(compression);
  if (!made.ok()) return made.status();
  return std::unique_ptr<LaneEncoder>(std::make_unique<Encoder>(cluster_size, std::move(*made)));
}

}  // namespace hotcell::guest
