#include "tools/hotcell/common/invocation.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "hotcell/failure.h"
#include "hotcell/remedy.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

class InvocationTest : public testing::Test {
 protected:
  ~InvocationTest() override { SetInvokedAs("hotcell"); }
};

TEST_F(InvocationTest, IsQemuImgByTheNameOfTheLink) {
  for (const char* path : {"qemu-img", "/usr/bin/qemu-img", "./qemu-img"}) {
    SetInvokedAs(path);
    EXPECT_TRUE(ActsAsQemuImg()) << path;
  }
  for (const char* path : {"hotcell", "/usr/qemu-img/hotcell", "qemu-img-static", ""}) {
    SetInvokedAs(path);
    EXPECT_FALSE(ActsAsQemuImg()) << path;
  }
}

std::string Said(const absl::Status& status) { return QemuImgMessage(status).value_or(""); }

absl::Status Mistake(ErrorId id, std::string_view message, std::string_view subject = "") {
  return WithErrorId(absl::InvalidArgumentError(AbslView(message)), id, subject);
}

TEST_F(InvocationTest, SaysWhatQemuImgSays) {
  EXPECT_EQ(Said(FileError("open", "nosuch", ENOENT)),
            "Could not open 'nosuch': Could not open 'nosuch': No such file or directory");
  EXPECT_EQ(Said(Mistake(ErrorId::kUnknownFormat, "unknown file format 'foo'", "foo")),
            "Unknown file format 'foo'");
  EXPECT_EQ(Said(Mistake(ErrorId::kUnknownCommand, "unknown command 'foo'", "foo\n")),
            "Command not found: foo\\n\nTry 'qemu-img --help' for more information");
  EXPECT_EQ(Said(Mistake(ErrorId::kNoCommand, "no command is given")),
            "Not enough arguments\nTry 'qemu-img --help' for more information");
  EXPECT_EQ(Said(Mistake(ErrorId::kUsage, "missing operand FILE")),
            "missing operand FILE\nTry 'qemu-img --help' for more information");
  EXPECT_EQ(Said(WithRemedy(absl::InvalidArgumentError("unknown option 'x'"), Remedy::kSeeUsage)),
            "unknown option 'x'\nTry 'qemu-img --help' for more information");
  EXPECT_EQ(Said(Mistake(ErrorId::kNotASize, "Invalid size specified.")),
            "Invalid size specified.\n"
            "qemu-img: kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.");
}

TEST_F(InvocationTest, AsksWhoUsesALockedImage) {
  const absl::Status opening =
      CannotOpen(absl::StatusCode::kFailedPrecondition, "a", "Failed to get \"write\" lock");
  EXPECT_EQ(Said(WithErrorId(opening, ErrorId::kInUse, "a")),
            "Could not open 'a': Failed to get \"write\" lock\n"
            "Is another process using the image [a]?");
  EXPECT_EQ(
      Said(Mistake(ErrorId::kInUse, "a: error while converting raw: Failed to get lock", "a")),
      "a: error while converting raw: Failed to get lock\n"
      "Is another process using the image [a]?");
}

TEST_F(InvocationTest, HasNoOtherWordsForErrorsThatOnlyLookAlike) {
  for (const char* const message :
       {"qcow2: the header is short", "cannot open 'x': no", "unknown command 'x'",
        "unknown file format 'x'", "missing operand FILE", "x: Failed to get \"write\" lock"}) {
    EXPECT_FALSE(QemuImgMessage(absl::InvalidArgumentError(message)).has_value()) << message;
  }
  EXPECT_FALSE(
      QemuImgMessage(Reworded(FileError("open", "x", ENOENT), "y: cannot open 'x'")).has_value());
}

TEST_F(InvocationTest, ErrorLinesCarryItsName) {
  const absl::Status status = WithRemedy(FileError("open", "x\n", ENOENT), "look");
  EXPECT_EQ(ErrorLine("info", status),
            "hotcell: info: cannot open 'x\\n': No such file or directory; look\n");
  SetInvokedAs("/opt/bin/qemu-img");
  EXPECT_EQ(ErrorLine("info", status),
            "qemu-img: Could not open 'x\\n': Could not open 'x\\n': No such file or directory\n");
  EXPECT_EQ(ErrorLine("info", WithRemedy(absl::DataLossError("bad"), "look")),
            "qemu-img: bad; look\n");
}

}  // namespace
}  // namespace hotcell::cli
