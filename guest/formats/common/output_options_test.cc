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

constexpr OptionRange kSmallPowers = {.minimum = 4,
                                      .maximum = 8192,
                                      .power_of_two = true,
                                      .or_zero = true,
                                      .text = "a power of two from 4 to 8k"};
constexpr std::string_view kModes[] = {"off", "metadata", "full"};
constexpr OptionRow kRows[] = {
    {.key = "size", .kind = OptionKind::kSize, .number = 16, .range = kSmallPowers},
    {.key = "flag", .kind = OptionKind::kOnOff},
    {.key = "mode", .kind = OptionKind::kChoice, .text = "off", .choices = kModes},
    {.key = "encryption", .reason = "not done", .unless_off = true},
    {.key = "later", .reason = "not done"},
};
constexpr OptionTable kTable = {"test", kRows};

constexpr OptionRow kBits[] = {{.key = "bits", .kind = OptionKind::kNumber, .number = 1}};
constexpr OptionTable kBitsTable = {"test", kBits};

// What a writer does.
struct Taken {
  explicit Taken(std::span<const FormatOption> options, const OptionTable& table = kTable)
      : parser(table, options),
        size(parser.Size("size")),
        flag(parser.OnOff("flag")),
        mode(parser.Choice("mode")) {}

  OptionParser parser;
  uint64_t size;
  bool flag;
  std::string_view mode;
};

TEST(OptionParserTest, StoresWhatWasGivenAndLeavesTheRest) {
  const FormatOption options[] = {{"size", "4k"}, {"size", "8k"}, {"flag", "on"}};
  const Taken taken(options);
  EXPECT_TRUE(taken.parser.Done().ok());
  EXPECT_EQ(taken.size, 8192u);
  EXPECT_TRUE(taken.flag);
  EXPECT_TRUE(taken.parser.IsGiven("flag"));
  EXPECT_FALSE(taken.parser.IsGiven("mode"));
  EXPECT_EQ(taken.mode, "off");
  EXPECT_EQ(Taken({}).size, 16u);
}

TEST(OptionParserTest, ReadsNumbersAsQemu) {
  for (const auto& [text, expected] :
       {std::pair("16", 16u), std::pair("+16", 16u), std::pair(" 16", 16u), std::pair("0x10", 16u),
        std::pair("020", 16u), std::pair("0", 0u)}) {
    const FormatOption options[] = {{"bits", text}};
    OptionParser parser(kBitsTable, options);
    const uint64_t bits = parser.Number("bits");
    EXPECT_TRUE(parser.Done().ok()) << text;
    EXPECT_EQ(bits, expected) << text;
  }
  for (const char* text : {"", "16b", "16k", "16.", "16.0", "1e1", "08", "-1", "0x"}) {
    const FormatOption options[] = {{"bits", text}};
    OptionParser parser(kBitsTable, options);
    (void)parser.Number("bits");
    EXPECT_EQ(parser.Done().message(), StrCat("test: option bits=", text, " is not a number"));
  }
}

TEST(OptionParserTest, NamesAnUnknownOptionAndTheKnownOnes) {
  const FormatOption options[] = {{"foo", "1"}};
  const Status status = Taken(options).parser.Done();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(), "unknown option 'foo' for format test; it knows size, flag and mode");
}

TEST(OptionParserTest, SaysThatAFormatHasNoOptions) {
  constexpr OptionTable kNone = {"test", std::span(kRows).last(1)};
  const FormatOption options[] = {{"foo", "1"}};
  EXPECT_EQ(OptionParser(kNone, options).Done().message(),
            "unknown option 'foo' for format test; it has no options");
}

TEST(OptionParserTest, ListsTheChoices) {
  const FormatOption options[] = {{"mode", "half"}};
  const Taken taken(options);
  EXPECT_EQ(taken.parser.Done().message(),
            "test: option mode=half is not one of off, metadata and full");
  EXPECT_EQ(taken.mode, "off");
}

