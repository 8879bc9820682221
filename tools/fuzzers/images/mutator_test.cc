#include "tools/fuzzers/images/mutator.h"

#include <gtest/gtest.h>

#include <cstring>

#include "guest/formats/vhdx/crc32c.h"
#include "guest/formats/vhdx/on_disk.h"
#include "guest/formats/vpc/on_disk.h"

namespace hotcell::fuzz {
namespace {

using guest::vhdx::Header;
using guest::vpc::Footer;

size_t FlipFirstByte(uint8_t* data, size_t size, size_t /*max_size*/) {
  if (size > 0) data[0] ^= 1;
  return size;
}

template <typename T>
T ReadAt(const SparseFile& file, uint64_t at) {
  T structure;
  file.Read(at, std::as_writable_bytes(std::span(&structure, 1)));
  return structure;
}

template <typename T>
void WriteAt(SparseFile& file, uint64_t at, const T& structure) {
  ASSERT_TRUE(file.Write(at, std::as_bytes(std::span(&structure, 1))));
}

FuzzInput VhdxInput() {
  FuzzInput input;
  SparseFile file = {.size = 4 << 20};
  Header header = {};
  std::memcpy(header.Signature, "head", 4);
  header.SequenceNumber = 7;
  WriteAt(file, guest::vhdx::kHeaderOffsets[0], header);
  input.files.push_back(std::move(file));
  return input;
}

TEST(FuzzInputTest, IsReadAsItWasWritten) {
  FuzzInput input = VhdxInput();
  input.references = FuzzInput::References::kOthers;
  input.operation = 3;
  input.files.push_back({.size = 12, .segments = {{.offset = 4, .bytes = {std::byte{9}}}}});

  const FuzzInput read = FuzzInput::Parse(input.Serialize(1 << 20));

  EXPECT_EQ(read.references, FuzzInput::References::kOthers);
  EXPECT_EQ(read.operation, 3);
  EXPECT_FALSE(read.all_operations);
  ASSERT_EQ(read.files.size(), 2u);
  EXPECT_EQ(read.files[1].size, 12u);
  EXPECT_EQ(read.files[1].segments[0].bytes[0], std::byte{9});
  EXPECT_EQ(read.Serialize(1 << 20), input.Serialize(1 << 20));
}

TEST(FuzzInputTest, IsAnImageWhenItDoesNotSayOtherwise) {
  const std::vector<uint8_t> image(600, 'x');
  const FuzzInput read = FuzzInput::Parse(image);
  EXPECT_TRUE(read.all_operations);
  ASSERT_EQ(read.files.size(), 1u);
  EXPECT_EQ(read.files[0].size, 600u);
}

TEST(FuzzInputTest, CutsASegmentAtTheFilesEnd) {
  FuzzInput input;
  input.files.push_back({.size = 8, .segments = {{.offset = 6, .bytes = {4, std::byte{1}}}}});
  const FuzzInput read = FuzzInput::Parse(input.Serialize(1 << 10));
  EXPECT_EQ(read.files[0].segments[0].bytes.size(), 2u);
}

TEST(SparseFileTest, ReadsZeroesWhereNothingIs) {
  SparseFile file = {.size = 1 << 30};
  WriteAt(file, 1 << 29, uint32_t{0x01020304});
  EXPECT_EQ(ReadAt<uint64_t>(file, (1 << 29) - 4), uint64_t{0x01020304} << 32);
  EXPECT_EQ(ReadAt<uint64_t>(file, 0), 0u);
}

TEST(SparseFileTest, KeepsWhatWasWrittenLast) {
  SparseFile file = {.size = 64};
  WriteAt(file, 0, uint64_t{1});
  WriteAt(file, 4, uint64_t{2});
  WriteAt(file, 0, uint64_t{3});
  EXPECT_EQ(ReadAt<uint64_t>(file, 0), 3u);
}

TEST(ImageMutatorTest, DoesTheSameForTheSameSeed) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    FuzzInput first = VhdxInput();
    FuzzInput second = VhdxInput();
    ImageMutator(LayoutOf("vhdx"), FlipFirstByte, seed).Mutate(first);
    ImageMutator(LayoutOf("vhdx"), FlipFirstByte, seed).Mutate(second);
    EXPECT_EQ(first.Serialize(1 << 20), second.Serialize(1 << 20)) << seed;
  }
}

TEST(ImageMutatorTest, MakesChecksumsOfVhdxRight) {
  int right = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    FuzzInput input = VhdxInput();
    ImageMutator(LayoutOf("vhdx"), FlipFirstByte, seed).Mutate(input);
    auto header = ReadAt<Header>(input.files[0], guest::vhdx::kHeaderOffsets[0]);
    const uint32_t found = header.Checksum;
    header.Checksum = 0;
    right += found == guest::vhdx::Crc32c(std::as_bytes(std::span(&header, 1))) ? 1 : 0;
  }
  EXPECT_GT(right, 100);
}

TEST(ImageMutatorTest, MakesChecksumsOfVhdRight) {
  FuzzInput input;
  input.files.push_back({.size = 2048});
  Footer footer = {};
  std::memcpy(footer.cookie, "conectix", 8);
  footer.data_offset = guest::vpc::kNoOffset;
  footer.checksum = 0xdead;
  WriteAt(input.files[0], 0, footer);
  LayoutOf("vpc").repair(input.files[0]);
  const auto repaired = ReadAt<Footer>(input.files[0], 0);
  EXPECT_EQ(uint32_t{repaired.checksum}, guest::vpc::ChecksumOf(repaired));
}

}  // namespace
}  // namespace hotcell::fuzz
