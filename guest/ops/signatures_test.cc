#include "guest/ops/signatures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>

#include "guest/runtime/native_channel.h"

namespace hotcell::guest {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SignaturesTest : public testing::Test {
 protected:
  void Put(uint64_t offset, std::string_view bytes) {
    if (bytes_.size() < offset + bytes.size()) bytes_.resize(offset + bytes.size());
    std::memcpy(&bytes_[offset], bytes.data(), bytes.size());
  }

  std::vector<std::string> Find() {
    NativeFiles files;
    const FileHandle file = files.Add(std::make_unique<MemoryFile>(bytes_));
    NativeChannel io(files);
    const auto found = FindSignatures(io, file);
    EXPECT_TRUE(found.ok()) << found.status().message();
    std::vector<std::string> texts;
    for (const FileSignature& signature : *found) {
      texts.push_back(std::string(signature.name) + " " + std::to_string(signature.offset));
    }
    return texts;
  }

  std::vector<std::byte> bytes_ = std::vector<std::byte>(200 << 10);
};

TEST_F(SignaturesTest, FindsNothingInZeroesOrNothing) {
  EXPECT_THAT(Find(), IsEmpty());
  bytes_.clear();
  EXPECT_THAT(Find(), IsEmpty());
  bytes_.resize(100);
  EXPECT_THAT(Find(), IsEmpty());
}

TEST_F(SignaturesTest, NamesThemByOffset) {
  Put(512, "EFI PART");
  Put(0,
      "\x7f"
      "ELF");
  Put(65600, "_BHRfS_M");
  Put(32769, "CD001");
  EXPECT_THAT(Find(), ElementsAre("ELF program 0", "GPT partition table 512",
                                  "ISO 9660 file system 32769", "btrfs file system 65600"));
}

TEST_F(SignaturesTest, FindsImagesAtAnySectorButTheFirst) {
  Put(0, "QFI\xfb");
  Put(512, "KDMV");
  Put(4096, "QFI\xfb");
  Put(5001, "vhdxfile");
  EXPECT_THAT(Find(), ElementsAre("VMDK image 512", "QCOW image 4096"));
}

TEST_F(SignaturesTest, LooksAtTheLastSector) {
  Put(bytes_.size() - 512, "conectix");
  EXPECT_THAT(Find(), ElementsAre("VHD footer 204288"));
}

TEST_F(SignaturesTest, LooksForTrailersWhereverReadersDo) {
  const uint64_t size = bytes_.size();
  // A file that ends within a sector: its last 512 bytes, and its last sector.
  bytes_.resize(size + 511);
  Put(size, "conectix");
  EXPECT_THAT(Find(), ElementsAre("VHD footer 204800"));
  bytes_.assign(size + 100, {});
  Put(size + 100 - 512, "conectix");
  EXPECT_THAT(Find(), ElementsAre("VHD footer 204388"));
  for (const uint64_t before : {4, 512, 513, 1023}) {
    bytes_.assign(size, {});
    Put(size - before, "koly");
    EXPECT_THAT(Find(), ElementsAre("DMG trailer " + std::to_string(size - before)));
  }
  bytes_.assign(size, {});
  Put(size - 1024, "koly");
  EXPECT_THAT(Find(), IsEmpty());
  Put(0, "koly");
  EXPECT_THAT(Find(), ElementsAre("DMG trailer 0"));
}

// The two bytes at 510 alone are no partition table.
TEST_F(SignaturesTest, WantsPartitionsInAnMbr) {
  Put(510, "\x55\xaa");
  EXPECT_THAT(Find(), IsEmpty());
  Put(450, "\x83");
  EXPECT_THAT(Find(), ElementsAre("MBR partition table 510"));
  Put(446, "\x01");
  EXPECT_THAT(Find(), IsEmpty());
}

}  // namespace
}  // namespace hotcell::guest