TEST(OptionParserTest, TakesQemusWordsForOnAndOff) {
  for (const auto& [text, expected] :
       {std::pair("on", true), std::pair("yes", true), std::pair("true", true),
        std::pair("y", true), std::pair("off", false), std::pair("no", false),
        std::pair("false", false), std::pair("n", false)}) {
    const FormatOption options[] = {{"flag", text}};
    const Taken taken(options);
    EXPECT_TRUE(taken.parser.Done().ok()) << text;
    EXPECT_EQ(taken.flag, expected) << text;
  }
  const FormatOption options[] = {{"flag", "maybe"}};
  EXPECT_EQ(Taken(options).parser.Done().message(),
            "test: option flag=maybe is not one of on and off");
}

TEST(OptionParserTest, HoldsValuesAgainstTheRange) {
  for (const char* text : {"0", "4", "64", "8k"}) {
    const FormatOption options[] = {{"size", text}};
    EXPECT_TRUE(Taken(options).parser.Done().ok()) << text;
  }
  for (const char* text : {"2", "6", "16k"}) {
    const FormatOption options[] = {{"size", text}};
    const Status status = Taken(options).parser.Done();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << text;
    EXPECT_EQ(status.message(), "test: size must be a power of two from 4 to 8k") << text;
  }
}

TEST(OptionParserTest, TellsOfValuesBeforeUnknownOptionsAndOfRangesLast) {
  const FormatOption options[] = {{"foo", "1"}, {"size", "3"}, {"flag", "maybe"}};
  EXPECT_THAT(Taken(options).parser.Done().message(), testing::HasSubstr("flag=maybe"));
  EXPECT_THAT(Taken(std::span(options).first(2)).parser.Done().message(),
              testing::HasSubstr("unknown option 'foo'"));
}

TEST(OptionParserTest, TakesWhatAsksForNothing) {
  for (const FormatOption& option :
       {FormatOption{"encryption", "off"}, FormatOption{"nocow", "off"},
        FormatOption{"extent_size_hint", "0"}, FormatOption{"extent_size_hint", "1M"}}) {
    EXPECT_TRUE(Taken({&option, 1}).parser.Done().ok()) << option.key;
  }
  for (const FormatOption& option :
       {FormatOption{"encryption", "on"}, FormatOption{"nocow", "on"},
        FormatOption{"extent_size_hint", "4G"}, FormatOption{"extent_size_hint", "big"}}) {
    EXPECT_FALSE(Taken({&option, 1}).parser.Done().ok()) << option.key;
  }
}

TEST(OptionParserTest, RefusesByName) {
  const FormatOption options[] = {{"later", "1"}};
  const Status status = Taken(options).parser.Done();
  EXPECT_EQ(status.code(), Code::kUnsupported);
  EXPECT_EQ(status.message(), "test: option later: not done");
}

TEST(OptionParserTest, AcceptsWhatIsSetInAnotherWay) {
  const FormatOption options[] = {{"later", "1"}};
  Taken taken(options);
  taken.parser.Accept("later");
  EXPECT_TRUE(taken.parser.Done().ok());
}

TEST(OptionParserTest, FailsUnlessEachOptionOfTheTableIsTaken) {
  OptionParser parser(kTable, {});
  (void)parser.Size("size");
  (void)parser.Choice("mode");
  EXPECT_EQ(parser.Done().message(), "test: nothing takes the option flag");
}

TEST(OptionParserTest, FailsWhenAWriterTakesWhatTheTableDoesNotHave) {
  Taken misspelt({});
  (void)misspelt.parser.Size("sise");
  EXPECT_EQ(misspelt.parser.Done().message(),
            "test: the table of options has no sise of this kind");
  Taken of_another_kind({});
  (void)of_another_kind.parser.Text("mode");
  EXPECT_FALSE(of_another_kind.parser.Done().ok());
}

}  // namespace
}  // namespace hotcell::guest
