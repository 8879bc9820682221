#include "tools/hotcell/options/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotcell::cli {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr std::string_view kPolicy =
    "# Images of this machine\n"
    "\n"
    "follow-references = /var/lib/nova/instances\n"
    "  follow-references=/srv/images  \n"
    "limit=virtual-size=2T\n"
    "backing=base.qcow2=/srv/base.qcow2\n"
    "require=landlock\n"
    "timeout=600";

std::string Error(std::string_view text) {
  const auto parsed = ParseConfig(text, "/etc/hotcell/hotcell.conf", ConfigScope::kImages);
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

TEST(ConfigTest, BecomesArguments) {
  EXPECT_THAT(
      ParseConfig(kPolicy, "file", ConfigScope::kImages)->arguments,
      ElementsAre("--follow-references=/var/lib/nova/instances", "--follow-references=/srv/images",
                  "--limit=virtual-size=2T", "--backing=base.qcow2=/srv/base.qcow2",
                  "--require=landlock", "--timeout=600"));
  EXPECT_THAT(ParseConfig("", "file", ConfigScope::kImages)->arguments, IsEmpty());
}

TEST(ConfigTest, LeavesOutWhatACommandHasNot) {
  EXPECT_THAT(ParseConfig(kPolicy, "file", ConfigScope::kJobs)->arguments,
              ElementsAre("--limit=virtual-size=2T", "--require=landlock", "--timeout=600"));
}

TEST(ConfigTest, LimitsAndLayersBind) {
  const absl::StatusOr<Config> config = ParseConfig(kPolicy, "file", ConfigScope::kImages);
  EXPECT_THAT(config->binding,
              ElementsAre("--limit=virtual-size=2T", "--require=landlock", "--timeout=600"));
  EXPECT_FALSE(config->allows_override);
  EXPECT_THAT(config->bounds.places,
              ElementsAre(Pair("virtual-size", "file:5"), Pair("wall-time", "file:8")));
  EXPECT_EQ(config->bounds.limits.virtual_size, uint64_t{2} << 40);
  EXPECT_EQ(config->bounds.limits.wall_time, absl::Minutes(10));
}

TEST(ConfigTest, HasSwitches) {
  const auto config = ParseConfig("fail-if-changed=yes", "file", ConfigScope::kJobs);
  EXPECT_THAT(config->arguments, ElementsAre("--fail-if-changed"));
  EXPECT_THAT(config->binding, ElementsAre("--fail-if-changed"));
  EXPECT_THAT(ParseConfig("fail-if-changed=no", "file", ConfigScope::kJobs)->arguments, IsEmpty());
  EXPECT_THAT(Error("fail-if-changed=1"), EndsWith(":1: 'fail-if-changed' is yes or no"));
}

TEST(ConfigTest, SaysWhetherItBinds) {
  const auto allows = [](std::string_view text) {
    return ParseConfig(text, "file", ConfigScope::kImages)->allows_override;
  };
  EXPECT_TRUE(allows("memory=1G\nallow-override = yes\n"));
  EXPECT_FALSE(allows("allow-override=no"));
  EXPECT_THAT(Error("allow-override=maybe"), EndsWith(":1: 'allow-override' is yes or no"));
  EXPECT_THAT(Error("allow-override"), EndsWith(":1: 'allow-override' needs a value"));
}

TEST(ConfigTest, NobodyAsksForMoreThanTheBounds) {
  SetLimitBounds(ParseConfig("limit=virtual-size=2T\ntimeout=10\nmemory=64M\n"
                             "limit=references=3",
                             "/etc/hotcell.conf", ConfigScope::kImages)
                     ->bounds);
  Limits limits;
  EXPECT_TRUE(SetLimit("virtual-size=2T", limits).ok());
  EXPECT_TRUE(SetLimit("virtual_size=1M", limits).ok());
  EXPECT_TRUE(SetLimit("cpu-time=1000000", limits).ok()) << "the file does not say";
  const absl::Status more = SetLimit("virtual-size=3T", limits).status();
  EXPECT_EQ(more.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(more.message()),
              HasSubstr("virtual-size of 3T is more than /etc/hotcell.conf:1 allows"));
  EXPECT_FALSE(SetLimit("wall-time", "11", limits).ok());
  EXPECT_FALSE(SetLimit("memory", "65M", limits).ok());
  EXPECT_FALSE(SetLimit("references=4", limits).ok());
  EXPECT_THAT(Error("\ntimeout=60"),
              HasSubstr("hotcell.conf:2: the limit wall-time of 60 is more than"));
  SetLimitBounds({});
  EXPECT_TRUE(SetLimit("virtual-size=3T", limits).ok());
}

TEST(ConfigTest, ErrorsNameTheLine) {
  EXPECT_THAT(Error("\nfolow=/x\n"),
              HasSubstr("/etc/hotcell/hotcell.conf:2: unknown setting 'folow'"));
  EXPECT_THAT(Error("help=1"), HasSubstr("hotcell.conf:1: unknown setting 'help'"));
  EXPECT_THAT(Error("root:$6$salt$hash:19000:0:99999:7:::"),
              EndsWith(":1: no setting; is this a configuration file of hotcell's?"));
  EXPECT_THAT(Error("timeout"), HasSubstr(":1: 'timeout' needs a value"));
  EXPECT_THAT(Error("timeout=soon"), HasSubstr(":1: 'soon' is not a time"));
  EXPECT_THAT(Error("limit=virtual=1"), HasSubstr(":1: unknown limit"));
}

}  // namespace
}  // namespace hotcell::cli
