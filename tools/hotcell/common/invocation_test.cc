#include "tools/hotcell/common/invocation.h"

#include <gtest/gtest.h>

#include "tools/hotcell/common/error.h"

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

TEST_F(InvocationTest, SaysWhatQemuImgSays) {
  EXPECT_EQ(QemuImgMessage("cannot open 'nosuch': No such file or directory"),
            "Could not open 'nosuch': Could not open 'nosuch': No such file or directory");
  EXPECT_EQ(QemuImgMessage("unknown file format 'foo'"), "Unknown file format 'foo'");
  EXPECT_EQ(QemuImgMessage("unknown command 'foo'"),
            "Command not found: foo\nTry 'qemu-img --help' for more information");
  EXPECT_EQ(QemuImgMessage("missing operand FILE"),
            "missing operand FILE\nTry 'qemu-img --help' for more information");
  EXPECT_EQ(QemuImgMessage("qcow2: the header is short"), "qcow2: the header is short");
}

TEST_F(InvocationTest, ErrorLinesCarryItsName) {
  const absl::Status status =
      WithRemedy(absl::NotFoundError("cannot open 'x\n': No such file or directory"), "look");
  EXPECT_EQ(ErrorLine("info", status),
            "hotcell: info: cannot open 'x\\n': No such file or directory; look\n");
  SetInvokedAs("/opt/bin/qemu-img");
  EXPECT_EQ(ErrorLine("info", status),
            "qemu-img: Could not open 'x\\n': Could not open 'x\\n': No such file or directory\n");
}

}  // namespace
}  // namespace hotcell::cli
