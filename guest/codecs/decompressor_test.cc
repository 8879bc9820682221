#include "guest/codecs/decompressor.h"

#include <bzlib.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libdeflate.h>
#include <lzma.h>
#include <zstd.h>

#include <numeric>
#include <random>
#include <vector>

#include "guest/formats/vmdk/on_disk.h"

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

Bytes Bzip2(const Bytes& data) {
  Bytes in = data;
  Bytes out(data.size() + data.size() / 100 + 1000);
  unsigned size = static_cast<unsigned>(out.size());
  EXPECT_EQ(BZ2_bzBuffToBuffCompress(reinterpret_cast<char*>(out.data()), &size,
                                     reinterpret_cast<char*>(in.data()),
                                     static_cast<unsigned>(in.size()), 9, 0, 0),
            BZ_OK);
  out.resize(size);
  return out;
}

Bytes Xz(const Bytes& data) {
  Bytes out(lzma_stream_buffer_bound(data.size()));
  size_t size = 0;
  EXPECT_EQ(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, nullptr,
                                    reinterpret_cast<const uint8_t*>(data.data()), data.size(),
                                    reinterpret_cast<uint8_t*>(out.data()), &size, out.size()),
            LZMA_OK);
  out.resize(size);
  return out;
}

Bytes Join(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class DecompressorTest : public testing::TestWithParam<Compression> {
 protected:
  static Bytes Compress(const Bytes& data) {
    if (GetParam() == Compression::kBzip2) return Bzip2(data);
    if (GetParam() == Compression::kXz) return Xz(data);
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
                         testing::Values(Compression::kBzip2, Compression::kDeflate,
                                         Compression::kXz, Compression::kZstd),
                         [](const auto& test) {
                           if (test.param == Compression::kBzip2) return "Bzip2";
                           if (test.param == Compression::kXz) return "Xz";
                           return test.param == Compression::kZstd ? "Zstd" : "Deflate";
                         });

// ---- Grains behind markers ----------------------------------------------------------------------

Bytes Grain(uint64_t lba, uint32_t size, const Bytes& stream) {
  const vmdk::GrainMarker marker = {.lba = lba, .size = size};
  const auto bytes = std::as_bytes(std::span(&marker, 1));
  return Join(Bytes(bytes.begin(), bytes.end()), stream);
}

Bytes Zlib(const Bytes& data) {
  Bytes out(data.size() + 1000);
  libdeflate_compressor* const state = libdeflate_alloc_compressor(6);
  out.resize(libdeflate_zlib_compress(state, data.data(), data.size(), out.data(), out.size()));
  libdeflate_free_compressor(state);
  return out;
}

// Unpacks the stream of a grain at sector 384, of which the disk has `length` bytes.
Status UnpackGrain(const Bytes& stream, Bytes& grain, uint64_t length = 65536) {
  const Extent extent = {.kind = Extent::Kind::kCompressed,
                         .length = length,
                         .cluster_size = 65536,
                         .compression = Compression::kZlib,
                         .marker_lba = 384};
  grain.assign(65536, std::byte{0x5a});
  return ClusterDecompressor().Unpack(extent, stream, grain);
}

TEST(GrainDecompressorTest, UnpacksWhatTheMarkerMeasures) {
  const Bytes expected = SampleCluster(65536);
  const Bytes stream = Zlib(expected);
  const auto size = static_cast<uint32_t>(stream.size());
  Bytes grain;

  const Status status = UnpackGrain(Join(Grain(384, size, stream), Bytes(500)), grain);

  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(grain, expected);
}

TEST(GrainDecompressorTest, MarkerMustFit) {
  const Bytes stream = Zlib(SampleCluster(65536));
  const auto size = static_cast<uint32_t>(stream.size());
  Bytes grain;
  const auto message = [&](const Bytes& bytes) {
    const Status status = UnpackGrain(bytes, grain);
    EXPECT_EQ(status.code(), Code::kCorruptImage);
    return status.message();
  };

  EXPECT_THAT(message(Grain(385, size, stream)), testing::HasSubstr("sector 385, not 384"));
  EXPECT_THAT(message(Grain(384, size + 1, stream)), testing::HasSubstr("are possible"));
  EXPECT_THAT(message(Grain(384, UINT32_MAX, stream)), testing::HasSubstr("are possible"));
  EXPECT_THAT(message(Grain(384, 0, stream)), testing::HasSubstr("are possible"));
  EXPECT_THAT(message(Bytes(11)), testing::HasSubstr("within the grain's marker"));
  EXPECT_THAT(message({}), testing::HasSubstr("within the grain's marker"));
}

TEST(GrainDecompressorTest, WhatTheDiskDoesNotHaveMayBeMissing) {
  const Bytes stream = Zlib(SampleCluster(1000));
  const Bytes bytes = Grain(384, static_cast<uint32_t>(stream.size()), stream);
  Bytes grain;

  EXPECT_TRUE(UnpackGrain(bytes, grain, 1000).ok());
  EXPECT_EQ(grain[999], SampleCluster(1000)[999]);
  EXPECT_EQ(grain[1000], std::byte{0});
  EXPECT_EQ(grain[65535], std::byte{0});
  EXPECT_THAT(UnpackGrain(bytes, grain, 1001).message(), testing::HasSubstr("less than"));
}

TEST(GrainDecompressorTest, MoreThanAGrainIsCorrupt) {
  const Bytes stream = Zlib(Bytes(64 << 20));
  Bytes grain;

  EXPECT_THAT(
      UnpackGrain(Grain(384, static_cast<uint32_t>(stream.size()), stream), grain).message(),
      testing::HasSubstr("more than a grain"));
}

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
