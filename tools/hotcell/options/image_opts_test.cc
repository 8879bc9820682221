#include "tools/hotcell/options/image_opts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "tools/hotcell/common/invocation.h"

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

TEST(ImageOptsTest, TakesNoJsonUnderItsOwnName) {
  constexpr std::string_view kName = R"(json:{"file.filename":"secret"})";
  const auto file = ParseImageOperand(kName, /*image_opts=*/false);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->path, kName);
}

TEST(ImageOptsTest, TakesNoJsonThatIsAFileToo) {
  constexpr char kName[] = R"(json:{"file.filename":"secret"})";
  ASSERT_EQ(chdir(testing::TempDir().c_str()), 0);
  std::ofstream(kName) << "x";
  SetInvokedAs("qemu-img");
  const absl::Status status = ParseImageOperand(kName, /*image_opts=*/false).status();
  SetInvokedAs("hotcell");
  EXPECT_EQ(unlink(kName), 0);
  EXPECT_THAT(status.ToString(), HasSubstr("is the name of a file as well"));
}

TEST(ImageOptsTest, TakesJson) {
  SetInvokedAs("qemu-img");
  const auto nested = ParseImageOperand(
      R"(json:{"file": {"driver": "file", "filename": "a,b"}, "driver": "qcow2", "backing": null})",
      /*image_opts=*/false);
  ASSERT_TRUE(nested.ok()) << nested.status();
  EXPECT_EQ(nested->path, "a,b");
  EXPECT_EQ(nested->format, "qcow2");
  EXPECT_TRUE(nested->without_backing);
  const auto flat = ParseJsonName(R"(json: {"file.filename": "x"})");
  ASSERT_TRUE(flat.ok()) << flat.status();
  EXPECT_EQ(flat->path, "x");
  EXPECT_FALSE(flat->without_backing);

  EXPECT_THAT(ParseJsonName(R"(json:{"file.driver": "https", "file.url": "https://h"})")
                  .status()
                  .ToString(),
              HasSubstr("driver 'https' is not done"));
  EXPECT_THAT(ParseJsonName("json:{").status().ToString(), HasSubstr("not a JSON object"));
  EXPECT_THAT(ParseJsonName("json:[]").status().ToString(), HasSubstr("not a JSON object"));
  for (const char* name : {"disk.json:x", "json:{}.qcow2"}) {
    EXPECT_THAT(ParseImageOperand(name, false).status().ToString(), HasSubstr("Unknown protocol"));
  }
  SetInvokedAs("hotcell");
}

TEST(ImageOptsTest, TakesAPathWithItsProtocol) {
  EXPECT_EQ(ParseImageOperand("file:x.qcow2", false)->path, "file:x.qcow2");
  SetInvokedAs("qemu-img");
  EXPECT_EQ(ParseImageOperand("file:x.qcow2", false)->path, "x.qcow2");
  EXPECT_EQ(ParseImageOperand("file:///x.qcow2", false)->path, "///x.qcow2");
  EXPECT_EQ(ParseImageOperand("./file:x.qcow2", false)->path, "./file:x.qcow2");
  SetInvokedAs("hotcell");
}

}  // namespace
}  // namespace hotcell::cli
