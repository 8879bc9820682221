#include "broker/lanes/report_details.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/detail_key.h"
#include "broker/lanes/report_codec.h"
#include "hotcell/failure.h"

namespace hotcell::broker {
namespace {

constexpr uint64_t kReportBytes = 1 << 20;
constexpr v1::Detail::Kind kList = v1::Detail::KIND_LIST;
constexpr v1::Detail::Kind kDictionary = v1::Detail::KIND_DICTIONARY;

v1::Detail Bool(uint32_t depth, const std::string& key) {
  v1::Detail detail;
  detail.set_depth(depth);
  detail.set_key(key);
  detail.set_boolean(true);
  return detail;
}

v1::Detail Kind(uint32_t depth, const std::string& key, v1::Detail::Kind kind) {
  v1::Detail detail = Bool(depth, key);
  detail.set_kind(kind);
  return detail;
}

// Whether a report with these is decoded, be they of `info`, of an image below or of `inspect`.
bool AreTaken(const std::vector<v1::Detail>& details) {
  v1::Report info;
  info.mutable_info()->mutable_details()->Add(details.begin(), details.end());
  v1::Report chain;
  chain.mutable_info();
  *chain.add_backing_chain() = info.info();
  v1::Report inspect;
  *inspect.mutable_inspect()->mutable_info() = info.info();
  const bool taken = AreDetails(info.info().details());
  for (const v1::Report& report : {info, chain, inspect}) {
    const auto decoded = DecodeReport(report.SerializeAsString(), kReportBytes);
    EXPECT_EQ(decoded.ok(), taken);
    if (!decoded.ok()) {
      EXPECT_EQ(FailureKindOf(decoded.status()), FailureKind::kGuestContract);
    }
  }
  return taken;
}

TEST(ReportDetailsTest, TakesWhatImagesSay) {
  EXPECT_TRUE(AreTaken({}));
  EXPECT_TRUE(AreTaken({Bool(0, "compat"), Kind(0, "bitmaps", v1::Detail::KIND_BITMAPS),
                        Kind(0, "encrypt", kDictionary), Bool(1, "format"), Bool(0, "corrupt")}));
  EXPECT_TRUE(AreTaken({Kind(0, "extents", kList), Kind(1, "", kDictionary), Bool(2, "format"),
                        Kind(2, "filename", v1::Detail::KIND_OWN_FILE), Kind(1, "", kDictionary),
                        Bool(2, "format"), Bool(1, ""), Kind(0, "empty", kList)}));
}

TEST(ReportDetailsTest, RefusesDepthsThatJump) {
  EXPECT_FALSE(AreTaken({Bool(1, "a")}));
  EXPECT_FALSE(AreTaken({Bool(0, "a"), Bool(1, "b")})) << "in a boolean";
  EXPECT_FALSE(AreTaken({Kind(0, "a", kList), Bool(2, "")}));
  EXPECT_FALSE(AreTaken({Kind(0, "a", kDictionary), Bool(0, "b"), Bool(1, "c")}));
  EXPECT_FALSE(AreTaken({Kind(0, "a", kDictionary), Bool(UINT32_MAX, "b")}));
}

TEST(ReportDetailsTest, RefusesDeepNesting) {
  std::vector<v1::Detail> details = {Kind(0, "a", kList)};
  while (details.size() + 1 < kMaxDetailDepth) {
    details.push_back(Kind(static_cast<uint32_t>(details.size()), "", kList));
  }
  EXPECT_TRUE(AreTaken(details));
  details.push_back(Kind(static_cast<uint32_t>(details.size()), "", kList));
  EXPECT_FALSE(AreTaken(details));
}

TEST(ReportDetailsTest, RefusesKeysThatAreNone) {
  for (const char* key : {"", "A", "a b", "a\n", "\x1b[2J", "\u202e", "a_b"}) {
    EXPECT_FALSE(AreTaken({Bool(0, key)})) << key;
  }
  EXPECT_TRUE(AreTaken({Bool(0, std::string(kMaxDetailKey, 'k'))}));
  EXPECT_FALSE(AreTaken({Bool(0, std::string(kMaxDetailKey + 1, 'k'))}));
  EXPECT_FALSE(AreTaken({Kind(0, "a", kList), Bool(1, "b")})) << "an item of a list has none";
}

TEST(ReportDetailsTest, RefusesAKeyThatComesAgain) {
  EXPECT_FALSE(AreTaken({Bool(0, "a"), Bool(0, "b"), Bool(0, "a")}));
  EXPECT_TRUE(AreTaken({Kind(0, "a", kDictionary), Bool(1, "a"), Bool(0, "b")}));
}

TEST(ReportDetailsTest, RefusesDictionariesThatTakeLongToCompare) {
  std::vector<v1::Detail> details;
  for (size_t i = 0; i < kMaxDetailKeys; ++i) details.push_back(Bool(0, std::to_string(i)));
  EXPECT_TRUE(AreTaken(details));
  details.push_back(Bool(0, "another"));
  EXPECT_FALSE(AreTaken(details));
}

TEST(ReportDetailsTest, RefusesValuesThatThereAreNot) {
  v1::Detail nothing = Bool(0, "a");
  nothing.clear_value();
  EXPECT_FALSE(AreTaken({nothing}));
  for (const int kind : {0, -1, 5, 99, INT32_MAX}) {
    EXPECT_FALSE(AreTaken({Kind(0, "a", static_cast<v1::Detail::Kind>(kind))})) << kind;
  }
}

TEST(ReportDetailsTest, RefusesBitmapsThatWouldBePrintedTwice) {
  EXPECT_FALSE(
      AreTaken({Kind(0, "a", v1::Detail::KIND_BITMAPS), Kind(0, "b", v1::Detail::KIND_BITMAPS)}));
}

TEST(ReportDetailsTest, MakesTheGuestsWordsPrintableAndLeavesNames) {
  v1::Report report;
  *report.mutable_info()->add_details() = Bool(0, "a");
  report.mutable_info()->mutable_details(0)->set_text("\xff\x1b[2J");
  *report.mutable_info()->add_details() = Kind(0, "list", kList);
  *report.mutable_info()->add_details() = Bool(1, "");
  report.mutable_info()->mutable_details(2)->set_text("\n");
  *report.mutable_info()->add_details() = Bool(0, "name");
  report.mutable_info()->mutable_details(3)->set_name("\xff\n");
  *report.mutable_info()->add_details() = Bool(0, "file");
  report.mutable_info()->mutable_details(4)->set_file("\xff\n");
  const auto decoded = DecodeReport(report.SerializeAsString(), kReportBytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->info().details(0).text(), "\\xff\\x1b[2J");
  EXPECT_EQ(decoded->info().details(2).text(), "\\n");
  EXPECT_EQ(decoded->info().details(3).name(), "\xff\n");
  EXPECT_EQ(decoded->info().details(4).file(), "\xff\n");
}

}  // namespace
}  // namespace hotcell::broker
