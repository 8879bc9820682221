#include "broker/jobs/native_replies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <climits>
#include <cstdint>
#include <optional>
#include <string>

namespace hotcell::broker {
namespace {

using testing::ElementsAre;

// A text too long to lie within a std::string.
const std::string kLong(100, 'x');

TEST(NativeRepliesTest, AnImageHasAllThatIsInTheReport) {
  v1::ImageInfo wire;
  wire.set_format("qcow2");
  wire.set_virtual_size(1);
  wire.set_cluster_size(2);
  wire.set_dirty(true);
  wire.set_encrypted(true);
  wire.set_corrupt(true);
  wire.set_backing_file("base");
  wire.set_backing_format("raw");
  wire.set_encryption("luks");
  wire.set_variant("dynamic");
  wire.add_features("a");
  v1::Signature& content = *wire.add_contents();
  content.set_kind(v1::SIGNATURE_KIND_GPT);
  content.set_offset(512);
  wire.add_other_formats("b");
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
  ASSERT_EQ(info.contents.size(), 1u);
  EXPECT_EQ(info.contents[0].kind, SignatureKind::kGpt);
  EXPECT_EQ(info.contents[0].offset, 512u);
  EXPECT_THAT(info.other_formats, ElementsAre("b"));
  ASSERT_EQ(info.references.size(), 1u);
  EXPECT_EQ(info.references[0].role, ReferenceRole::kDataFile);
  EXPECT_EQ(info.references[0].name, "data");
  EXPECT_EQ(info.references[0].format, "c");
  EXPECT_TRUE(info.corrupt);
  EXPECT_TRUE(info.details.empty() && info.bitmaps.empty());
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

TEST(NativeRepliesTest, AnImageHasItsBitmaps) {
  v1::ImageInfo wire;
  v1::Bitmap& bitmap = *wire.add_bitmaps();
  bitmap.set_name("b");
  bitmap.set_granularity(65536);
  bitmap.add_flags("auto");
  bitmap.add_flags("in-use");
  const ImageInfo info = TakeNative(wire);
  ASSERT_EQ(info.bitmaps.size(), 1u);
  EXPECT_EQ(info.bitmaps[0].name, "b");
  EXPECT_EQ(info.bitmaps[0].granularity, 65536u);
  EXPECT_THAT(info.bitmaps[0].flags, ElementsAre("auto", "in-use"));
}

v1::Detail& AddDetail(v1::ImageInfo& wire, uint32_t depth, const std::string& key) {
  v1::Detail& detail = *wire.add_details();
  detail.set_depth(depth);
  detail.set_key(key);
  return detail;
}

TEST(NativeRepliesTest, DetailsOfEachKindKeepTheirValues) {
  v1::ImageInfo wire;
  AddDetail(wire, 0, "b").set_boolean(true);
  AddDetail(wire, 0, "n").set_number(UINT64_MAX);
  AddDetail(wire, 0, "t").set_text(kLong);
  AddDetail(wire, 0, "data-file").set_name("\xff");
  AddDetail(wire, 0, "f").set_file("");
  AddDetail(wire, 0, "o").set_kind(v1::Detail::KIND_OWN_FILE);
  AddDetail(wire, 0, "m").set_kind(v1::Detail::KIND_BITMAPS);
  const ImageInfo info = TakeNative(wire);
  EXPECT_TRUE(wire.details().empty());
  EXPECT_EQ(std::get<bool>(FindDetail(info, "b")->value), true);
  EXPECT_EQ(std::get<uint64_t>(FindDetail(info, "n")->value), UINT64_MAX);
  EXPECT_EQ(std::get<std::string>(FindDetail(info, "t")->value), kLong);
  EXPECT_EQ(std::get<Detail::Name>(FindDetail(info, "data-file")->value).bytes, "\xff");
  EXPECT_EQ(std::get<Detail::File>(FindDetail(info, "f")->value).bytes, "");
  EXPECT_EQ(std::get<Detail::File>(FindDetail(info, "o")->value).bytes, std::nullopt);
  EXPECT_TRUE(std::holds_alternative<Detail::Bitmaps>(FindDetail(info, "m")->value));
  EXPECT_EQ(FindDetail(info, "compat"), nullptr);
}

TEST(NativeRepliesTest, DetailsLieInThoseThatHoldThem) {
  v1::ImageInfo wire;
  AddDetail(wire, 0, "extents").set_kind(v1::Detail::KIND_LIST);
  for (int i = 0; i < 100; ++i) {
    AddDetail(wire, 1, "").set_kind(v1::Detail::KIND_DICTIONARY);
    AddDetail(wire, 2, "size").set_number(i);
    AddDetail(wire, 2, "format").set_text("FLAT");
  }
  AddDetail(wire, 0, "last").set_boolean(false);
  const ImageInfo info = TakeNative(wire);
  ASSERT_EQ(info.details.size(), 2u);
  EXPECT_EQ(info.details[1].key, "last");
  const std::vector<Detail>& extents = info.details[0].children;
  ASSERT_EQ(extents.size(), 100u);
  for (size_t i = 0; i < extents.size(); ++i) {
    ASSERT_EQ(extents[i].children.size(), 2u);
    EXPECT_EQ(std::get<uint64_t>(extents[i].children[0].value), i);
    EXPECT_EQ(extents[i].children[1].key, "format");
  }
  EXPECT_EQ(FindDetail(info, "size"), nullptr) << "it is in another";
}

// DecodeReport() refuses such; here they do no harm.
TEST(NativeRepliesTest, DetailsThatHangNowhereAreSomewhere) {
  v1::ImageInfo wire;
  AddDetail(wire, UINT32_MAX, "a");
  AddDetail(wire, 7, "b").set_kind(static_cast<v1::Detail::Kind>(99));
  AddDetail(wire, 0, "c");
  EXPECT_EQ(TakeNative(wire).details.size(), 2u);
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
    inspection.mutable_concerns(0)->set_mark(static_cast<v1::SignatureKind>(number));
    inspection.add_signatures()->set_kind(static_cast<v1::SignatureKind>(number));
    inspection.mutable_info()->add_contents()->set_kind(static_cast<v1::SignatureKind>(number));
    v1::CheckFinding& finding = *inspection.mutable_check()->add_findings();
    finding.set_kind(static_cast<v1::FindingKind>(number));
    v1::ReferenceInfo& reference = *inspection.mutable_info()->add_references();
    reference.set_role(static_cast<v1::ReferenceRole>(number));
    const Inspection native = TakeNative(inspection);
    EXPECT_EQ(native.concerns.at(0).kind, ConcernKind::kUnknown) << number;
    EXPECT_EQ(native.concerns.at(0).mark.kind, SignatureKind::kUnknown) << number;
    EXPECT_EQ(native.signatures.at(0).kind, SignatureKind::kUnknown) << number;
    EXPECT_EQ(native.info.value().contents.at(0).kind, SignatureKind::kUnknown) << number;
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
