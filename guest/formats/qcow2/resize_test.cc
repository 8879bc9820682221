// Disks of qemu-img's images grow, whole and killed at each change, and qemu-img reads what is
// left.
#include "guest/formats/qcow2/resize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "guest/formats/qcow2/edit_bench.h"
#include "guest/formats/qcow2/header.h"

namespace hotcell::guest::qcow2 {
namespace {

using testing::HasSubstr;

constexpr uint64_t kMebibyte = 1 << 20;

// A way to make image.qcow2, and the size that its disk gets.
struct Image {
  std::string name;
  std::string script;
  uint64_t new_size;
  bool references_allowed = true;
};

void PrintTo(const Image& image, std::ostream* out) { *out << image.name; }

std::string Create(const std::string& options, const std::string& size) {
  return "qemu-img create -q -f qcow2 " + options + " image.qcow2 " + size + "\n";
}

std::string Write(const std::string& commands) {
  return "qemu-io -f qcow2 " + commands + " image.qcow2 >/dev/null\n";
}

const char kBase[] =
    "qemu-img create -q -f raw base.raw 8M; qemu-io -f raw -c 'write -P 9 0 8M' base.raw "
    ">/dev/null\n";

std::vector<Image> Images() {
  const std::string data = Write("-c 'write -P 1 0 100k' -c 'write -P 2 900k 100k'");
  return {
      {"Plain", Create("", "1M") + data, 3 * kMebibyte},
      {"Empty", Create("", "0"), 3 * kMebibyte},
      {"AnotherL2Table", Create("-o cluster_size=4k", "1M") + data, 9 * kMebibyte},
      {"LongerL1Table", Create("-o cluster_size=512", "1M") + data, 12 * kMebibyte},
      {"Version2", Create("-o compat=0.10", "1M") + data, 9 * kMebibyte},
      {"NotAtACluster", Create("", "1000448") + Write("-c 'write -P 1 900k 70k'"), 2 * kMebibyte},
      {"OneBitRefcounts", Create("-o refcount_bits=1,cluster_size=4k", "1M") + data, 9 * kMebibyte},
      {"WideRefcounts", Create("-o refcount_bits=64,cluster_size=1k", "1M") + data, 9 * kMebibyte},
      {"ExtendedL2", Create("-o extended_l2=on", "1000448") + Write("-c 'write -P 1 900k 70k'"),
       3 * kMebibyte},
      {"Compressed", Create("", "1000448") + Write("-c 'write -c -P 5 960k 17k'"), 2 * kMebibyte},
      {"Snapshot",
       Create("-o cluster_size=4k", "3M") + Write("-c 'write -P 1 0 3M'") +
           "qemu-img snapshot -c one image.qcow2\n" + Write("-c 'write -P 2 1M 64k'"),
       9 * kMebibyte},
      {"LongBacking", kBase + Create("-b base.raw -F raw", "1M") + data, 9 * kMebibyte},
      {"LongBackingExtendedL2", kBase + Create("-b base.raw -F raw -o extended_l2=on", "1M") + data,
       9 * kMebibyte},
      {"LongBackingOfASnapshot",
       kBase + Create("-b base.raw -F raw -o cluster_size=4k", "1M") + data +
           "qemu-img snapshot -c one image.qcow2\n",
       9 * kMebibyte},
      {"UnknownBacking", kBase + Create("-b base.raw -F raw", "1M") + data, 9 * kMebibyte, false},
      {"ShortBacking", kBase + Create("-b base.raw -F raw", "8M"), 9 * kMebibyte},
      {"BackingAtTheEnd",
       kBase + Create("-b base.raw -F raw", "1000448") + Write("-c 'write -P 1 900k 70k'"),
       2 * kMebibyte},
      {"UnknownAutoclearBit",
       Create("", "1M") +
           "printf '\\200' | dd of=image.qcow2 bs=1 seek=88 conv=notrunc status=none",
       2 * kMebibyte},
  };
}

std::string NameOf(const Image& image, Preallocation mode) {
  return image.name + " with preallocation=" + std::string(PreallocationName(mode));
}

// All of a few; of many, those at the ends and some between.
std::vector<uint64_t> Moments(uint64_t changes) {
  constexpr uint64_t kAtEachEnd = 10;
  constexpr uint64_t kBetween = 10;
  std::vector<uint64_t> moments;
  for (uint64_t i = 0; i < changes; ++i) {
    if (i < kAtEachEnd || i + kAtEachEnd >= changes || i % (changes / kBetween) == 0) {
      moments.push_back(i);
    }
  }
  return moments;
}

constexpr Preallocation kModes[] = {Preallocation::kOff, Preallocation::kMetadata,
                                    Preallocation::kFalloc, Preallocation::kFull};

class ResizeTest : public testing::TestWithParam<Image> {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed";
    directory_.Run(GetParam().script);
    image_ = bench_.Load("image.qcow2");
    const Result<Bytes> disk = bench_.Disk(image_);
    ASSERT_TRUE(disk.ok()) << disk.status().message();
    disk_ = *disk;
    bench_.set_references_allowed(GetParam().references_allowed);
  }

