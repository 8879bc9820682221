#include "guest/codecs/compressor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "guest/codecs/decompressor.h"

namespace hotcell::guest {
namespace {

class CompressorTest : public testing::TestWithParam<Compression> {
 protected:
  void SetUp() override {
    auto made = ClusterCompressor::Create(GetParam());
    ASSERT_TRUE(made.ok()) << made.status().message();
    compressor_ = std::move(*made);
  }

  std::unique_ptr<ClusterCompressor> compressor_;
};

std::vector<std::byte> Text(size_t size) {
  std::vector<std::byte> text(size);
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<std::byte>((i * i / 7) % 61 + (i >> 9));
  return text;
}

TEST_P(CompressorTest, RoundTripsClustersOfAllSizesWithOneState) {
  ClusterDecompressor decompressor;
  for (size_t size = 512; size <= 2 << 20; size *= 2) {
    const std::vector<std::byte> cluster = Text(size);
    std::vector<std::byte> stream(size - 1);
    std::vector<std::byte> back(size);
    stream.resize(compressor_->Compress(cluster, stream));
    ASSERT_GT(stream.size(), 0u) << size;
    const Status status = decompressor.Decompress(GetParam(), stream, back);
    ASSERT_TRUE(status.ok()) << size << ": " << status.message();
    EXPECT_EQ(back, cluster) << size;
  }
}

TEST_P(CompressorTest, SaysThatNoiseDoesNotShrink) {
  std::mt19937 random(1);
  std::vector<std::byte> noise(65536);
  std::generate(noise.begin(), noise.end(), [&] { return static_cast<std::byte>(random()); });
  std::vector<std::byte> stream(noise.size() - 1);
  EXPECT_EQ(compressor_->Compress(noise, stream), 0u);
}

TEST_P(CompressorTest, NeverWritesBeyondTheSpaceItIsGiven) {
  const std::vector<std::byte> cluster = Text(65536);
  std::vector<std::byte> stream(65536, std::byte{0x5a});
  const size_t size = compressor_->Compress(cluster, stream);
  ASSERT_GT(size, 1u);
  std::fill(stream.begin(), stream.end(), std::byte{0x5a});
  EXPECT_EQ(compressor_->Compress(cluster, std::span(stream).first(size / 2)), 0u);
  EXPECT_EQ(
      std::count(stream.begin() + static_cast<ptrdiff_t>(size / 2), stream.end(), std::byte{0x5a}),
      static_cast<ptrdiff_t>(stream.size() - size / 2));
}

INSTANTIATE_TEST_SUITE_P(Codecs, CompressorTest,
                         testing::Values(Compression::kDeflate, Compression::kZlib,
                                         Compression::kZstd),
                         [](const auto& test) {
                           switch (test.param) {
                             case Compression::kDeflate:
                               return "deflate";
                             case Compression::kZlib:
                               return "zlib";
                             case Compression::kZstd:
                               return "zstd";
                             default:
                               return "unknown";
                           }
                         });

}  // namespace
}  // namespace hotcell::guest
