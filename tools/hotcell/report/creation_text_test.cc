#include "tools/hotcell/report/creation_text.h"

#include <gtest/gtest.h>

namespace hotcell::cli {
namespace {

// The texts are those of qemu-img 7.2.
TEST(CreationTextTest, PrintsDefaultsAndWhatWasGivenInQemuImgsOrder) {
  EXPECT_EQ(*FormattingText("x.raw", "raw", {{"size", "1048576"}}),
            "Formatting 'x.raw', fmt=raw size=1048576");
  EXPECT_EQ(*FormattingText("x.qcow2", "qcow2", {{"size", "1048576"}}),
            "Formatting 'x.qcow2', fmt=qcow2 cluster_size=65536 extended_l2=off "
            "compression_type=zlib size=1048576 lazy_refcounts=off refcount_bits=16");
  EXPECT_EQ(*FormattingText("y2.qcow2", "qcow2",
                            {{"lazy_refcounts", "on"},
                             {"compat", "1.1"},
                             {"preallocation", "metadata"},
                             {"cluster_size", "64k"},
                             {"cluster_size", "128k"},
                             {"backing_file", "x.qcow2"},
                             {"backing_fmt", "qcow2"},
                             {"size", "3000"}}),
            "Formatting 'y2.qcow2', fmt=qcow2 cluster_size=131072 extended_l2=off "
            "preallocation=metadata compression_type=zlib size=3000 compat=1.1 "
            "backing_file=x.qcow2 backing_fmt=qcow2 lazy_refcounts=on refcount_bits=16");
}

TEST(CreationTextTest, PrintsSizesAsNumbersAndDoublesCommas) {
  EXPECT_EQ(*FormattingText("x", "vhdx", {{"size", "8388608"}}),
            "Formatting 'x', fmt=vhdx size=8388608 log_size=1048576 block_size=0");
  EXPECT_EQ(*FormattingText("x", "vhdx",
                            {{"block_size", "2M"},
                             {"block_state_zero", "off"},
                             {"subformat", "fixed"},
                             {"size", "8388608"}}),
            "Formatting 'x', fmt=vhdx size=8388608 log_size=1048576 block_size=2097152 "
            "subformat=fixed block_state_zero=off");
  EXPECT_EQ(*FormattingText("x", "qed", {{"table_size", "4"}, {"size", "8388608"}}),
            "Formatting 'x', fmt=qed size=8388608 cluster_size=65536 table_size=4");
  EXPECT_EQ(*FormattingText("x", "qcow2",
                            {{"backing_file", "a,b"}, {"backing_fmt", "raw"}, {"size", "1"}}),
            "Formatting 'x', fmt=qcow2 cluster_size=65536 extended_l2=off compression_type=zlib "
            "size=1 backing_file=a,,b backing_fmt=raw lazy_refcounts=off refcount_bits=16");
}

TEST(CreationTextTest, PrintsNumbersAsNumbersAndWordsAsGiven) {
  EXPECT_EQ(*FormattingText("x", "qcow2",
                            {{"extent_size_hint", "+1M"},
                             {"refcount_bits", "0x10"},
                             {"lazy_refcounts", "yes"},
                             {"nocow", "off"},
                             {"size", "1"}}),
            "Formatting 'x', fmt=qcow2 cluster_size=65536 extended_l2=off compression_type=zlib "
            "size=1 lazy_refcounts=yes refcount_bits=16 nocow=off extent_size_hint=1048576");
  EXPECT_EQ(
      *FormattingText("x", "raw", {{"nocow", "off"}, {"preallocation", "off"}, {"size", "1"}}),
      "Formatting 'x', fmt=raw size=1 nocow=off preallocation=off");
  EXPECT_FALSE(FormattingText("x", "qcow2", {{"refcount_bits", "16b"}, {"size", "1"}}).ok());
}

TEST(CreationTextTest, RefusesASizeThatIsNone) {
  EXPECT_FALSE(FormattingText("x", "qcow2", {{"cluster_size", "big"}, {"size", "1"}}).ok());
}

TEST(CreationTextTest, EscapesNames) {
  EXPECT_EQ(*FormattingText("a\nb", "raw", {{"size", "0"}}), "Formatting 'a\\nb', fmt=raw size=0");
}

TEST(CreationTextTest, DoublesCommas) {
  EXPECT_EQ(*FormattingText("a,b", "qcow2",
                            {{"backing_file", "c,d"}, {"backing_fmt", "raw"}, {"size", "0"}}),
            "Formatting 'a,b', fmt=qcow2 cluster_size=65536 extended_l2=off compression_type=zlib "
            "size=0 backing_file=c,,d backing_fmt=raw lazy_refcounts=off refcount_bits=16");
}

TEST(CreationTextTest, KnowsWhichFormatsHaveBackingFiles) {
  EXPECT_TRUE(HasBackingFiles("qcow2"));
  EXPECT_FALSE(HasBackingFiles("raw"));
  EXPECT_FALSE(HasBackingFiles("nosuch"));
}

}  // namespace
}  // namespace hotcell::cli
