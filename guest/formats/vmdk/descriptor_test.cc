#include "guest/formats/vmdk/descriptor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "guest/runtime/common/io.h"

namespace hotcell::guest::vmdk {
namespace {

using testing::HasSubstr;

Descriptor Parse(std::string_view text) {
  auto descriptor = ParseDescriptor(text);
  EXPECT_TRUE(descriptor.ok()) << descriptor.status().message();
  return descriptor.ok() ? *descriptor : Descriptor();
}

std::string ErrorOf(std::string_view text) {
  const auto descriptor = ParseDescriptor(text);
  EXPECT_FALSE(descriptor.ok()) << text;
  return descriptor.status().message();
}

// The example of "The Descriptor File".
TEST(DescriptorTest, ReadsVMwaresExample) {
  const Descriptor descriptor = Parse(
      "# Disk DescriptorFile\n"
      "version=1\n"
      "CID=fffffffe\n"
      "parentCID=ffffffff\n"
      "createType=\"twoGbMaxExtentSparse\"\n"
      "# Extent description\n"
      "RW 4192256 SPARSE \"test-s001.vmdk\"\n"
      "RW 2101248 SPARSE \"test-s002.vmdk\"\n"
      "# The Disk Data Base\n"
      "#DDB\n"
      "ddb.adapterType = \"ide\"\n"
      "ddb.geometry.sectors = \"63\"\n");
  EXPECT_EQ(descriptor.cid, 0xfffffffe);
  EXPECT_EQ(descriptor.parent_cid, 0xffffffff);
  EXPECT_EQ(descriptor.create_type, "twoGbMaxExtentSparse");
  EXPECT_FALSE(descriptor.parent_hint.has_value());
  ASSERT_EQ(descriptor.extents.size(), 2u);
  EXPECT_EQ(descriptor.extents[0].access, "RW");
  EXPECT_EQ(descriptor.extents[1].sectors, 2101248u);
  EXPECT_EQ(descriptor.extents[1].type, "SPARSE");
  EXPECT_EQ(descriptor.extents[1].name, "test-s002.vmdk");
}

TEST(DescriptorTest, TakesBlanksCasesAndWindowsLineEnds) {
  const Descriptor descriptor = Parse(
      "\t cid = 1aB \r\n"
      "PARENTCID=0\r\n"
      "  CreateType\t=\t\"vmfs\" \r\n"
      "parentFileNameHint=\"a b=c.vmdk\"\r\n"
      "  RDONLY  7  VMFS  \"x y.vmdk\"  \r\n"
      "RW 9 ZERO\r\n"
      "RW 5 FLAT \"z\" 11 partition device\r\n");
  EXPECT_EQ(descriptor.cid, 0x1abu);
  EXPECT_EQ(descriptor.parent_cid, 0u);
  EXPECT_EQ(descriptor.create_type, "vmfs");
  EXPECT_EQ(descriptor.parent_hint, "a b=c.vmdk");
  ASSERT_EQ(descriptor.extents.size(), 3u);
  EXPECT_EQ(descriptor.extents[0].access, "RDONLY");
  EXPECT_EQ(descriptor.extents[0].name, "x y.vmdk");
  EXPECT_EQ(descriptor.extents[1].type, "ZERO");
  EXPECT_EQ(descriptor.extents[1].name, "");
  EXPECT_EQ(descriptor.extents[2].offset, 11u);
}

TEST(DescriptorTest, EndsAtANul) {
  EXPECT_FALSE(Parse(std::string_view("CID=1\n\0createType=\"x\"\n", 22)).create_type.size());
}

TEST(DescriptorTest, SkipsCommentsAndWhatItDoesNotKnow) {
  const Descriptor descriptor = Parse("# CID=1\nencoding=\"UTF-8\"\nwords\n=\nlast line = 1");
  EXPECT_FALSE(descriptor.cid.has_value());
}

TEST(DescriptorTest, EmptyTextSaysNothing) { EXPECT_TRUE(Parse("").extents.empty()); }

TEST(DescriptorTest, MalformedExtentLinesAreQuoted) {
  for (const char* line :
       {"RW", "RW x", "RW 1", "RW 0 ZERO", "RW -1 ZERO", "RW 1x ZERO", "RW 1 FLAT x 0",
        "RW 1 FLAT \"x 0", "RW 1 FLAT \"\" 0", "RW 1 FLAT \"x\"", "RW 1 FLAT \"x\" y",
        "RW 1 FLAT \"x\" 18014398509481983", "RW 99999999999999999999 ZERO"}) {
    EXPECT_THAT(ErrorOf(line), HasSubstr(std::string("extent line '") + line + "'"));
  }
}

TEST(DescriptorTest, ExtentsMayNotOverflowTogether) {
  EXPECT_THAT(ErrorOf("RW 18014398509481983 ZERO\nRW 1 ZERO\n"), HasSubstr("together"));
}

TEST(DescriptorTest, ExtentsAreCounted) {
  std::string text;
  for (size_t i = 0; i < kMaxExtents; ++i) text += "RW 1 ZERO\n";
  EXPECT_EQ(Parse(text).extents.size(), kMaxExtents);
  EXPECT_THAT(ErrorOf(text + "RW 1 ZERO\n"), HasSubstr("240 extents"));
}

TEST(DescriptorTest, WhatIsGivenTwiceIsAnError) {
  EXPECT_THAT(ErrorOf("CID=1\nCID=1\n"), HasSubstr("CID twice"));
  EXPECT_THAT(ErrorOf("parentCID=1\nparentCID=2\n"), HasSubstr("parentCID twice"));
  EXPECT_THAT(ErrorOf("createType=a\ncreateType=b\n"), HasSubstr("createType twice"));
  EXPECT_THAT(ErrorOf("parentFileNameHint=\"a\"\nparentFileNameHint=\"b\"\n"), HasSubstr("twice"));
}

TEST(DescriptorTest, ContentIdsAreNumbers) {
  for (const char* cid : {"", "x", "1 2", "100000000", "-1"}) {
    EXPECT_THAT(ErrorOf(std::string("CID=") + cid), HasSubstr("hexadecimal")) << cid;
  }
}

TEST(DescriptorTest, NamesAreBounded) {
  const std::string longest(abi::kMaxReferenceName, 'x');
  EXPECT_EQ(Parse("parentFileNameHint=\"" + longest + "\"").parent_hint, longest);
  EXPECT_EQ(Parse("RW 1 VMFS \"" + longest + "\"").extents[0].name, longest);
  EXPECT_THAT(ErrorOf("parentFileNameHint=\"x" + longest + "\""), HasSubstr("4097 bytes"));
  EXPECT_THAT(ErrorOf("RW 1 VMFS \"x" + longest + "\""), HasSubstr("malformed"));
}

TEST(DescriptorTest, QuotesMustEnd) {
  EXPECT_THAT(ErrorOf("createType=\"vmfs\n"), HasSubstr("lacks a quote"));
}

TEST(CidTextTest, HasEightDigits) {
  EXPECT_EQ(CidText(0x1ab), "000001ab");
  EXPECT_EQ(CidText(0xffffffff), "ffffffff");
}

}  // namespace
}  // namespace hotcell::guest::vmdk
