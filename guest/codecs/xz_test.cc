#include "guest/codecs/xz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lzma.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace hotcell::guest {
namespace {

using testing::HasSubstr;
using Bytes = std::vector<uint8_t>;

// Text, and something that differs from line to line.
Bytes Sample(size_t size) {
  Bytes bytes;
  for (size_t line = 0; bytes.size() < size; ++line) {
    const std::string text = "line " + std::to_string(line * line * 7919) + " of the sample\n";
    bytes.insert(bytes.end(), text.begin(), text.end());
  }
  bytes.resize(size);
  return bytes;
}

Bytes Join(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A stream of one block, with the filters before LZMA2 that are given.
struct Packer {
  lzma_check check = LZMA_CHECK_CRC64;
  uint32_t dictionary = 1 << 20;
  std::vector<lzma_filter> before;

  Bytes Pack(const Bytes& data) const {
    lzma_options_lzma options = {};
    EXPECT_EQ(lzma_lzma_preset(&options, 1), 0);
    options.dict_size = dictionary;
    std::vector<lzma_filter> filters = before;
    filters.push_back({.id = LZMA_FILTER_LZMA2, .options = &options});
    filters.push_back({.id = LZMA_VLI_UNKNOWN, .options = nullptr});
    Bytes out(lzma_stream_buffer_bound(data.size()));
    size_t size = 0;
    EXPECT_EQ(lzma_stream_buffer_encode(filters.data(), check, nullptr, data.data(), data.size(),
                                        out.data(), &size, out.size()),
              LZMA_OK);
    out.resize(size);
    return out;
  }
};

Bytes Pack(const Bytes& data) { return Packer().Pack(data); }

// A stream of a block for each of the parts.
Bytes PackBlocks(const std::vector<Bytes>& parts) {
  Bytes out(1 << 20);
  lzma_stream encoder = LZMA_STREAM_INIT;
  EXPECT_EQ(lzma_easy_encoder(&encoder, 0, LZMA_CHECK_CRC32), LZMA_OK);
  encoder.next_out = out.data();
  encoder.avail_out = out.size();
  for (const Bytes& part : parts) {
    encoder.next_in = part.data();
    encoder.avail_in = part.size();
    EXPECT_EQ(lzma_code(&encoder, LZMA_FULL_FLUSH), LZMA_STREAM_END);
  }
  EXPECT_EQ(lzma_code(&encoder, LZMA_FINISH), LZMA_STREAM_END);
  out.resize(encoder.total_out);
  lzma_end(&encoder);
  return out;
}

Status Unpack(const Bytes& stream, Bytes& cluster) {
  return UnpackXz(std::as_bytes(std::span(stream)), std::as_writable_bytes(std::span(cluster)));
}

// What is said of a stream that should be one of `size` bytes.
std::string Refusal(const Bytes& stream, size_t size = 65536) {
  Bytes cluster(size);
  const Status status = Unpack(stream, cluster);
  EXPECT_EQ(status.code(), Code::kCorruptImage) << status.message();
  return std::string(status.message());
}

TEST(XzTest, EveryKindOfCheckIsRead) {
  const Bytes expected = Sample(100000);
  for (const lzma_check check :
       {LZMA_CHECK_NONE, LZMA_CHECK_CRC32, LZMA_CHECK_CRC64, LZMA_CHECK_SHA256}) {
    Bytes cluster(expected.size());
    const Status status = Unpack(Packer{.check = check}.Pack(expected), cluster);
    EXPECT_TRUE(status.ok()) << check << " " << status.message();
    EXPECT_EQ(cluster, expected) << check;
  }
}

TEST(XzTest, WrongChecksAreCorrupt) {
  for (const lzma_check check : {LZMA_CHECK_CRC32, LZMA_CHECK_CRC64, LZMA_CHECK_SHA256}) {
    Bytes stream = Packer{.check = check}.Pack(Sample(65536));
    // The block's check is what precedes the index, and that is as long as the footer says.
    lzma_stream_flags footer = {};
    ASSERT_EQ(lzma_stream_footer_decode(&footer, stream.data() + stream.size() - 12), LZMA_OK);
    stream[stream.size() - 12 - footer.backward_size - 1] ^= 1;
    EXPECT_THAT(Refusal(stream), HasSubstr("damaged")) << check;
  }
}

TEST(XzTest, ChecksOfUnknownKindsAreNamed) {
  lzma_stream_flags flags = {.version = 0, .check = LZMA_CHECK_NONE};
  flags.check = static_cast<lzma_check>(2);
  Bytes stream(LZMA_STREAM_HEADER_SIZE);
  ASSERT_EQ(lzma_stream_header_encode(&flags, stream.data()), LZMA_OK);
  Bytes cluster(512);

  const Status status = Unpack(stream, cluster);

  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("not known (2)"));
}

TEST(XzTest, FiltersForProgramsAndDeltasAreUndone) {
  const Bytes expected = Sample(100001);
  lzma_options_delta delta = {.type = LZMA_DELTA_TYPE_BYTE, .dist = 4};
  const lzma_filter delta_filter = {.id = LZMA_FILTER_DELTA, .options = &delta};
  for (const lzma_vli id : {LZMA_FILTER_X86, LZMA_FILTER_POWERPC, LZMA_FILTER_IA64, LZMA_FILTER_ARM,
                            LZMA_FILTER_ARMTHUMB, LZMA_FILTER_SPARC, LZMA_FILTER_ARM64}) {
    const lzma_filter program = {.id = id, .options = nullptr};
    Bytes cluster(expected.size());
    const Status status =
        Unpack(Packer{.before = {delta_filter, program, delta_filter}}.Pack(expected), cluster);
    EXPECT_TRUE(status.ok()) << id << " " << status.message();
    EXPECT_EQ(cluster, expected) << id;
  }
}

// The header of a block with the one filter `id`, without properties.
Bytes BlockHeader(uint8_t id) {
  Bytes header = {1, 0, id, 0};
  const uint32_t crc = lzma_crc32(header.data(), header.size(), 0);
  for (int shift = 0; shift < 32; shift += 8) header.push_back(static_cast<uint8_t>(crc >> shift));
  return header;
}

TEST(XzTest, UnknownFiltersAreNamed) {
  Bytes stream = Pack(Sample(65536));
  stream.resize(LZMA_STREAM_HEADER_SIZE);
  Bytes cluster(65536);

  const Status status = Unpack(Join(stream, BlockHeader(0x3f)), cluster);

  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("filter"));
}

