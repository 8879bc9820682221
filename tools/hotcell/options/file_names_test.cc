#include "tools/hotcell/options/file_names.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/invocation.h"

namespace hotcell::cli {
namespace {

using testing::HasSubstr;

// The tests run in a directory that has one file, "nbd:here".
class FileNamesTest : public testing::Test {
 protected:
  FileNamesTest() {
    EXPECT_NE(mkdtemp(directory_), nullptr);
    EXPECT_EQ(chdir(directory_), 0);
    EXPECT_EQ(close(open("nbd:here", O_CREAT | O_WRONLY, 0600)), 0);
  }
  ~FileNamesTest() override {
    SetInvokedAs("hotcell");
    EXPECT_EQ(unlink("nbd:here"), 0);
    EXPECT_EQ(chdir("/"), 0);
    EXPECT_EQ(rmdir(directory_), 0);
  }

 private:
  char directory_[32] = "/tmp/file_names_test.XXXXXX";
};

TEST_F(FileNamesTest, ProtocolsStandBeforeAColonThatNoSlashPrecedes) {
  EXPECT_EQ(ProtocolOf("nbd:localhost:10809"), "nbd");
  EXPECT_EQ(ProtocolOf("nbd+unix:///disk?socket=/run/x"), "nbd+unix");
  for (const char* name : {"disk.raw", "./a:b", "/dev/disk/by-path/pci-0000:00", "", ":x"}) {
    EXPECT_EQ(ProtocolOf(name), "") << name;
  }
}

TEST_F(FileNamesTest, HotcellRefusesTheProtocolsThatThereAre) {
  for (const char* name : {"nbd:localhost:10809", "rbd:pool/image", "vitastor:image=vm1",
                           "sheepdog:vol", "https://x/y", "gluster+tcp://x/y", "zeroinit:d.raw"}) {
    EXPECT_THAT(std::string(ParseInputName(name).status().message()), HasSubstr("is not done"))
        << name;
    EXPECT_FALSE(ParseTargetName(name).ok()) << name;
  }
}

TEST_F(FileNamesTest, HotcellTakesOtherColonsForPartOfTheName) {
  for (const char* name : {"vm:disk.qcow2", "file:x", "C:x", ":x", "./nbd:x"}) {
    EXPECT_EQ(ParseInputName(name).value(), name);
    EXPECT_EQ(ParseTargetName(name)->path, name);
  }
  EXPECT_EQ(ParseInputName("nbd:here").value(), "nbd:here");
}

TEST_F(FileNamesTest, AsQemuImgEveryOtherProtocolIsUnknown) {
  SetInvokedAs("qemu-img");
  const absl::Status status = ParseInputName("vm:disk.qcow2").status();
  EXPECT_EQ(status.message(), "Could not open 'vm:disk.qcow2': Unknown protocol 'vm'");
  EXPECT_THAT(OwnRemedy(status), HasSubstr("begin with './'"));
  EXPECT_EQ(ParseTargetName("nbd:localhost:10809").status().message(), "Unknown protocol 'nbd'");
  EXPECT_EQ(ParseTargetName(":x").status().message(), "Unknown protocol ''");
}

TEST_F(FileNamesTest, AsQemuImgSomeLeadToFiles) {
  SetInvokedAs("qemu-img");
  EXPECT_EQ(ParseInputName("file:vm:disk.qcow2").value(), "vm:disk.qcow2");
  EXPECT_EQ(ParseInputName("host_device:/dev/sda").value(), "/dev/sda");
  EXPECT_FALSE(ParseInputName("zeroinit:/d.raw").ok());
  EXPECT_EQ(ParseTargetName("file:/d.raw")->path, "/d.raw");
  EXPECT_FALSE(ParseTargetName("file:/d.raw")->is_zero);
  EXPECT_EQ(ParseTargetName("zeroinit:/d.raw")->path, "/d.raw");
  EXPECT_TRUE(ParseTargetName("zeroinit:/d.raw")->is_zero);
  EXPECT_EQ(ParseTargetName("zeroinit:file:/d.raw")->path, "/d.raw");
}

TEST_F(FileNamesTest, AFileOfThatVeryNameIsNoDescription) {
  SetInvokedAs("qemu-img");
  ASSERT_EQ(rename("nbd:here", "file:here"), 0);
  EXPECT_THAT(std::string(ParseInputName("file:here").status().message()),
              HasSubstr("is the name of a file as well"));
  EXPECT_FALSE(ParseTargetName("file:here").ok());
  ASSERT_EQ(rename("file:here", "nbd:here"), 0);
}

}  // namespace
}  // namespace hotcell::cli
