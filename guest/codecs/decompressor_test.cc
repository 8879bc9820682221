#include "guest/codecs/decompressor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>
#include <zstd.h>

#include <numeric>
#include <random>
#include <vector>

namespace hotcell::guest {
namespace {

using Bytes = std::vector<std::byte>;

Bytes SampleCluster(size_t size) {
  std::mt19937 random(7);
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = std::byte(i % 100 < 60 ? i / 100 : random() % 256);
  return bytes;
}

Bytes Deflate(const Bytes& data) {
  Bytes out(data.size() + 1000);
  libdeflate_compressor* const state = libdeflate_alloc_compressor(6);
  out.resize(libdeflate_deflate_compress(state, data.data(), data.size(), out.data(), out.size()));
  libdeflate_free_compressor(state);
  return out;
}

Bytes Zstd(const Bytes& data) {
  Bytes out(ZSTD_compressBound(data.size()));
  out.resize(ZSTD_compress(out.data(), out.size(), data.data(), data.size(), 3));
  return out;
}

Bytes Join(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class DecompressorTest : public testing::TestWithParam<Compression> {
 protected:
  static Bytes Compress(const Bytes& data) {
    return GetParam() == Compression::kZstd ? Zstd(data) : Deflate(data);
  }
  Status Decompress(const Bytes& stream, Bytes& cluster) {
    return decompressor_.Decompress(GetParam(), stream, cluster);
  }

  ClusterDecompressor decompressor_;
};

TEST_P(DecompressorTest, FillsClustersOfEverySize) {
  for (size_t size = 512; size <= 2 << 20; size *= 2) {
    const Bytes expected = SampleCluster(size);
    Bytes cluster(size);
    const Status status = Decompress(Compress(expected), cluster);
    ASSERT_TRUE(status.ok()) << size << " " << status.message();
    EXPECT_EQ(cluster, expected) << size;
  }
}

TEST_P(DecompressorTest, PaddingAfterTheStreamIsIgnored) {
  const Bytes expected = SampleCluster(65536);
  Bytes cluster(65536);

  EXPECT_TRUE(Decompress(Join(Compress(expected), Bytes(511, std::byte{0})), cluster).ok());
  EXPECT_EQ(cluster, expected);
  EXPECT_TRUE(Decompress(Join(Compress(expected), Bytes(511, std::byte{0xff})), cluster).ok());
  EXPECT_EQ(cluster, expected);
}

TEST_P(DecompressorTest, StreamOfLessThanAClusterIsCorrupt) {
  Bytes cluster(65536);

  const Status status = Decompress(Compress(SampleCluster(65535)), cluster);

  EXPECT_EQ(status.code(), Code::kCorruptImage);
  EXPECT_THAT(status.message(), testing::HasSubstr("less than a cluster"));
}

TEST_P(DecompressorTest, StreamOfMoreThanAClusterIsCorrupt) {
  // A bomb: 64 MiB of zeroes in a few bytes. What lies behind the cluster stays untouched.
  const Bytes stream = Compress(Bytes(64 << 20));
  Bytes memory(65536 + 64, std::byte{0x5a});

  const Status status =
      decompressor_.Decompress(GetParam(), stream, std::span(memory).first(65536));

  EXPECT_EQ(status.code(), Code::kCorruptImage);
  EXPECT_THAT(status.message(), testing::HasSubstr("more than a cluster"));
  for (size_t i = 65536; i < memory.size(); ++i) ASSERT_EQ(memory[i], std::byte{0x5a});
}

TEST_P(DecompressorTest, CutStreamsAreCorruptAtEveryLength) {
  const Bytes stream = Compress(SampleCluster(4096));
  Bytes cluster(4096);
  for (size_t length = 0; length < stream.size(); ++length) {
    EXPECT_EQ(Decompress(Bytes(stream.begin(), stream.begin() + length), cluster).code(),
              Code::kCorruptImage)
        << length;
  }
}

TEST_P(DecompressorTest, StateSurvivesADamagedStream) {
  const Bytes expected = SampleCluster(65536);
  Bytes damaged = Compress(expected);
  for (size_t i = 10; i < damaged.size(); i += 7) damaged[i] ^= std::byte{0x55};
  Bytes cluster(65536);

  EXPECT_EQ(Decompress(damaged, cluster).code(), Code::kCorruptImage);
  EXPECT_TRUE(Decompress(Compress(expected), cluster).ok());
  EXPECT_EQ(cluster, expected);
}

INSTANTIATE_TEST_SUITE_P(Codecs, DecompressorTest,
                         testing::Values(Compression::kDeflate, Compression::kZstd),
                         [](const auto& test) {
                           return test.param == Compression::kZstd ? "Zstd" : "Deflate";
                         });

TEST(ZstdDecompressorTest, ClusterMayBeSeveralFrames) {
  const Bytes expected = SampleCluster(65536);
  const Bytes first(expected.begin(), expected.begin() + 1000);
  const Bytes second(expected.begin() + 1000, expected.end());
  Bytes cluster(65536);
  ClusterDecompressor decompressor;

  EXPECT_TRUE(
      decompressor.Decompress(Compression::kZstd, Join(Zstd(first), Zstd(second)), cluster).ok());
  EXPECT_EQ(cluster, expected);
}

TEST(ZstdDecompressorTest, FrameWithAHugeWindowNeedsNoMemory) {
  // A frame made by streaming with a window of 128 MiB and no declared size.
  const Bytes expected = SampleCluster(65536);
  Bytes stream(ZSTD_compressBound(expected.size()));
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 27);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  ZSTD_inBuffer in = {expected.data(), expected.size(), 0};
  ZSTD_outBuffer out = {stream.data(), stream.size(), 0};
  while (ZSTD_compressStream2(context, &out, &in, ZSTD_e_end) != 0) {
  }
  ZSTD_freeCCtx(context);
  stream.resize(out.pos);
  Bytes cluster(65536);
  ClusterDecompressor decompressor;

  const Status status = decompressor.Decompress(Compression::kZstd, stream, cluster);

  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(cluster, expected);
}

TEST(ZstdDecompressorTest, EmptyFramesEnd) {
  Bytes stream;
  const Bytes empty = Zstd({});
  while (stream.size() < 4 << 20) stream = stream.empty() ? empty : Join(stream, stream);
  Bytes cluster(65536);
  ClusterDecompressor decompressor;

  EXPECT_EQ(decompressor.Decompress(Compression::kZstd, stream, cluster).code(),
            Code::kCorruptImage);
}

}  // namespace
}  // namespace hotcell::guest