TEST(XzTest, ChainsWithoutLzma2AreNoChains) {
  Bytes stream = Pack(Sample(65536));
  stream.resize(LZMA_STREAM_HEADER_SIZE);
  Bytes cluster(65536);
  for (const uint8_t id : {0x04, 0x09}) {
    EXPECT_FALSE(Unpack(Join(Join(stream, BlockHeader(id)), Bytes(64)), cluster).ok()) << id;
  }
}

// The header of a stream's first block is changed, as no encoder has memory for 4 GiB.
TEST(XzTest, DictionariesOfAnySizeAreTaken) {
  const Bytes expected = Sample(65536);
  Bytes stream = PackBlocks({expected});
  const size_t header = LZMA_STREAM_HEADER_SIZE;
  ASSERT_EQ(stream[header + 2], LZMA_FILTER_LZMA2);
  for (const uint8_t size : {24, 28, 40}) {  // 16 MiB, 64 MiB, 4 GiB
    stream[header + 4] = size;
    const uint32_t crc = lzma_crc32(stream.data() + header, 8, 0);
    for (size_t i = 0; i < 4; ++i) stream[header + 8 + i] = static_cast<uint8_t>(crc >> (8 * i));
    Bytes cluster(expected.size());

    const Status status = Unpack(stream, cluster);

    EXPECT_TRUE(status.ok()) << int{size} << " " << status.message();
    EXPECT_EQ(cluster, expected) << int{size};
  }
}

// The furthest reference that there can be, with any dictionary from the smallest on.
TEST(XzTest, MatchesReachBackToTheStartOfTheCluster) {
  Bytes expected = Sample(8192);
  for (size_t i = 0; i < 4096; ++i) expected[i] = static_cast<uint8_t>(i * i * 31 >> 5);
  std::copy_n(expected.begin(), 4096, expected.begin() + 4096);
  for (const uint32_t dictionary : {4096u, 8192u, 64u << 20}) {
    Bytes cluster(expected.size());
    EXPECT_TRUE(Unpack(Packer{.dictionary = dictionary}.Pack(expected), cluster).ok());
    EXPECT_EQ(cluster, expected) << dictionary;
  }
}

TEST(XzTest, ClusterMayBeSeveralBlocks) {
  const Bytes expected = Sample(65536);
  const Bytes first(expected.begin(), expected.begin() + 1000);
  const Bytes second(expected.begin() + 1000, expected.end());
  Bytes cluster(expected.size());

  const Status status = Unpack(PackBlocks({first, second}), cluster);

  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(cluster, expected);
  EXPECT_THAT(Refusal(PackBlocks({first, second, first})), HasSubstr("more than a cluster"));
}

TEST(XzTest, OneStreamIsRead) {
  const Bytes expected = Sample(65536);
  const Bytes first(expected.begin(), expected.begin() + 1000);
  const Bytes second(expected.begin() + 1000, expected.end());
  Bytes cluster(expected.size());

  EXPECT_THAT(Refusal(Join(Pack(first), Pack(second))), HasSubstr("1000 bytes, less than"));
  EXPECT_TRUE(Unpack(Join(Pack(expected), Pack(second)), cluster).ok());
  EXPECT_EQ(cluster, expected);
}

TEST(XzTest, IndexAndFooterMustBeThoseOfTheStream) {
  const Bytes one = Pack(Sample(65536));
  const Bytes other = Pack(Sample(65535));
  lzma_stream_flags footer = {};
  ASSERT_EQ(lzma_stream_footer_decode(&footer, one.data() + one.size() - 12), LZMA_OK);
  const auto tail = static_cast<ptrdiff_t>(footer.backward_size) + 12;

  EXPECT_THAT(
      Refusal(Join(Bytes(one.begin(), one.end() - tail), Bytes(other.end() - tail, other.end()))),
      HasSubstr("damaged"));
  const Bytes unchecked = Packer{.check = LZMA_CHECK_NONE}.Pack(Sample(65536));
  EXPECT_THAT(Refusal(Join(Bytes(one.begin(), one.end() - 12),
                           Bytes(unchecked.end() - 12, unchecked.end()))),
              HasSubstr("damaged"));
}

TEST(XzTest, ManyBlocksEnd) {
  const std::vector<Bytes> parts(10000, Bytes(1, 'x'));
  const Bytes stream = PackBlocks(parts);
  Bytes cluster(parts.size());

  EXPECT_TRUE(Unpack(stream, cluster).ok());
  EXPECT_EQ(cluster, Bytes(parts.size(), 'x'));
  EXPECT_THAT(Refusal(stream, parts.size() + 1), HasSubstr("less than a cluster"));
}

TEST(XzTest, OtherStreamsAreNoXz) {
  Bytes stream = Pack(Sample(65536));
  stream[0] = 0x5d;  // what .lzma begins with
  EXPECT_THAT(Refusal(stream), HasSubstr("no xz stream"));
}

}  // namespace
}  // namespace hotcell::guest
