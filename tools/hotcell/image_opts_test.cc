#include "tools/hotcell/image_opts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hotcell::cli {
namespace {

using testing::HasSubstr;

TEST(ImageOptsTest, NamesAFileAndItsFormat) {
  const auto image = ParseImageOpts("driver=qcow2,file.driver=file,file.filename=a,,b.qcow2");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->path, "a,b.qcow2");
  EXPECT_EQ(image->format, "qcow2");
}

TEST(ImageOptsTest, ProbesWithoutADriver) {
  EXPECT_EQ(ParseImageOpts("file.filename=x")->format, "");
  EXPECT_EQ(ParseImageOpts("filename=x")->path, "x");
  EXPECT_EQ(ParseImageOpts("driver=file,filename=x")->format, "raw");
}

TEST(ImageOptsTest, RefusesTheRestByName) {
  EXPECT_THAT(ParseImageOpts("driver=nbd,host=h").status().ToString(), HasSubstr("'nbd'"));
  EXPECT_THAT(ParseImageOpts("driver=raw,file.driver=nbd,file.host=h").status().ToString(),
              HasSubstr("driver 'nbd' is not done"));
  EXPECT_THAT(ParseImageOpts("driver=luks,key-secret=s").status().ToString(), HasSubstr("'luks'"));
  EXPECT_THAT(
      ParseImageOpts("driver=qcow2,backing.file.filename=b,file.filename=x").status().ToString(),
      HasSubstr("key 'backing.file.filename' is not done"));
  EXPECT_THAT(ParseImageOpts("driver=qcow2").status().ToString(), HasSubstr("file.filename"));
}

}  // namespace
}  // namespace hotcell::cli
