#include "tools/hotcell/common/error.h"

#include <cerrno>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

TEST(ErrorLineTest, NamesOperationAndCause) {
  const absl::Status status = FileError("open", "x.qcow2", ENOENT);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorLine("convert", status),
            "hotcell: convert: cannot open 'x.qcow2': No such file or directory\n");
}

TEST(ErrorLineTest, EndsWithTheRemedy) {
  const absl::Status status = WithRemedy(absl::UnavailableError("no KVM"), "load a KVM module");
  EXPECT_EQ(ErrorLine("", status), "hotcell: no KVM; load a KVM module\n");
}

TEST(ErrorLineTest, IsOneLineWhateverTheName) {
  EXPECT_EQ(ErrorLine("info", FileError("open", "a\n\x1b[31mb", EACCES)),
            "hotcell: info: cannot open 'a\\n\\x1b[31mb': Permission denied\n");
}

TEST(ErrorJsonTest, HasCodeMessageAndRemedy) {
  const absl::Status status = WithRemedy(absl::DataLossError("bad L1"), "restore a copy");
  EXPECT_EQ(ErrorJson(status),
            "{\n    \"error\": {\n        \"code\": \"corrupt-image\",\n"
            "        \"kind\": \"image\",\n"
            "        \"message\": \"bad L1\",\n        \"remedy\": \"restore a copy\"\n    }\n}");
}

TEST(ErrorJsonTest, LeavesOutARemedyThatIsNotThere) {
  EXPECT_EQ(ErrorJson(absl::InternalError("x")),
            "{\n    \"error\": {\n        \"code\": \"internal\",\n"
            "        \"kind\": \"other\",\n        \"message\": \"x\"\n"
            "    }\n}");
}

TEST(WithRemedyTest, KeepsOk) {
  EXPECT_TRUE(WithRemedy(absl::OkStatus(), "x").ok());
  EXPECT_EQ(OwnRemedy(WithRemedy(WithRemedy(absl::InternalError("a"), "1"), "2")), "2");
}

}  // namespace
}  // namespace hotcell::cli
