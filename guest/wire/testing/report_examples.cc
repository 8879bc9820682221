#include "guest/wire/testing/report_examples.h"

#include <memory>
#include <vector>

#include "guest/runtime/native/native_channel.h"
#include "guest/runtime/native/native_lanes.h"
#include "guest/wire/dispatch.h"

namespace hotcell::guest {

namespace {

std::string Encoded(const JobOutcome& outcome, size_t capacity) {
  std::vector<std::byte> area(capacity);
  const size_t size = EncodeReport(outcome, area);
  return std::string(reinterpret_cast<const char*>(area.data()), size);
}

}  // namespace

std::string EncodedError(uint8_t code, std::string_view message, size_t capacity) {
  return Encoded({.error = Status(static_cast<Code>(code), std::string(message))}, capacity);
}

std::string EncodedConvert(size_t capacity) {
  return Encoded({.convert = ConvertSummary{.virtual_size = 1ull << 40,
                                            .source_format = "qcow2",
                                            .bytes_read = 123,
                                            .bytes_written = 456,
                                            .zero_bytes = 789,
                                            .warnings = {"first", "second \xff"}}},
                 capacity);
}

std::string EncodedRichInfo(size_t capacity) {
  ImageDescription info = {
      .format = "qcow2",
      .virtual_size = 64ull << 30,
      .cluster_size = 65536,
      .dirty = true,
      .encrypted = true,
      .backing = Reference{.kind = ReferenceKind::kBackingFile,
                           .name = std::string("base\xff\0.img", 10),
                           .format = "ra\xfew"},
  };
  info.snapshots = {{.id = "1",
                     .name = "before",
                     .vm_state_size = 5,
                     .date_sec = 1700000000,
                     .date_nsec = 7,
                     .vm_clock_nsec = 99,
                     .icount = 0,
                     .virtual_size = 32ull << 30},
                    {.id = "2", .name = "after"}};
  info.bitmaps = {{.name = "b0", .granularity = 65536, .flags = {"auto", "in-use"}}};
  info.corrupt = true;
  info.details.Text("compat", "1.1");
  info.details.Bitmaps("bitmaps");
  info.details.Number("refcount-bits", 16);
  info.details.Name("data-file", "data\xff");
  info.details.Bool("data-file-raw", true);
  info.details.Dictionary("encrypt", [&] { info.details.Text("format", "luks"); });
  info.details.Bool("extended-l2", false);
  return Encoded({.info = {info}}, capacity);
}

std::string EncodedChain(size_t capacity) {
  const Reference reference = {
      .kind = ReferenceKind::kBackingFile, .name = "base", .format = "vmdk"};
  ImageDescription top = {.format = "qcow2", .backing = reference, .references = {reference}};
  top.features = {"version 3"};
  ImageDescription base = {.format = "vmdk", .slot = 7, .variant = "streamOptimized"};
  base.details.Number("parent-cid", UINT64_MAX);
  base.details.List("extents", [&] {
    base.details.Item([&] { base.details.File("filename", "e\xff"); });
    base.details.Item([&] { base.details.OwnFile("filename"); });
    base.details.TextItem("last");
  });
  return Encoded({.info = {top, base}}, capacity);
}

std::string EncodedRawInfo(size_t capacity) {
  return Encoded(
      {.info = {ImageDescription{.format = "raw",
                                 .virtual_size = 512,
                                 .contents = {{.offset = 510, .kind = SignatureKind::kMbr}},
                                 .other_formats = {"qcow2"}}}},
      capacity);
}

std::string EncodedConcerns(size_t capacity) {
  Inspection inspection = {.format = "vmdk"};
  for (const ConcernKind kind :
       {ConcernKind::kReadersDiffer, ConcernKind::kHiddenReference, ConcernKind::kNotUnderstood,
        ConcernKind::kNestedImage, ConcernKind::kOddity}) {
    inspection.survey.Add(kind, "hint \xff");
  }
  inspection.survey.AddOtherDisk({.offset = 1080, .kind = SignatureKind::kExt4});
  inspection.signatures = {{.offset = 7, .kind = SignatureKind::kVmState}};
  inspection.survey.AddReaderMemory(UINT64_MAX);
  inspection.survey.AddReaderMemory(1);
  return Encoded({.inspection = std::move(inspection)}, capacity);
}

std::string EncodedInfoWithSnapshots(size_t count, size_t capacity) {
  ImageDescription info = {.format = "qcow2"};
  info.snapshots.assign(count, {.id = "1"});
  return Encoded({.info = {info}}, capacity);
}

std::string EncodedInfoWithBitmaps(size_t count, size_t capacity) {
  ImageDescription info = {.format = "qcow2"};
  info.bitmaps.emplace(count, BitmapInfo{.name = "bitmap", .granularity = 65536});
  info.details.Bitmaps("bitmaps");
  return Encoded({.info = {info}}, capacity);
}

std::string ReportOnJob(std::string_view job) {
  NativeFiles files;
  files.Add(std::make_unique<MemoryFile>(std::vector<std::byte>(4 << 20)));
  NativeLanes lanes(files, 1, 4, 64 << 10);
  std::vector<std::byte> area(1 << 16);
  const size_t size = AnswerJob(lanes, std::as_bytes(std::span(job)), area);
  return std::string(reinterpret_cast<const char*>(area.data()), size);
}

}  // namespace hotcell::guest