  EditBench::Edit Grow(Preallocation mode) const {
    return [this, mode](IoChannel& io, const FileHandle& file) {
      const auto header = ReadHeader(io, file);
      EXPECT_TRUE(header.ok());
      return ResizeQcow2(
          io, file,
          {.old_size = header->size, .new_size = GetParam().new_size, .preallocation = mode});
    };
  }
  // Empty: the disk is what it was, zeroes following; its size is `size`, or may be the old one.
  std::string DifferenceOf(const Bytes& bytes, bool may_be_old) const {
    const Result<Bytes> disk = bench_.Disk(bytes);
    if (!disk.ok()) return disk.status().message();
    Bytes expected = disk_;
    if (!may_be_old || disk->size() != disk_.size()) expected.resize(GetParam().new_size);
    if (disk->size() != expected.size()) return "the size is " + std::to_string(disk->size());
    const auto difference = std::mismatch(disk->begin(), disk->end(), expected.begin()).first;
    if (difference == disk->end()) return "";
    return "other bytes at " + std::to_string(difference - disk->begin());
  }

  const TemporaryDirectory directory_;
  EditBench bench_{directory_};
  Bytes image_;
  Bytes disk_;
};

TEST_P(ResizeTest, GrowsAsQemuImgReadsIt) {
  for (const Preallocation mode : kModes) {
    SCOPED_TRACE(NameOf(GetParam(), mode));
    const EditBench::Edited grown = bench_.Run(image_, Grow(mode));
    ASSERT_TRUE(grown.status.ok()) << grown.status.message();
    EXPECT_EQ(bench_.Damage(grown.bytes, /*strict=*/true), "");
    EXPECT_EQ(DifferenceOf(grown.bytes, /*may_be_old=*/false), "");

    bench_.Store("grown.qcow2", grown.bytes);
    bench_.Store("expected.raw", disk_);
    directory_.Run("qemu-img check -q -f qcow2 grown.qcow2 && truncate -s " +
                   std::to_string(GetParam().new_size) +
                   " expected.raw && qemu-img compare -q -f qcow2 -F raw grown.qcow2 expected.raw");
    // Space is there, as qemu-img would have made it.
    const uint64_t grown_by = GetParam().new_size - disk_.size();
    if (mode != Preallocation::kOff) {
      EXPECT_GE(grown.bytes.size(), image_.size() + grown_by / 65536 * 65536);
    }
  }
}

TEST_P(ResizeTest, IsSoundWhereverItIsKilled) {
  for (const Preallocation mode : {Preallocation::kOff, Preallocation::kFull}) {
    for (const bool torn : {false, true}) {
      for (const uint64_t changes : Moments(bench_.Run(image_, Grow(mode)).changes)) {
        SCOPED_TRACE(NameOf(GetParam(), mode) + ", killed after " + std::to_string(changes));
        const EditBench::Edited left = bench_.Run(image_, Grow(mode), changes, torn);
        ASSERT_TRUE(left.died && !left.status.ok());
        ASSERT_EQ(bench_.Damage(left.bytes, /*strict=*/false), "");
        ASSERT_EQ(DifferenceOf(left.bytes, /*may_be_old=*/true), "");
        if (changes % 5 != 0) continue;
        bench_.Store("left.qcow2", left.bytes);
        directory_.Run("qemu-img check -q -f qcow2 left.qcow2 || test $? = 3");
        // It can be done again on what is left.
        const EditBench::Edited again = bench_.Run(left.bytes, Grow(mode));
        ASSERT_TRUE(again.status.ok()) << again.status.message();
        ASSERT_EQ(bench_.Damage(again.bytes, /*strict=*/false), "");
        ASSERT_EQ(DifferenceOf(again.bytes, /*may_be_old=*/false), "");
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Qcow2, ResizeTest, testing::ValuesIn(Images()),
                         [](const auto& test) { return test.param.name; });

class ResizeRefusalTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!HaveQemuImg()) GTEST_SKIP() << "qemu-img and qemu-io are not installed";
  }

  // Why the image that the script makes does not get `new_size`; nothing of it changes.
  std::string Refusal(const std::string& script, uint64_t new_size = 2 * kMebibyte) {
    directory_.Run("rm -f *; " + script);
    const Bytes image = bench_.Load("image.qcow2");
    const EditBench::Edited edited =
        bench_.Run(image, [new_size](IoChannel& io, const FileHandle& file) {
          const auto header = ReadHeader(io, file);
          return header.ok()
                     ? ResizeQcow2(io, file, {.old_size = header->size, .new_size = new_size})
                     : header.status();
        });
    EXPECT_TRUE(edited.bytes == image) << script;
    return edited.status.message();
  }

  const TemporaryDirectory directory_;
  EditBench bench_{directory_};
};

TEST_F(ResizeRefusalTest, SaysWhatQemuImgSays) {
  EXPECT_EQ(Refusal(Create("", "1M"), kMebibyte + 100), "The new size must be a multiple of 512");
  EXPECT_EQ(Refusal(Create("", "1M"), 3ull << 50), "Failed to grow the L1 table: File too large");
  EXPECT_EQ(Refusal(Create("-o compat=0.10", "1M") + "qemu-img snapshot -c one image.qcow2"),
            "Can't resize a v2 image which has snapshots");
  EXPECT_EQ(Refusal(kBase + Create("-o compat=0.10 -b base.raw -F raw", "1M")),
            "Failed to zero out new clusters: Operation not supported");
  EXPECT_EQ(Refusal(Create("", "1M") +
                    "printf '\\2' | dd of=image.qcow2 bs=1 seek=79 conv=notrunc status=none"),
            "qcow2: Image is corrupt; cannot be opened read/write");
}

TEST_F(ResizeRefusalTest, NamesWhatIsNotDone) {
  EXPECT_THAT(Refusal(Create("", "4M")), HasSubstr("shrinking"));
  EXPECT_THAT(Refusal(Create("", "1M") + "qemu-img bitmap --add image.qcow2 b"),
              HasSubstr("bitmaps"));
  EXPECT_THAT(Refusal(Create("-o data_file=data", "1M")), HasSubstr("another file"));
  EXPECT_THAT(Refusal(Create("", "1M") +
                      "printf '\\1' | dd of=image.qcow2 bs=1 seek=35 conv=notrunc status=none"),
              HasSubstr("encrypted"));
  EXPECT_THAT(Refusal(Create("", "1M") +
                      "printf '\\1' | dd of=image.qcow2 bs=1 seek=79 conv=notrunc status=none"),
              HasSubstr("dirty"));
  EXPECT_THAT(Refusal(kBase + Create("-b base.raw -F raw", "1000448")),
              HasSubstr("of the backing image"));
  // A cluster that two entries claim.
  EXPECT_THAT(Refusal(Create("", "1M") + Write("-c 'write 0 128k'") +
                      "dd if=image.qcow2 of=image.qcow2 bs=8 count=1 skip=$((0x40000 / 8)) "
                      "seek=$((0x40008 / 8)) conv=notrunc status=none"),
              HasSubstr("damaged"));
}

TEST_F(ResizeRefusalTest, ABackingImageThatMayNotBeOpenedIsNamed) {
  bench_.set_references_allowed(false);
  EXPECT_THAT(Refusal(kBase + Create("-b base.raw -F raw", "1000448")), HasSubstr("base.raw"));
  EXPECT_THAT(Refusal(kBase + Create("-o compat=0.10 -b base.raw -F raw", "1M")),
              HasSubstr("base.raw"));
}

// A device keeps its size, and what follows the image in it is anything.
TEST_F(ResizeRefusalTest, WhatADeviceHeldBeforeIsNotSeen) {
  directory_.Run(Create("-o cluster_size=4k", "1M") + Write("-c 'write -P 1 0 1M'"));
  Bytes device = bench_.Load("image.qcow2");
  device.resize(24 * kMebibyte, std::byte{0xee});
  for (const Preallocation mode : {Preallocation::kOff, Preallocation::kFull}) {
    const EditBench::Edited grown = bench_.Run(device, [&](IoChannel& io, const FileHandle& file) {
      return ResizeQcow2(io, file,
                         {.old_size = kMebibyte,
                          .new_size = 9 * kMebibyte,
                          .preallocation = mode,
                          .device = true});
    });
    ASSERT_TRUE(grown.status.ok()) << grown.status.message();
    EXPECT_EQ(grown.bytes.size(), device.size());
    EXPECT_EQ(bench_.Damage(grown.bytes, /*strict=*/true), "");
    const Result<Bytes> disk = bench_.Disk(grown.bytes);
    ASSERT_TRUE(disk.ok());
    Bytes expected(kMebibyte, std::byte{1});
    expected.resize(9 * kMebibyte);
    EXPECT_TRUE(*disk == expected);
  }
}

}  // namespace
}  // namespace hotcell::guest::qcow2
