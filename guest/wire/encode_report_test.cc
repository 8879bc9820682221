// What guest code encodes with nanopb, decoded with the host's protobuf as the broker does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "guest/wire/testing/report_examples.h"
#include "protos/job.pb.h"
#include "protos/report.pb.h"

namespace hotcell::guest {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr size_t kPlenty = 1 << 20;

v1::Report Decoded(const std::string& bytes) {
  v1::Report report;
  EXPECT_TRUE(report.ParseFromString(bytes));
  return report;
}

// A line for each: its depth, key and value.
std::string Told(const google::protobuf::RepeatedPtrField<v1::Detail>& details) {
  std::string lines;
  for (const v1::Detail& detail : details) {
    lines += std::to_string(detail.depth()) + " " + detail.key();
    if (detail.has_boolean()) lines += detail.boolean() ? " true" : " false";
    if (detail.has_number()) lines += " number " + std::to_string(detail.number());
    if (detail.has_text()) lines += " text " + detail.text();
    if (detail.has_name()) lines += " name " + detail.name();
    if (detail.has_file()) lines += " file " + detail.file();
    if (detail.has_kind()) lines += " kind " + std::to_string(detail.kind());
    lines += "\n";
  }
  return lines;
}

TEST(Report, CarriesAnErrorByteForByte) {
  const v1::Report report = Decoded(EncodedError(1, "L2 table \xff at 0x30000", kPlenty));
  EXPECT_EQ(report.error().code(), v1::ERROR_CORRUPT_IMAGE);
  EXPECT_EQ(report.error().message(), "L2 table \xff at 0x30000");
  EXPECT_EQ(report.result_case(), v1::Report::RESULT_NOT_SET);
}

TEST(Report, CarriesAConversion) {
  const v1::Report report = Decoded(EncodedConvert(kPlenty));
  EXPECT_FALSE(report.has_error());
  EXPECT_EQ(report.convert().virtual_size(), 1ull << 40);
  EXPECT_EQ(report.convert().source_format(), "qcow2");
  EXPECT_EQ(report.convert().bytes_read(), 123u);
  EXPECT_EQ(report.convert().bytes_written(), 456u);
  EXPECT_EQ(report.convert().zero_bytes(), 789u);
  EXPECT_THAT(report.warnings(), ElementsAre("first", "second \xff"));
}

TEST(Report, CarriesAChainOfImages) {
  const v1::Report report = Decoded(EncodedChain(kPlenty));
  EXPECT_EQ(report.info().format(), "qcow2");
  EXPECT_THAT(report.info().features(), ElementsAre("version 3"));
  ASSERT_EQ(report.info().references_size(), 1);
  EXPECT_EQ(report.info().references(0).role(), v1::REFERENCE_ROLE_BACKING_FILE);
  EXPECT_EQ(report.info().references(0).name(), "base");
  ASSERT_EQ(report.backing_chain_size(), 1);
  const v1::ImageInfo& base = report.backing_chain(0);
  EXPECT_EQ(base.slot(), 7u);
  EXPECT_EQ(base.variant(), "streamOptimized");
  EXPECT_EQ(Told(base.details()),
            "0 parent-cid number 18446744073709551615\n"
            "0 extents kind 1\n"
            "1  kind 2\n"
            "2 filename file e\xff\n"
            "1  kind 2\n"
            "2 filename kind 3\n"
            "1  text last\n");
}

TEST(Report, CarriesAllThatAnImageSaysOfItself) {
  const v1::Report report = Decoded(EncodedRichInfo(kPlenty));
  const v1::ImageInfo& info = report.info();
  EXPECT_EQ(info.format(), "qcow2");
  EXPECT_EQ(info.virtual_size(), 64ull << 30);
  EXPECT_EQ(info.cluster_size(), 65536u);
  EXPECT_TRUE(info.dirty());
  EXPECT_TRUE(info.encrypted());
  EXPECT_EQ(info.backing_file(), std::string("base\xff\0.img", 10));
  EXPECT_EQ(info.backing_format(), "ra\xfew");

  ASSERT_EQ(info.snapshots_size(), 2);
  const v1::Snapshot& first = info.snapshots(0);
  EXPECT_EQ(first.id(), "1");
  EXPECT_EQ(first.name(), "before");
  EXPECT_EQ(first.vm_state_size(), 5u);
  EXPECT_EQ(first.date_sec(), 1700000000u);
  EXPECT_EQ(first.date_nsec(), 7u);
  EXPECT_EQ(first.vm_clock_nsec(), 99u);
  EXPECT_TRUE(first.has_icount());
  EXPECT_EQ(first.icount(), 0u);
  EXPECT_EQ(first.virtual_size(), 32ull << 30);
  EXPECT_FALSE(info.snapshots(1).has_icount());

  EXPECT_TRUE(info.corrupt());
  ASSERT_EQ(info.bitmaps_size(), 1);
  EXPECT_EQ(info.bitmaps(0).name(), "b0");
  EXPECT_EQ(info.bitmaps(0).granularity(), 65536u);
  EXPECT_THAT(info.bitmaps(0).flags(), ElementsAre("auto", "in-use"));
  EXPECT_EQ(Told(info.details()),
            "0 compat text 1.1\n"
            "0 bitmaps kind 4\n"
            "0 refcount-bits number 16\n"
            "0 data-file name data\xff\n"
            "0 data-file-raw true\n"
            "0 encrypt kind 2\n"
            "1 format text luks\n"
            "0 extended-l2 false\n");
}

TEST(Report, OfARawImageSaysWhatItsBytesLookLike) {
  const v1::ImageInfo info = Decoded(EncodedRawInfo(kPlenty)).info();
  ASSERT_EQ(info.contents_size(), 1);
  EXPECT_EQ(info.contents(0).offset(), 510u);
  EXPECT_EQ(info.contents(0).kind(), v1::SIGNATURE_KIND_MBR);
  EXPECT_THAT(info.other_formats(), ElementsAre("qcow2"));
}

TEST(Report, OfARawImageHasNoFormatSpecificPart) {
  const v1::ImageInfo info = Decoded(EncodedRawInfo(kPlenty)).info();
  EXPECT_EQ(info.format(), "raw");
  EXPECT_EQ(info.virtual_size(), 512u);
  EXPECT_EQ(info.backing_file(), "");
  EXPECT_TRUE(info.details().empty());
}

TEST(Report, ThatDoesNotFitBecomesAnErrorThatSaysSo) {
  const size_t exact = EncodedRichInfo(kPlenty).size();
  EXPECT_EQ(Decoded(EncodedRichInfo(exact)).info().snapshots_size(), 2);
  const v1::Report report = Decoded(EncodedRichInfo(exact - 1));
  EXPECT_EQ(report.error().code(), v1::ERROR_LIMIT);
  EXPECT_THAT(report.error().message(), HasSubstr("`report-bytes`"));
  EXPECT_EQ(report.error().remedy(), v1::REMEDY_RAISE_REPORT_BYTES);
}

TEST(Report, IsEmptyWhereNotEvenTheErrorFits) { EXPECT_EQ(EncodedRichInfo(10), ""); }

TEST(Report, OfMoreSnapshotsThanItCanListSaysSo) {
  const v1::Report report = Decoded(EncodedInfoWithSnapshots(70'000, kPlenty));
  EXPECT_EQ(report.info().snapshots_size(), 65'535);
  EXPECT_THAT(report.warnings(), ElementsAre("only the first 65535 of 70000 snapshots are listed"));
}

TEST(Report, HasRoomForAllBitmapsOfQcow2) {
  const v1::ImageInfo info = Decoded(EncodedInfoWithBitmaps(65'535, kPlenty)).info();
  ASSERT_EQ(info.bitmaps_size(), 65'535);
  EXPECT_EQ(info.bitmaps(65'534).name(), "bitmap");
}

TEST(Report, CarriesEachKindOfConcern) {
  const v1::Inspection inspection = Decoded(EncodedConcerns(kPlenty)).inspect();
  std::vector<v1::ConcernKind> kinds;
  for (const v1::Concern& concern : inspection.concerns()) {
    kinds.push_back(concern.kind());
    const bool has_text = concern.kind() != v1::CONCERN_KIND_OTHER_DISK;
    EXPECT_EQ(concern.text(), has_text ? "hint \xff" : "");
    EXPECT_EQ(concern.mark(), has_text ? v1::SIGNATURE_KIND_UNSPECIFIED : v1::SIGNATURE_KIND_EXT4);
    EXPECT_EQ(concern.mark_offset(), has_text ? 0u : 1080u);
  }
  EXPECT_THAT(kinds, ElementsAre(v1::CONCERN_KIND_READERS_DIFFER, v1::CONCERN_KIND_HIDDEN_REFERENCE,
                                 v1::CONCERN_KIND_NOT_UNDERSTOOD, v1::CONCERN_KIND_NESTED_IMAGE,
                                 v1::CONCERN_KIND_ODDITY, v1::CONCERN_KIND_OTHER_DISK));
  ASSERT_EQ(inspection.signatures_size(), 1);
  EXPECT_EQ(inspection.signatures(0).offset(), 7u);
  EXPECT_EQ(inspection.signatures(0).kind(), v1::SIGNATURE_KIND_VM_STATE);
  EXPECT_EQ(inspection.reader_memory(), UINT64_MAX);
}

v1::Job InfoJob() {
  v1::Job job;
  job.set_lanes(1);
  job.set_max_chain_depth(1);
  job.mutable_info()->mutable_source()->set_slot(0);
  job.mutable_info()->mutable_source()->set_size(4 << 20);
  return job;
}

TEST(AnswerJob, InspectsARawImage) {
  const v1::Report report = Decoded(ReportOnJob(InfoJob().SerializeAsString()));
  EXPECT_FALSE(report.has_error()) << report.error().message();
  EXPECT_EQ(report.info().format(), "raw");
  EXPECT_EQ(report.info().virtual_size(), 4u << 20);
}

TEST(AnswerJob, RefusesAFormatThatThereIsNot) {
  v1::Job job = InfoJob();
  job.mutable_info()->mutable_source()->set_format("floppy");
  const v1::Report report = Decoded(ReportOnJob(job.SerializeAsString()));
  EXPECT_TRUE(report.has_error());
  EXPECT_THAT(report.error().message(), HasSubstr("floppy"));
}

TEST(AnswerJob, InspectsADiskTooBigToBeRead) {
  v1::Job job = InfoJob();
  job.set_max_virtual_size(1 << 20);
  const v1::Report report = Decoded(ReportOnJob(job.SerializeAsString()));
  EXPECT_EQ(report.info().virtual_size(), 4u << 20) << report.error().message();
}

TEST(AnswerJob, RefusesAJobWithoutAnOperation) {
  const v1::Report report = Decoded(ReportOnJob(v1::Job().SerializeAsString()));
  EXPECT_EQ(report.error().code(), v1::ERROR_INVALID_ARGUMENT);
}

TEST(AnswerJob, RefusesAnInspectionOfNothing) {
  v1::Job job;
  job.mutable_info();
  const v1::Report report = Decoded(ReportOnJob(job.SerializeAsString()));
  EXPECT_EQ(report.error().code(), v1::ERROR_INVALID_ARGUMENT);
}

TEST(AnswerJob, RefusesATextLongerThanItsField) {
  v1::Job job = InfoJob();
  job.mutable_info()->mutable_source()->set_format(std::string(33, 'x'));
  const v1::Report report = Decoded(ReportOnJob(job.SerializeAsString()));
  EXPECT_EQ(report.error().code(), v1::ERROR_INVALID_ARGUMENT);
  EXPECT_THAT(report.error().message(), HasSubstr("cannot be decoded"));
}

// A job cut short or with bytes changed gets some report that can be read, whatever it says.
TEST(AnswerJob, AnswersGarbageWithAReport) {
  const std::string good = InfoJob().SerializeAsString();
  for (size_t size = 0; size < good.size(); ++size) {
    Decoded(ReportOnJob(good.substr(0, size)));
  }
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::string bytes(random() % 200, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    // No operation can be asked for by chance with a slot that does not exist: the native channel
    // would abort, as the broker ends such a job.
    const v1::Report report = Decoded(ReportOnJob(bytes));
    EXPECT_TRUE(report.has_error());
  }
}

}  // namespace
}  // namespace hotcell::guest
