#include "tools/hotcell/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotcell::cli {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;

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
      *ParseConfig(kPolicy, "file", ConfigScope::kImages),
      ElementsAre("--follow-references=/var/lib/nova/instances", "--follow-references=/srv/images",
                  "--limit=virtual-size=2T", "--backing=base.qcow2=/srv/base.qcow2",
                  "--require=landlock", "--timeout=600"));
  EXPECT_THAT(*ParseConfig("", "file", ConfigScope::kImages), IsEmpty());
}

TEST(ConfigTest, LeavesOutWhatACommandHasNot) {
  EXPECT_THAT(*ParseConfig(kPolicy, "file", ConfigScope::kJobs),
              ElementsAre("--limit=virtual-size=2T", "--require=landlock", "--timeout=600"));
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
