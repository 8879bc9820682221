#include "broker/jobs/native_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <string>

namespace hotcell::broker {
namespace {

using testing::ElementsAre;

// Too long to lie within a std::string.
const std::string kLong(100, 'x');

TEST(NativeRepliesTest, AnImageHasAllThatIsInTheReport) {
  v1::ImageInfo wire;
  wire.set_format("qcow2");
  wire.set_virtual_size(1);
  wire.set_cluster_size(2);
  wire.set_dirty(true);
  wire.set_encrypted(true);
  wire.set_backing_file("base");
  wire.set_backing_format("raw");
  wire.set_encryption("luks");
  wire.set_variant("dynamic");
  wire.add_features("a");
  wire.add_contents("b");
  v1::ReferenceInfo& reference = *wire.add_references();
  reference.set_role(v1::REFERENCE_ROLE_DATA_FILE);
  reference.set_name("data");
  reference.set_format("c");
  const ImageInfo info = TakeNative(wire);
  EXPECT_EQ(info.format, "qcow2");
  EXPECT_EQ(info.virtual_size, 1u);
  EXPECT_EQ(info.cluster_size, 2u);
  EXPECT_TRUE(info.dirty && info.encrypted);
  EXPECT_EQ(info.backing_file, "base");
  EXPECT_EQ(info.backing_format, "raw");
  EXPECT_EQ(info.encryption, "luks");
  EXPECT_EQ(info.variant, "dynamic");
  EXPECT_THAT(info.features, ElementsAre("a"));
  EXPECT_THAT(info.contents, ElementsAre("b"));
  ASSERT_EQ(info.references.size(), 1u);
  EXPECT_EQ(info.references[0].role, ReferenceRole::kDataFile);
  EXPECT_EQ(info.references[0].name, "data");
  EXPECT_EQ(info.references[0].format, "c");
  EXPECT_FALSE(info.qcow2 || info.vmdk);
}

TEST(NativeRepliesTest, PartsKeepTheirOrderAndLeaveTheReport) {
  v1::ImageInfo wire;
  for (const char* const name : {"1", "2", "3"}) {
    v1::Snapshot& snapshot = *wire.add_snapshots();
    snapshot.set_id(name);
    snapshot.set_name(name + kLong);
    snapshot.set_has_icount(*name == '2');
    snapshot.set_icount(7);
  }
  const ImageInfo info = TakeNative(wire);
  EXPECT_TRUE(wire.snapshots().empty());
  ASSERT_EQ(info.snapshots.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(info.snapshots[i].id, std::to_string(i + 1));
    EXPECT_EQ(info.snapshots[i].name, std::to_string(i + 1) + kLong);
    EXPECT_EQ(info.snapshots[i].icount.has_value(), i == 1);
  }
  EXPECT_EQ(info.snapshots[1].icount, 7u);
}

TEST(NativeRepliesTest, AQcow2ImageHasItsBitmapsAndADataFileThatMayHaveNoName) {
  v1::ImageInfo wire;
  v1::Qcow2Info& qcow2 = *wire.mutable_qcow2();
  qcow2.set_compat("1.1");
  qcow2.set_refcount_bits(16);
  qcow2.set_has_data_file(true);
  v1::Bitmap& bitmap = *qcow2.add_bitmaps();
  bitmap.set_name("b");
  bitmap.set_granularity(65536);
  bitmap.add_flags("auto");
  bitmap.add_flags("in-use");
  const Qcow2Info native = TakeNative(wire).qcow2.value();
  EXPECT_EQ(native.compat, "1.1");
  EXPECT_EQ(native.refcount_bits, 16u);
  EXPECT_EQ(native.data_file, "");
  ASSERT_EQ(native.bitmaps.size(), 1u);
  EXPECT_EQ(native.bitmaps[0].name, "b");
  EXPECT_EQ(native.bitmaps[0].granularity, 65536u);
  EXPECT_THAT(native.bitmaps[0].flags, ElementsAre("auto", "in-use"));
}

TEST(NativeRepliesTest, NumbersThatAreNoneAreUnknown) {
  for (const int number : {-1, 0, 99, INT_MAX, INT_MIN}) {
    v1::CompareResult compare;
    compare.set_outcome(static_cast<v1::CompareResult::Outcome>(number));
    EXPECT_EQ(TakeNative(compare).outcome, CompareResult::Outcome::kUnknown) << number;
    v1::ResizeResult resize;
    resize.set_outcome(static_cast<v1::ResizeResult::Outcome>(number));
    EXPECT_EQ(TakeNative(resize).outcome, ResizeResult::Outcome::kUnknown) << number;
    v1::RebaseResult rebase;
    rebase.set_outcome(static_cast<v1::RebaseResult::Outcome>(number));
    EXPECT_EQ(TakeNative(rebase).outcome, RebaseResult::Outcome::kUnknown) << number;
    v1::Inspection inspection;
    inspection.add_concerns()->set_kind(static_cast<v1::ConcernKind>(number));
    v1::CheckFinding& finding = *inspection.mutable_check()->add_findings();
    finding.set_kind(static_cast<v1::FindingKind>(number));
    v1::ReferenceInfo& reference = *inspection.mutable_info()->add_references();
    reference.set_role(static_cast<v1::ReferenceRole>(number));
    const Inspection native = TakeNative(inspection);
    EXPECT_EQ(native.concerns.at(0).kind, ConcernKind::kUnknown) << number;
    EXPECT_EQ(native.check.value().findings.at(0).kind, FindingKind::kUnknown) << number;
    EXPECT_EQ(native.info.value().references.at(0).role, ReferenceRole::kUnknown) << number;
  }
}

TEST(NativeRepliesTest, WhatTheGuestDoesNotSayIsNotThere) {
  v1::Inspection inspection;
  const Inspection native = TakeNative(inspection);
  EXPECT_FALSE(native.info.has_value());
  EXPECT_FALSE(native.check.has_value());
  v1::CheckReport check;
  EXPECT_FALSE(TakeNative(check).image_end_offset.has_value());
  v1::MeasureResult measure;
  measure.set_bitmaps(5);
  EXPECT_FALSE(TakeNative(measure).bitmaps.has_value());
  measure.set_has_bitmaps(true);
  EXPECT_EQ(TakeNative(measure).bitmaps, 5u);
}

}  // namespace
}  // namespace hotcell::broker
