#include "guest/formats/common/output_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "base/text.h"

namespace hotcell::guest {
namespace {

using testing::Optional;

TEST(ParseSizeTest, TakesSuffixesOfEitherCase) {
  EXPECT_THAT(ParseSize("0"), Optional(0));
  EXPECT_THAT(ParseSize("65536"), Optional(65536));
  EXPECT_THAT(ParseSize("512b"), Optional(512));
  EXPECT_THAT(ParseSize("64k"), Optional(65536));
  EXPECT_THAT(ParseSize("2M"), Optional(2 << 20));
  EXPECT_THAT(ParseSize("1.5K"), Optional(1536));
  EXPECT_THAT(ParseSize("4T"), Optional(4ull << 40));
  EXPECT_THAT(ParseSize("0x10000"), Optional(65536));
  EXPECT_THAT(ParseSize("4P"), Optional(4ull << 50));
  EXPECT_THAT(ParseSize("1e"), Optional(1ull << 60));
  EXPECT_THAT(ParseSize("+64k"), Optional(65536));
  EXPECT_THAT(ParseSize(" 64k"), Optional(65536));
  EXPECT_THAT(ParseSize("64.k"), Optional(65536));
  EXPECT_THAT(ParseSize("65536."), Optional(65536));
  EXPECT_THAT(ParseSize("65536.0"), Optional(65536));
}

TEST(ParseSizeTest, RefusesWhatIsNoSize) {
  for (const char* text : {"", "k", "-1", "12x", "1kk", "1 ", "++1", "+ 1", ".5k", "1e3", "8E",
                           "0x", "0x20k", "0xg", "0x8000000000000000", "1.5", "9223372036854775808",
                           "8589934592G", "99999999999999999999"}) {
    EXPECT_EQ(ParseSize(text), std::nullopt) << text;
  }
}

TEST(OptionParserTest, StoresWhatWasGivenAndLeavesTheRest) {
  const FormatOption options[] = {{"size", "4k"}, {"size", "8k"}, {"flag", "on"}};
  uint64_t size = 1;
  uint64_t other = 2;
  bool flag = false;
  OptionParser parser("test", options);
  parser.Size("size", &size);
  parser.Size("other", &other);
  parser.OnOff("flag", &flag);
  EXPECT_TRUE(parser.Done().ok());
  EXPECT_EQ(size, 8192u);
  EXPECT_EQ(other, 2u);
  EXPECT_TRUE(flag);
}

TEST(OptionParserTest, ReadsNumbersAsQemu) {
  for (const auto& [text, expected] :
       {std::pair("16", 16u), std::pair("+16", 16u), std::pair(" 16", 16u), std::pair("0x10", 16u),
        std::pair("020", 16u), std::pair("0", 0u)}) {
    const FormatOption options[] = {{"bits", text}};
    uint64_t bits = 1;
    OptionParser parser("test", options);
    parser.Number("bits", &bits);
    EXPECT_TRUE(parser.Done().ok()) << text;
    EXPECT_EQ(bits, expected) << text;
  }
  for (const char* text : {"", "16b", "16k", "16.", "16.0", "1e1", "08", "-1", "0x"}) {
    const FormatOption options[] = {{"bits", text}};
    uint64_t bits = 1;
    OptionParser parser("test", options);
    parser.Number("bits", &bits);
    EXPECT_EQ(parser.Done().message(), StrCat("test: option bits=", text, " is not a number"));
  }
}

TEST(OptionParserTest, NamesAnUnknownOptionAndTheKnownOnes) {
  const FormatOption options[] = {{"foo", "1"}};
  uint64_t size = 0;
  bool flag = false;
  std::string_view mode;
  OptionParser parser("test", options);
  parser.Size("size", &size);
  parser.OnOff("flag", &flag);
  parser.Choice("mode", {}, &mode);
  const Status status = parser.Done();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "unknown option 'foo' for format test; it knows size, flag and mode");
}

TEST(OptionParserTest, ListsTheChoices) {
  constexpr std::string_view kModes[] = {"off", "metadata", "full"};
  const FormatOption options[] = {{"mode", "half"}};
  std::string_view mode = "off";
  OptionParser parser("test", options);
  parser.Choice("mode", kModes, &mode);
  EXPECT_EQ(parser.Done().message(), "test: option mode=half is not one of off, metadata and full");
  EXPECT_EQ(mode, "off");
}

TEST(OptionParserTest, TakesQemusWordsForOnAndOff) {
  for (const auto& [text, expected] :
       {std::pair("on", true), std::pair("yes", true), std::pair("true", true),
        std::pair("y", true), std::pair("off", false), std::pair("no", false),
        std::pair("false", false), std::pair("n", false)}) {
    const FormatOption options[] = {{"flag", text}};
    bool flag = !expected;
    OptionParser parser("test", options);
    parser.OnOff("flag", &flag);
    EXPECT_TRUE(parser.Done().ok()) << text;
    EXPECT_EQ(flag, expected) << text;
  }
  const FormatOption options[] = {{"flag", "maybe"}};
  bool flag = false;
  OptionParser parser("test", options);
  parser.OnOff("flag", &flag);
  EXPECT_EQ(parser.Done().message(), "test: option flag=maybe is not one of on and off");
}

TEST(OptionParserTest, TakesWhatAsksForNothing) {
  for (const FormatOption& option :
       {FormatOption{"encryption", "off"}, FormatOption{"nocow", "off"},
        FormatOption{"extent_size_hint", "0"}, FormatOption{"extent_size_hint", "1M"}}) {
    OptionParser parser("test", {&option, 1});
    parser.RefuseUnlessOff("encryption", "not done");
    EXPECT_TRUE(parser.Done().ok()) << option.key;
  }
  for (const FormatOption& option :
       {FormatOption{"encryption", "on"}, FormatOption{"nocow", "on"},
        FormatOption{"extent_size_hint", "4G"}, FormatOption{"extent_size_hint", "big"}}) {
    OptionParser parser("test", {&option, 1});
    parser.RefuseUnlessOff("encryption", "not done");
    EXPECT_FALSE(parser.Done().ok()) << option.key;
  }
}

TEST(OptionParserTest, RefusesByName) {
  const FormatOption options[] = {{"later", "1"}};
  OptionParser parser("test", options);
  parser.Refuse("later", "not done");
  const Status status = parser.Done();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_EQ(status.message(), "test: option later: not done");
}

}  // namespace
}  // namespace hotcell::guest
