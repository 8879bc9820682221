#include "guest/formats/signatures/signature_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <tuple>
#include <vector>

#include "guest/formats/common/format.h"
#include "guest/formats/raw/contents.h"
#include "guest/formats/signatures/signatures.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

std::vector<std::byte> FileWith(const SignatureRow& row, uint64_t base = 0) {
  std::vector<std::byte> bytes(200 << 10);
  std::memcpy(&bytes[base + row.offset], row.bytes.data(), row.bytes.size());
  return bytes;
}

TEST(SignatureTableTest, HasNoRowTwice) {
  std::set<std::tuple<SignaturePlace, uint64_t, std::string_view>> seen;
  for (const SignatureRow& row : SignatureTable()) {
    EXPECT_TRUE(seen.emplace(row.place, row.offset, row.bytes).second)
        << static_cast<int>(row.kind) << " at " << row.offset;
  }
}

TEST(SignatureTableTest, RowsHaveBytesAndSomebodyWhoLooksForThemWhereTheyAre) {
  for (const SignatureRow& row : SignatureTable()) {
    const auto kind = static_cast<int>(row.kind);
    EXPECT_GE(row.bytes.size(), 2u) << kind;
    EXPECT_NE(row.uses, 0) << kind;
    EXPECT_EQ(row.uses & ~(kByInspect | kByRaw | kByProbe), 0) << kind;
    if (row.place != SignaturePlace::kStart) {
      EXPECT_EQ(row.uses, kByInspect) << kind;
    }
    const uint64_t end = row.offset + row.bytes.size();
    if ((row.uses & kByRaw) != 0) {
      EXPECT_LE(end, kDiskContentsArea) << kind;
    }
    if ((row.uses & kByProbe) != 0) {
      EXPECT_LE(end, kProbeHeadSize) << kind;
    }
  }
}

TEST(SignatureTableTest, EachUseFindsItsRows) {
  NativeFiles files;
  NativeChannel io(files);
  for (const SignatureRow& row : SignatureTable()) {
    if (row.place == SignaturePlace::kEnd) continue;
    const uint64_t base = row.place == SignaturePlace::kSector ? 1024 : 0;
    const uint64_t shown = row.place == SignaturePlace::kSector ? base : row.offset;
    const std::vector<std::byte> bytes = FileWith(row, base);
    const FileHandle file = files.Add(std::make_unique<MemoryFile>(bytes));
    const auto is_row = [&](const FileSignature& found) {
      return found.kind == row.kind && found.offset == shown;
    };
    const auto by_inspect = FindSignatures(io, file);
    const auto by_raw = FindDiskContents(io, file);
    ASSERT_TRUE(by_inspect.ok() && by_raw.ok());
    const auto kind = static_cast<int>(row.kind);
    if ((row.uses & kByInspect) != 0) {
      EXPECT_EQ(std::ranges::count_if(*by_inspect, is_row), 1) << kind;
    }
    if ((row.uses & kByRaw) != 0) {
      EXPECT_EQ(std::ranges::count_if(*by_raw, is_row), 1) << kind;
    }
    if ((row.uses & kByProbe) != 0) {
      EXPECT_TRUE(HasSignature(bytes, row.kind, kByProbe)) << kind;
    }
  }
}

TEST(SignatureTableTest, EveryKindOfRefusedFileHasAMark) {
  for (const FormatDriver* const format : Formats()) {
    if (!format->refused) continue;
    const bool found = std::ranges::any_of(SignatureTable(), [&](const SignatureRow& row) {
      return (row.uses & kByProbe) != 0 && format->probe(FileWith(row), 200 << 10) > 0;
    });
    EXPECT_TRUE(found) << format->name;
  }
}

TEST(SignatureTableTest, BytesAreWholeOrNotThere) {
  const std::vector<std::byte> area = {std::byte{'a'}, std::byte{'b'}};
  EXPECT_TRUE(HasBytes(area, 0, "ab"));
  EXPECT_TRUE(HasBytes(area, 1, "b"));
  EXPECT_FALSE(HasBytes(area, 1, "bc"));
  EXPECT_FALSE(HasBytes(area, 2, "c"));
  EXPECT_FALSE(HasBytes(area, 1000, "a"));
}

TEST(SignatureTableTest, TrailersHaveTheBytesOfTheirFormats) {
  EXPECT_EQ(SignatureBytes(SignatureKind::kDmgTrailer, SignaturePlace::kEnd), "koly");
  EXPECT_EQ(SignatureBytes(SignatureKind::kVhdFooter, SignaturePlace::kEnd), "conectix");
  EXPECT_EQ(SignatureBytes(SignatureKind::kGptBackup, SignaturePlace::kEnd), "EFI PART");
  EXPECT_EQ(SignatureBytes(SignatureKind::kQcowImage, SignaturePlace::kSector), "QFI\xfb");
  EXPECT_EQ(SignatureBytes(SignatureKind::kVdiImage, SignaturePlace::kSector), "\x7f\x10\xda\xbe");
}

}  // namespace
}  // namespace hotcell::guest
