// libFuzzer target: the input is a file, opened as qcow2, described and read as a conversion would.
// References of any name lead back to the input, so that chains of it are met too.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "guest/codecs/decompressor.h"
#include "guest/formats/chain.h"
#include "guest/formats/qcow2/qcow2.h"
#include "guest/runtime/native_channel.h"

namespace hotcell::guest {
namespace {

// A disk can be exabytes of one cluster; time is the job's deadline's business, not the fuzzer's.
constexpr int kMaxExtents = 2000;
constexpr int kMaxClusters = 20;

class Harness {
 public:
  explicit Harness(std::span<const std::byte> input) : input_(input.begin(), input.end()) {
    image_ = files_.Add(std::make_unique<MemoryFile>(input_));
    files_.set_reference_opener([this](uint32_t, ReferenceKind, std::string_view) {
      return NativeFiles::Opened{.status = IoStatus::kOk,
                                 .file = std::make_unique<MemoryFile>(input_)};
    });
  }

  void Describe() {
    const auto reader = OpenQcow2(io_, image_, {.describe_only = true});
    if (!reader.ok()) return;
    for (const SnapshotInfo& snapshot : (*reader)->Describe().snapshots)
      ReadSnapshot(snapshot.name);
  }

  void ReadChain() {
    const auto chain = ImageChain::Open(io_, {.file = image_, .format = "qcow2"}, {.max_depth = 3});
    if (!chain.ok()) return;
    Walk((*chain)->virtual_size(),
         [&](uint64_t offset, uint64_t length) { return (*chain)->Map(io_, offset, length); });
  }

 private:
  void ReadSnapshot(std::string_view name) {
    const auto reader = OpenQcow2(io_, image_, {});
    if (!reader.ok() || !(*reader)->SelectSnapshot(io_, name).ok()) return;
    Walk((*reader)->virtual_size(),
         [&](uint64_t offset, uint64_t length) { return (*reader)->Map(io_, offset, length); });
  }

  template <typename Map>
  void Walk(uint64_t size, Map map) {
    uint64_t offset = 0;
    int clusters = 0;
    for (int i = 0; i < kMaxExtents && offset < size; ++i) {
      const uint64_t length = std::min<uint64_t>(size - offset, i % 2 == 0 ? 4096 : 1ull << 40);
      const auto extent = map(offset, length);
      if (!extent.ok()) {
        offset += std::min<uint64_t>(length, 512);
        continue;
      }
      if (extent->length == 0 || extent->length > length) std::abort();
      CheckExtent(*extent);
      if (extent->kind == Extent::Kind::kCompressed && clusters++ < kMaxClusters) {
        Decompress(*extent);
      }
      offset += extent->length;
    }
  }

  // Data lies within the file, whatever the tables say.
  void CheckExtent(const Extent& extent) const {
    const uint64_t size = input_.size();
    if (extent.kind == Extent::Kind::kData &&
        (extent.offset > size || extent.length > size - extent.offset)) {
      std::abort();
    }
    if (extent.kind == Extent::Kind::kCompressed &&
        (extent.offset > size || extent.compressed_size > size - extent.offset ||
         extent.compressed_size == 0 || extent.cluster_size > 2 << 20 ||
         extent.offset_in_cluster + extent.length > extent.cluster_size)) {
      std::abort();
    }
  }

  void Decompress(const Extent& extent) {
    // Of their exact sizes, so that the sanitizer sees the first byte too much.
    const std::vector<std::byte> stream(
        input_.begin() + static_cast<ptrdiff_t>(extent.offset),
        input_.begin() + static_cast<ptrdiff_t>(extent.offset + extent.compressed_size));
    std::vector<std::byte> cluster(extent.cluster_size);
    (void)decompressor_.Decompress(extent.compression, stream, cluster).ok();
  }

  const std::vector<std::byte> input_;
  NativeFiles files_;
  NativeChannel io_{files_, 2, 64 << 10};
  FileHandle image_;
  ClusterDecompressor decompressor_;
};

}  // namespace
}  // namespace hotcell::guest

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hotcell::guest::Harness harness(std::as_bytes(std::span(data, size)));
  harness.Describe();
  harness.ReadChain();
  return 0;
}
