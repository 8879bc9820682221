#include "tools/hotcell/common/size.h"

#include <cstdint>

#include "gtest/gtest.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/invocation.h"

namespace hotcell::cli {
namespace {

TEST(ParseSizeTest, TakesBytesAndSuffixes) {
  EXPECT_EQ(ParseSize("0").value(), 0u);
  EXPECT_EQ(ParseSize("4096").value(), 4096u);
  EXPECT_EQ(ParseSize("512b").value(), 512u);
  EXPECT_EQ(ParseSize("4k").value(), 4096u);
  EXPECT_EQ(ParseSize("64M").value(), 64u << 20);
  EXPECT_EQ(ParseSize("64m").value(), 64u << 20);
  EXPECT_EQ(ParseSize("2T").value(), uint64_t{2} << 40);
  EXPECT_EQ(ParseSize("15E").value(), uint64_t{15} << 60);
}

TEST(ParseSizeTest, TakesFractions) {
  EXPECT_EQ(ParseSize("1.5G").value(), (uint64_t{3} << 30) / 2);
  EXPECT_EQ(ParseSize("0.1k").value(), 102u);
  EXPECT_EQ(ParseSize("64.k").value(), 65536u);
  EXPECT_EQ(ParseSize("65536.").value(), 65536u);
  EXPECT_EQ(ParseSize("65536.0").value(), 65536u);
}

TEST(ParseSizeTest, TakesHexadecimal) { EXPECT_EQ(ParseSize("0x10000").value(), 65536u); }

TEST(ParseSizeTest, RefusesWhatIsNoSize) {
  for (const char* text : {"", "k", "-1", "+", "++1", "+ 1", "1 ", "1 k", "1kk", "1z", ".5k", "1.x",
                           "1.5", "1.5b", "0x", "0x10k", "1e3", "12a"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(ParseSizeTest, TakesBlanksAndAPlusBeforeIt) {
  EXPECT_EQ(ParseSize("+4M").value(), 4u << 20);
  EXPECT_EQ(ParseSize(" 4M").value(), 4u << 20);
  EXPECT_EQ(ParseSize("\t+0x10").value(), 16u);
}

TEST(ParseOptionNumberTest, TakesTheBasesOfC) {
  EXPECT_EQ(ParseOptionNumber("16").value(), 16u);
  EXPECT_EQ(ParseOptionNumber(" +16").value(), 16u);
  EXPECT_EQ(ParseOptionNumber("0x10").value(), 16u);
  EXPECT_EQ(ParseOptionNumber("020").value(), 16u);
  EXPECT_EQ(ParseOptionNumber("0").value(), 0u);
  for (const char* text : {"", "16b", "16k", "16.", "1e1", "08", "-1", "0x"}) {
    EXPECT_FALSE(ParseOptionNumber(text).ok()) << text;
  }
}

class ParseSizeOfTest : public testing::Test {
 protected:
  ~ParseSizeOfTest() override { SetInvokedAs("hotcell"); }
};

TEST_F(ParseSizeOfTest, SaysWhatIsTooLarge) {
  EXPECT_EQ(ParseSize("8", "image size", 8).value(), 8u);
  EXPECT_EQ(ParseSize("9", "image size", 8).status().message(),
            "'9' is too large for the image size: at most 8");
  EXPECT_EQ(ParseSize("16E", "image size").status().message(),
            "'16E' is too large for the image size: at most 9223372036854775807");
}

TEST_F(ParseSizeOfTest, SpeaksAsQemuImg) {
  SetInvokedAs("qemu-img");
  EXPECT_EQ(ErrorLine("create", ParseSize("4MB", "image size").status()),
            "qemu-img: Invalid image size specified. You may use k, M, G, T, P or E suffixes for\n"
            "qemu-img: kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.\n");
  EXPECT_EQ(ErrorLine("create", ParseSize("16E", "image size").status()),
            "qemu-img: Invalid image size specified. Must be between 0 and 9223372036854775807.\n");
}

TEST(ParseSizeTest, RefusesWhatDoesNotFit) {
  for (const char* text :
       {"16E", "18446744073709551616", "20000000000G", "15.99999999999999999E"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
  EXPECT_EQ(ParseSize("18446744073709551615").value(), UINT64_MAX);
}

TEST(ParseNumberTest, TakesDecimalAndHexadecimal) {
  EXPECT_EQ(ParseNumber("10").value(), 10u);
  EXPECT_EQ(ParseNumber("0x10").value(), 16u);
  EXPECT_FALSE(ParseNumber("10k").ok());
  EXPECT_FALSE(ParseNumber("").ok());
}

// What `qemu-img info` 7.2 prints for files of these sizes.
TEST(FormatSizeTest, PrintsAsQemuImg) {
  EXPECT_EQ(FormatSize(0), "0 B");
  EXPECT_EQ(FormatSize(999), "999 B");
  EXPECT_EQ(FormatSize(1000), "0.977 KiB");
  EXPECT_EQ(FormatSize(1024), "1 KiB");
  EXPECT_EQ(FormatSize(200704), "196 KiB");
  EXPECT_EQ(FormatSize(1132462), "1.08 MiB");
  EXPECT_EQ(FormatSize(2297856), "2.19 MiB");
  EXPECT_EQ(FormatSize(64 << 20), "64 MiB");
  EXPECT_EQ(FormatSize(uint64_t{1000} << 20), "0.977 GiB");
  EXPECT_EQ(FormatSize(uint64_t{4} << 30), "4 GiB");
  EXPECT_EQ(FormatSize(UINT64_MAX), "16 EiB");
}

}  // namespace
}  // namespace hotcell::cli
