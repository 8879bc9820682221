#include "guest/codecs/deflate_encoder.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace hotcell::guest {
namespace {

using Bytes = std::vector<std::byte>;

struct Sample {
  std::string name;
  Bytes data;
};

Bytes Noise(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

Bytes Repeated(const Bytes& part, size_t size) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = part[i % part.size()];
  return bytes;
}

// Words of a small vocabulary, so that there are matches at every distance.
Bytes Text(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::string> words(500);
  for (std::string& word : words) {
    word.resize(2 + random() % 9);
    std::ranges::generate(word, [&] { return static_cast<char>('a' + random() % 26); });
  }
  Bytes text;
  while (text.size() < size) {
    for (const char letter : words[random() % words.size()] + " ") {
      text.push_back(static_cast<std::byte>(letter));
    }
  }
  text.resize(size);
  return text;
}

Bytes Join(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<Sample> Samples() {
  std::vector<Sample> samples = {
      {"nothing", {}},
      {"one_byte", Bytes(1, std::byte{7})},
      {"zeroes", Bytes(65536)},
      {"two_mib_of_text", Text(2 << 20, 1)},
      {"text_then_noise", Join(Text(40000, 2), Noise(20000, 3))},
      {"noise_then_zeroes", Join(Noise(30000, 4), Bytes(35536))},
      // More tokens than a block holds.
      {"long_noise", Noise(200000, 5)},
  };
  for (const size_t size : {2, 3, 4, 7, 8, 9, 11, 64, 511, 512, 4096, 65535, 65536}) {
    samples.push_back({"text_of_" + std::to_string(size), Text(size, 6)});
  }
  // What repeats just within reach, and just beyond.
  for (const size_t distance : {1, 2, 3, 4, 257, 258, 259, 4094, 4095, 4096, 4097, 8192, 32768}) {
    samples.push_back(
        {"repeated_after_" + std::to_string(distance), Repeated(Noise(distance, 7), 70000)});
  }
  // Frequencies that ask for the longest codes: each byte as often as the two rarer ones.
  Bytes fibonacci;
  for (size_t i = 0, now = 1, next = 1; i < 22; ++i, std::swap(now, next), next += now) {
    fibonacci.insert(fibonacci.end(), now, static_cast<std::byte>(i));
  }
  std::ranges::shuffle(fibonacci, std::mt19937(8));
  samples.push_back({"fibonacci", fibonacci});
  return samples;
}

// Unpacks as readers with a window of 4 KiB do, `step` bytes of output at a time: each match that
// begins before those must lie in the window. Returns what zlib ended with.
int Inflate(const Bytes& stream, size_t step, Bytes& out) {
  z_stream state = {};
  state.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(stream.data()));
  state.avail_in = static_cast<uInt>(stream.size());
  EXPECT_EQ(inflateInit2(&state, -12), Z_OK);
  Bytes piece(step);
  int result = Z_OK;
  while (result == Z_OK) {
    state.next_out = reinterpret_cast<Bytef*>(piece.data());
    state.avail_out = static_cast<uInt>(piece.size());
    result = inflate(&state, Z_NO_FLUSH);
    const auto got = static_cast<ptrdiff_t>(piece.size() - state.avail_out);
    out.insert(out.end(), piece.begin(), piece.begin() + got);
  }
  inflateEnd(&state);
  return result;
}

class DeflateEncoderTest : public testing::TestWithParam<Sample> {
 protected:
  Bytes Compress(const Bytes& data, size_t space) {
    Bytes stream(space);
    stream.resize(encoder_->Compress(data, stream));
    return stream;
  }
  Bytes Compress(const Bytes& data) { return Compress(data, data.size() + data.size() / 8 + 64); }

  std::unique_ptr<DeflateEncoder> encoder_ = std::make_unique<DeflateEncoder>();
};

TEST_P(DeflateEncoderTest, IsReadWithAWindowOf4KiBWhateverTheReadersBuffer) {
  const Bytes stream = Compress(GetParam().data);
  ASSERT_FALSE(stream.empty());
  for (const size_t step : {1, 4096, 16384, 32768, 4 << 20}) {
    Bytes back;
    EXPECT_EQ(Inflate(stream, step, back), Z_STREAM_END) << step;
    EXPECT_TRUE(back == GetParam().data) << step;
  }
}

TEST_P(DeflateEncoderTest, FillsExactlyTheSpaceItNeedsAndRefusesLess) {
  const Bytes stream = Compress(GetParam().data);
  EXPECT_EQ(Compress(GetParam().data, stream.size()), stream);
  EXPECT_TRUE(Compress(GetParam().data, stream.size() - 1).empty());
}

TEST_P(DeflateEncoderTest, DoesNotDependOnWhatWasCompressedBefore) {
  const Bytes stream = Compress(GetParam().data);
  Compress(Text(100001, 9));
  EXPECT_EQ(Compress(GetParam().data), stream);
}

INSTANTIATE_TEST_SUITE_P(Samples, DeflateEncoderTest, testing::ValuesIn(Samples()),
                         [](const auto& test) { return test.param.name; });

TEST(DeflateEncoderSizeTest, IsWithin3PercentOfZlibWithTheSameWindow) {
  const Bytes data = Text(1 << 20, 10);
  z_stream state = {};
  ASSERT_EQ(deflateInit2(&state, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY),
            Z_OK);
  Bytes theirs(data.size());
  state.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(data.data()));
  state.avail_in = static_cast<uInt>(data.size());
  state.next_out = reinterpret_cast<Bytef*>(theirs.data());
  state.avail_out = static_cast<uInt>(theirs.size());
  ASSERT_EQ(deflate(&state, Z_FINISH), Z_STREAM_END);
  const size_t their_size = state.total_out;
  deflateEnd(&state);

  Bytes ours(data.size());
  const size_t our_size = std::make_unique<DeflateEncoder>()->Compress(data, ours);
  ASSERT_GT(our_size, 0u);
  EXPECT_LE(our_size * 100, their_size * 103);
}

}  // namespace
}  // namespace hotcell::guest
