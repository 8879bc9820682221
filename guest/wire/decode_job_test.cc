// Jobs as the broker encodes them, with the host's protobuf, decoded by the guest's code.
#include "guest/wire/decode_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protos/job.pb.h"

namespace hotcell::guest {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kDiskLimit = 1ull << 40;

v1::Job EmptyJob() {
  v1::Job job;
  job.set_lanes(2);
  job.set_max_virtual_size(kDiskLimit);
  job.set_max_chain_depth(3);
  return job;
}

void SetSource(uint32_t slot, uint64_t size, const std::string& format, v1::SourceImage& image) {
  image.set_slot(slot);
  image.set_size(size);
  image.set_format(format);
}

Result<Job> Decoded(std::string_view bytes) { return DecodeJob(std::as_bytes(std::span(bytes))); }

Result<Job> Decoded(const v1::Job& job) { return Decoded(job.SerializeAsString()); }

// The operation of a job that decodes to one of this kind.
template <typename Operation>
Operation As(const v1::Job& job) {
  const Result<Job> decoded = Decoded(job);
  EXPECT_TRUE(decoded.ok()) << decoded.status().message();
  if (!decoded.ok()) return {};
  EXPECT_TRUE(std::holds_alternative<Operation>(*decoded));
  const Operation* const operation = std::get_if<Operation>(&*decoded);
  return operation != nullptr ? *operation : Operation();
}

void ExpectRefused(const v1::Job& job, std::string_view text) {
  const Result<Job> decoded = Decoded(job);
  ASSERT_FALSE(decoded.ok());
  EXPECT_EQ(decoded.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(decoded.status().message(), HasSubstr(std::string(text)));
}

void ExpectLimits(const ChainLimits& limits) {
  EXPECT_EQ(limits.max_depth, 3u);
  EXPECT_EQ(limits.max_virtual_size, kDiskLimit);
}

void ExpectSource(const SourceImage& source, uint32_t slot, uint64_t size,
                  std::string_view format) {
  EXPECT_EQ(source.file.slot, slot);
  EXPECT_EQ(source.file.size, size);
  EXPECT_EQ(source.format, format);
}

v1::Job RichConversion() {
  v1::Job job = EmptyJob();
  v1::ConvertJob& convert = *job.mutable_convert();
  SetSource(1, 4096, "qcow2", *convert.mutable_source());
  SetSource(2, 512, "raw", *convert.add_more_sources());
  SetSource(3, 1024, "", *convert.add_more_sources());
  convert.mutable_snapshot()->set_id("7");
  convert.mutable_snapshot()->set_name("\xffname");
  convert.mutable_window()->set_begin(5);
  convert.mutable_window()->set_end(6);
  convert.set_sparse_size(8192);
  convert.set_copy_offload(true);
  convert.set_inspect(true);
  convert.set_inspect_check(true);
  v1::TargetImage& target = *convert.mutable_target();
  target.set_slot(9);
  target.set_name("out.vmdk");
  target.set_format("vmdk");
  target.set_compress(true);
  target.set_exists(true);
  target.set_file_size(1 << 20);
  target.set_is_zero(true);
  target.set_disk_size(77);
  v1::FormatOption& option = *target.add_options();
  option.set_key("subformat");
  option.set_value(std::string("stream\0Optimized", 16));
  target.mutable_backing()->set_name("base\xff");
  target.mutable_backing()->set_format("raw");
  target.mutable_backing()->set_size(UINT64_MAX);
  return job;
}

TEST(DecodeJob, KeepsAllThatAConversionSaysOfItsSource) {
  const auto convert = As<ConvertJob>(RichConversion());
  ExpectLimits(convert.limits);
  ASSERT_TRUE(convert.source.has_value());
  ExpectSource(*convert.source, 1, 4096, "qcow2");
  ASSERT_EQ(convert.more_sources.size(), 2u);
  ExpectSource(convert.more_sources[0], 2, 512, "raw");
  ExpectSource(convert.more_sources[1], 3, 1024, "");
  EXPECT_EQ(convert.snapshot.id, "7");
  EXPECT_EQ(convert.snapshot.name, "\xffname");
  EXPECT_EQ(convert.snapshot.id_or_name, std::nullopt);
  ASSERT_TRUE(convert.window.has_value());
  EXPECT_EQ(convert.window->begin, 5u);
  EXPECT_EQ(convert.window->end, 6u);
  EXPECT_EQ(convert.sparse_size, 8192u);
  EXPECT_TRUE(convert.copy_offload);
  EXPECT_TRUE(convert.inspect);
  EXPECT_TRUE(convert.inspect_check);
}

TEST(DecodeJob, KeepsAllThatAConversionSaysOfItsTarget) {
  const TargetImage target = As<ConvertJob>(RichConversion()).target;
  EXPECT_EQ(target.slot, 9u);
  EXPECT_EQ(target.name, "out.vmdk");
  EXPECT_EQ(target.format, "vmdk");
  EXPECT_TRUE(target.compress);
  EXPECT_TRUE(target.exists);
  EXPECT_EQ(target.file_size, 1u << 20);
  EXPECT_TRUE(target.is_zero);
  EXPECT_EQ(target.disk_size, 77u);
  EXPECT_THAT(target.options,
              ElementsAre(testing::AllOf(
                  Field(&FormatOption::key, "subformat"),
                  Field(&FormatOption::value, std::string("stream\0Optimized", 16)))));
  ASSERT_TRUE(target.backing.has_value());
  EXPECT_EQ(target.backing->name, "base\xff");
  EXPECT_EQ(target.backing->format, "raw");
  EXPECT_EQ(target.backing->size, UINT64_MAX);
}

// What a message leaves out is nothing, and not what a job of our own would have.
TEST(DecodeJob, OfAnEmptyConversionSetsNothing) {
  v1::Job job;
  job.mutable_convert();
  const auto convert = As<ConvertJob>(job);
  EXPECT_EQ(convert.limits.max_depth, 0u);
  EXPECT_EQ(convert.limits.max_virtual_size, 0u);
  EXPECT_FALSE(convert.source.has_value());
  EXPECT_THAT(convert.more_sources, IsEmpty());
  EXPECT_FALSE(convert.window.has_value());
  EXPECT_TRUE(convert.snapshot.empty());
  EXPECT_EQ(convert.sparse_size, 0u);
  EXPECT_FALSE(convert.copy_offload);
  EXPECT_FALSE(convert.inspect);
  EXPECT_EQ(convert.target.format, "");
  EXPECT_FALSE(convert.target.exists);
  EXPECT_FALSE(convert.target.backing.has_value());
}

TEST(DecodeJob, TellsAnEmptyTextFromNone) {
  v1::Job job;
  job.mutable_convert()->mutable_snapshot()->set_id_or_name("");
  EXPECT_EQ(As<ConvertJob>(job).snapshot.id_or_name, "");
}

TEST(DecodeJob, ReadsInfo) {
  v1::Job job = EmptyJob();
  SetSource(4, 512, "vdi", *job.mutable_info()->mutable_source());
  job.mutable_info()->set_backing_chain(true);
  const auto info = As<InfoJob>(job);
  ExpectLimits(info.limits);
  ExpectSource(info.source, 4, 512, "vdi");
  EXPECT_TRUE(info.backing_chain);
}

TEST(DecodeJob, ReadsCompare) {
  v1::Job job = EmptyJob();
  SetSource(1, 512, "raw", *job.mutable_compare()->mutable_first());
  SetSource(2, 1024, "qed", *job.mutable_compare()->mutable_second());
  job.mutable_compare()->set_strict(true);
  const auto compare = As<CompareJob>(job);
  ExpectLimits(compare.limits);
  ExpectSource(compare.first, 1, 512, "raw");
  ExpectSource(compare.second, 2, 1024, "qed");
  EXPECT_TRUE(compare.strict);
}

TEST(DecodeJob, ReadsDigest) {
  v1::Job job = EmptyJob();
  SetSource(5, 2048, "vpc", *job.mutable_digest()->mutable_source());
  const auto digest = As<DigestJob>(job);
  ExpectLimits(digest.limits);
  ExpectSource(digest.source, 5, 2048, "vpc");
}

TEST(DecodeJob, ReadsCheck) {
  v1::Job job = EmptyJob();
  SetSource(6, 2048, "vhdx", *job.mutable_check()->mutable_source());
  const auto check = As<CheckJob>(job);
  ExpectLimits(check.limits);
  ExpectSource(check.source, 6, 2048, "vhdx");
  EXPECT_FALSE(check.source.device);
  job.mutable_check()->mutable_source()->set_device(true);
  EXPECT_TRUE(As<CheckJob>(job).source.device);
}

TEST(DecodeJob, ReadsInspect) {
  v1::Job job = EmptyJob();
  SetSource(6, 2048, "", *job.mutable_inspect()->mutable_source());
  EXPECT_FALSE(As<InspectJob>(job).check);
  job.mutable_inspect()->set_check(true);
  const auto inspect = As<InspectJob>(job);
  ExpectLimits(inspect.limits);
  ExpectSource(inspect.source, 6, 2048, "");
  EXPECT_TRUE(inspect.check);
  EXPECT_TRUE(inspect.snapshot.empty());
}

TEST(DecodeJob, ReadsMap) {
  v1::Job job = EmptyJob();
  SetSource(6, 2048, "raw", *job.mutable_map()->mutable_source());
  job.mutable_map()->set_records_slot(8);
  job.mutable_map()->set_begin(11);
  job.mutable_map()->set_length(12);
  const auto map = As<MapJob>(job);
  ExpectLimits(map.limits);
  ExpectSource(map.source, 6, 2048, "raw");
  EXPECT_EQ(map.records_slot, 8u);
  EXPECT_EQ(map.begin, 11u);
  EXPECT_EQ(map.length, 12u);
}

TEST(DecodeJob, ReadsMeasure) {
  v1::Job job = EmptyJob();
  v1::MeasureJob& message = *job.mutable_measure();
  message.set_size(99);
  message.set_format("qcow2");
  message.set_has_backing(true);
  message.mutable_snapshot()->set_id_or_name("one");
  message.add_options()->set_key("cluster_size");
  EXPECT_FALSE(As<MeasureJob>(job).source.has_value());
  SetSource(2, 2048, "raw", *message.mutable_source());
  const auto measure = As<MeasureJob>(job);
  ExpectLimits(measure.limits);
  ASSERT_TRUE(measure.source.has_value());
  ExpectSource(*measure.source, 2, 2048, "raw");
  EXPECT_EQ(measure.size, 99u);
  EXPECT_EQ(measure.format, "qcow2");
  EXPECT_TRUE(measure.has_backing);
  EXPECT_EQ(measure.snapshot.id_or_name, "one");
  EXPECT_THAT(measure.options, ElementsAre(Field(&FormatOption::key, "cluster_size")));
}

v1::Job ResizeOf(v1::SizeChange change, v1::Preallocation preallocation) {
  v1::Job job = EmptyJob();
  v1::ResizeJob& resize = *job.mutable_resize();
  resize.mutable_image()->set_slot(3);
  resize.mutable_image()->set_size(1 << 16);
  resize.mutable_image()->set_format("qcow2");
  resize.mutable_image()->set_device(true);
  resize.set_change(change);
  resize.set_size(1 << 20);
  resize.set_shrink(true);
  resize.set_preallocation(preallocation);
  return job;
}

TEST(DecodeJob, ReadsResize) {
  const auto resize =
      As<ResizeJob>(ResizeOf(v1::SIZE_CHANGE_SHRINK_BY, v1::PREALLOCATION_METADATA));
  ExpectLimits(resize.limits);
  EXPECT_EQ(resize.image.file.slot, 3u);
  EXPECT_EQ(resize.image.file.size, 1u << 16);
  EXPECT_EQ(resize.image.format, "qcow2");
  EXPECT_TRUE(resize.image.device);
  EXPECT_EQ(resize.change, SizeChange::kShrinkBy);
  EXPECT_EQ(resize.size, 1u << 20);
  EXPECT_TRUE(resize.shrink);
  EXPECT_EQ(resize.preallocation, Preallocation::kMetadata);
}

TEST(DecodeJob, ReadsEachChangeOfSizeAndPreallocation) {
  EXPECT_EQ(As<ResizeJob>(ResizeOf(v1::SIZE_CHANGE_TO, v1::PREALLOCATION_OFF)).change,
            SizeChange::kTo);
  EXPECT_EQ(As<ResizeJob>(ResizeOf(v1::SIZE_CHANGE_GROW_BY, v1::PREALLOCATION_OFF)).change,
            SizeChange::kGrowBy);
  EXPECT_EQ(As<ResizeJob>(ResizeOf(v1::SIZE_CHANGE_TO, v1::PREALLOCATION_OFF)).preallocation,
            Preallocation::kOff);
  EXPECT_EQ(As<ResizeJob>(ResizeOf(v1::SIZE_CHANGE_TO, v1::PREALLOCATION_FALLOC)).preallocation,
            Preallocation::kFalloc);
  EXPECT_EQ(As<ResizeJob>(ResizeOf(v1::SIZE_CHANGE_TO, v1::PREALLOCATION_FULL)).preallocation,
            Preallocation::kFull);
}

TEST(DecodeJob, RefusesAChangeOfSizeOrAPreallocationThatThereIsNot) {
  ExpectRefused(ResizeOf(static_cast<v1::SizeChange>(3), v1::PREALLOCATION_OFF), "change of size");
  ExpectRefused(ResizeOf(static_cast<v1::SizeChange>(256), v1::PREALLOCATION_OFF),
                "change of size");
  ExpectRefused(ResizeOf(v1::SIZE_CHANGE_TO, static_cast<v1::Preallocation>(4)), "preallocation");
  ExpectRefused(ResizeOf(v1::SIZE_CHANGE_TO, static_cast<v1::Preallocation>(-1)),
                "cannot be decoded");
}

TEST(DecodeJob, ReadsRebase) {
  v1::Job job = EmptyJob();
  job.mutable_rebase()->mutable_image()->set_slot(3);
  job.mutable_rebase()->set_backing_name("../base\xff");
  job.mutable_rebase()->set_backing_format("raw");
  const auto rebase = As<RebaseJob>(job);
  EXPECT_EQ(rebase.image.file.slot, 3u);
  EXPECT_FALSE(rebase.image.device);
  EXPECT_EQ(rebase.backing_name, "../base\xff");
  EXPECT_EQ(rebase.backing_format, "raw");
}

TEST(DecodeJob, RefusesAJobWithoutAnOperation) {
  ExpectRefused(v1::Job(), "asks for no operation");
  ExpectRefused(EmptyJob(), "asks for no operation");
}

TEST(DecodeJob, RefusesAnOperationWithoutItsFiles) {
  v1::Job job;
  job.mutable_info();
  ExpectRefused(job, "no image to inspect");
  job.mutable_compare()->mutable_first();
  ExpectRefused(job, "no two images to compare");
  job.mutable_digest();
  ExpectRefused(job, "no image to hash");
  job.mutable_check();
  ExpectRefused(job, "no image to check");
  job.mutable_inspect();
  ExpectRefused(job, "no file to inspect");
  job.mutable_map();
  ExpectRefused(job, "no image to map");
  job.mutable_resize();
  ExpectRefused(job, "no image to resize");
  job.mutable_rebase();
  ExpectRefused(job, "no image to rebase");
  job.mutable_convert()->set_inspect(true);
  ExpectRefused(job, "no file to inspect");
}

TEST(DecodeJob, PassesOverFieldsThatAreNotKnown) {
  v1::Job job = EmptyJob();
  SetSource(4, 512, "vdi", *job.mutable_info()->mutable_source());
  // Field 1000 of the job, three bytes, and field 999, a number.
  const std::string unknown(
      "\xc2\x3e\x03"
      "abc"
      "\xb8\x3e\x01",
      9);
  const Result<Job> decoded = Decoded(unknown + job.SerializeAsString());
  ASSERT_TRUE(decoded.ok()) << decoded.status().message();
  ExpectSource(std::get<InfoJob>(*decoded).source, 4, 512, "vdi");
}

// Each is as long as protos/job.options allows, and then longer: texts by two bytes, as nanopb's
// arrays of an odd size have a byte to spare.
TEST(DecodeJob, RefusesWhatIsLongerThanItsField) {
  v1::Job job = EmptyJob();
  v1::SourceImage& source = *job.mutable_info()->mutable_source();
  source.set_format(std::string(31, 'x'));
  EXPECT_EQ(As<InfoJob>(job).source.format, std::string(31, 'x'));
  source.set_format(std::string(33, 'x'));
  ExpectRefused(job, "cannot be decoded");

  job = RichConversion();
  std::string& value =
      *job.mutable_convert()->mutable_target()->mutable_options(0)->mutable_value();
  value.assign(511, 'v');
  EXPECT_EQ(As<ConvertJob>(job).target.options.front().value, value);
  value.assign(513, 'v');
  ExpectRefused(job, "cannot be decoded");

  job = RichConversion();
  while (job.convert().more_sources_size() < 63) job.mutable_convert()->add_more_sources();
  EXPECT_EQ(As<ConvertJob>(job).more_sources.size(), 63u);
  job.mutable_convert()->add_more_sources();
  ExpectRefused(job, "cannot be decoded");

  job = RichConversion();
  while (job.convert().target().options_size() < 32) {
    job.mutable_convert()->mutable_target()->add_options();
  }
  EXPECT_EQ(As<ConvertJob>(job).target.options.size(), 32u);
  job.mutable_convert()->mutable_target()->add_options();
  ExpectRefused(job, "cannot be decoded");
}

// A job that is cut short is another job or none, and reads nothing past its end.
TEST(DecodeJob, OfATruncatedJobEndsWithItsBytes) {
  const std::string whole = RichConversion().SerializeAsString();
  size_t refused = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    // The copy has exactly these bytes, so that a sanitizer sees the first byte too much.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    if (!Decoded(std::string_view(cut.data(), cut.size())).ok()) ++refused;
  }
  // The conversion is one field, after the three numbers.
  EXPECT_EQ(refused, whole.size());
}

TEST(DecodeJob, OfGarbageIsAnErrorOrAJob) {
  const std::string whole = RichConversion().SerializeAsString();
  std::mt19937 random(1);
  size_t refused = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string bytes = whole;
    for (int change = 0; change < 3; ++change) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const Result<Job> decoded = Decoded(bytes);
    if (decoded.ok()) continue;
    ++refused;
    EXPECT_EQ(decoded.status().code(), Code::kInvalidArgument);
  }
  EXPECT_GT(refused, 0u);
}

}  // namespace
}  // namespace hotcell::guest
