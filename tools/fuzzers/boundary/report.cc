// What a guest leaves in the arena and in the file of a map, against what the broker decodes and
// the command prints of it: whatever the bytes are, texts are fit for a terminal, and JSON is JSON.
//
// The first byte of an input says what it is: a report (0 to 3), the records of a map, a guest's
// last words, or how a worker says that it ended.
#include <google/protobuf/stubs/logging.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "broker/files/file_table.h"
#include "broker/files/map_records.h"
#include "broker/jobs/native_replies.h"
#include "broker/jobs/operations.h"
#include "broker/lanes/report_codec.h"
#include "broker/workers/native_end.h"
#include "broker/workers/symbolizer.h"
#include "broker/workers/worker_end.h"
#include "guest/abi/abi.h"
#include "hotcell/verdict.h"
#include "nlohmann/json.hpp"
#include "tools/fuzzers/boundary/byte_source.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/boundary/wire_mutator.h"
#include "tools/fuzzers/check.h"
#include "tools/hotcell/report/check_report.h"
#include "tools/hotcell/report/compare_report.h"
#include "tools/hotcell/report/info_report.h"
#include "tools/hotcell/report/run_report.h"
#include "tools/hotcell/report/verdict_report.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace hotcell::fuzz {
namespace {

enum Kind : uint8_t { kMap = 4, kWords = 5, kEnd = 6, kKinds = 7 };

constexpr uint32_t kMaxField = 24;  // of report.proto and control.proto
constexpr size_t kMaxRecords = 2000;
constexpr size_t kMaxReport = 1 << 20;  // Limits::report_bytes
constexpr std::string_view kFile = "image.qcow2";

void CheckLines(const std::string& text, const std::string& what) {
  CheckClean(text, what, /*line_breaks=*/true);
}

void CheckJson(const std::string& text) {
  Check(nlohmann::json::accept(text), "JSON is JSON", text.substr(0, 2000));
  Check(std::all_of(text.begin(), text.end(),
                    [](unsigned char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }),
        "JSON is ASCII");
}

void CheckStatus(const absl::Status& status) {
  if (status.ok()) return;
  Check(!status.message().empty(), "an error has a text");
  CheckClean(std::string(status.message()), "an error's text");
}

void PrintInfo(v1::Report& report, std::vector<std::string> warnings) {
  std::vector<cli::InfoReport> chain;
  chain.push_back({.filename = std::string(kFile),
                   .image = broker::TakeNative(*report.mutable_info()),
                   .warnings = std::move(warnings)});
  for (v1::ImageInfo& below : *report.mutable_backing_chain()) {
    ImageInfo image = broker::TakeNative(below);
    std::string name = cli::FullBackingName(kFile, image.backing_file);
    chain.push_back({.filename = std::move(name), .image = std::move(image)});
  }
  for (const cli::InfoReport& image : chain) CheckLines(cli::InfoText(image), "`info`");
  CheckJson(cli::InfoJson(chain.front()).Dump());
  CheckJson(cli::InfoChainJson(chain).Dump());
}

void PrintCheck(const CheckReport& check) {
  CheckLines(cli::CheckText(check), "`check`");
  CheckLines(cli::CheckFindings(check), "`check`'s findings");
  CheckJson(cli::CheckJson(check, kFile));
  CheckClean(check.format, "a format's name");
  const int status = cli::CheckExitStatus(check);
  const bool bad =
      check.unsupported || check.check_errors != 0 || check.corruptions != 0 || check.leaks != 0;
  Check((status == 0) == !bad, "`check` succeeds only where nothing was found");
}

void PrintCompare(v1::CompareResult& result, std::vector<std::string> warnings) {
  CompareRequest request;
  request.first.name = kFile;
  request.second.name = "other.raw";
  CompareReply reply{.result = broker::TakeNative(result), .warnings = std::move(warnings)};
  if (result.has_failure()) {
    reply.failure = broker::ReportedError(result.failure(), absl::OkStatus());
    CheckStatus(cli::CompareFailure(request, reply));
  }
  CheckLines(cli::CompareText(reply.result), "`compare`");
  CheckJson(cli::CompareJson(request, reply));
  const bool same = reply.result.outcome == CompareResult::Outcome::kIdentical;
  Check((cli::CompareExitStatus(reply.result) == 0) == same,
        "`compare` succeeds only for disks that are the same");
}

void PrintInspect(v1::Report& report) {
  const bool has_failure = report.inspect().has_failure();
  const absl::StatusOr<InspectReply> made =
      broker::MakeInspectReply(report, /*file_size=*/12345, absl::OkStatus());
  Check(made.ok(), "an inspection is a reply");
  const InspectReply& reply = *made;
  const Inspection& inspection = reply.inspection;
  CheckStatus(reply.failure);
  CheckStatus(reply.check_failure);
  const Verdict verdict = Judge(reply, {.max_virtual_size = 1 << 30}, Limits());
  if (has_failure || !inspection.info) {
    Check(!verdict.safe(), "what cannot be opened is not safe");
  }
  if (inspection.info && !inspection.info->references.empty()) {
    Check(!verdict.safe(), "what refers to other files is not safe");
  }
  if (inspection.check &&
      (inspection.check->corruptions != 0 || inspection.check->check_errors != 0)) {
    Check(!verdict.safe(), "what is damaged is not safe");
  }
  const cli::InspectReport printed{
      .filename = std::string(kFile), .reply = reply, .verdict = verdict};
  CheckLines(cli::InspectText(printed), "`inspect`");
  CheckJson(cli::InspectJson(printed).Dump());
}

void ReadReport(std::string_view bytes) {
  absl::StatusOr<v1::Report> report =
      broker::DecodeReport({bytes.data(), std::min(bytes.size(), kMaxReport)}, kMaxReport);
  if (!report.ok()) return CheckStatus(report.status());
  if (report->has_error()) {
    for (const absl::Status& recorded :
         {absl::OkStatus(), absl::ResourceExhaustedError("a quota")}) {
      const absl::Status error = broker::ReportedError(report->error(), recorded);
      Check(!error.ok(), "an error that is reported is an error");
      CheckStatus(error);
    }
  }
  const std::vector<std::string> warnings = broker::ReportedWarnings(*report);
  Check(warnings.size() <= 101, "there are not too many warnings");
  for (const std::string& warning : warnings) CheckClean(warning, "a warning");
  for (const std::string* text :
       {&report->convert().source_format(), &report->digest().source_format()}) {
    CheckClean(*text, "a format's name");
  }
  if (report->has_info()) PrintInfo(*report, warnings);
  if (report->has_check()) PrintCheck(broker::TakeNative(*report->mutable_check()));
  if (report->has_compare()) PrintCompare(*report->mutable_compare(), warnings);
  if (report->has_inspect()) PrintInspect(*report);
}

// begin, length and count, 8 bytes each, then records.
void CheckMap(ByteSource input) {
  broker::FileTable files({.chain_depth = 3});
  const UniqueFd image(memfd_create("hotcell-fuzz-image", MFD_CLOEXEC));
  const UniqueFd output(memfd_create("hotcell-fuzz-records", MFD_CLOEXEC));
  constexpr std::string_view kName = "image\x1b";
  Check(files.AddInput(image.get(), absl::string_view(kName.data(), kName.size())).ok() &&
            files.AddOutput(output.get(), "records", broker::Durability::kNone, true).ok(),
        "files can be added");
  MapRequest request;
  request.begin = input.Take<uint64_t>();
  request.length = input.Take<uint64_t>();
  const auto count = input.Take<uint64_t>();
  const std::string_view records = input.TakeBytes(kMaxRecords * sizeof(abi::MapRecord));
  Check(pwrite(output.get(), records.data(), records.size(), 0) ==
            static_cast<ssize_t>(records.size()),
        "records can be written");
  using Wide = unsigned __int128;
  Wide expected = request.begin;
  uint64_t seen = 0;
  request.extent = [&](const MapExtent& extent) {
    Check(extent.start == expected && extent.length != 0, "extents follow each other");
    expected += extent.length;
    ++seen;
    Check(expected <= UINT64_MAX && expected <= Wide{request.begin} + request.length,
          "extents lie within what was asked for");
    Check(extent.depth < 3, "extents lie within the chain");
    Check(extent.offset.has_value() == !extent.file.empty(), "an offset is in a file");
    Check(extent.file.empty() || extent.file == kName, "a file is one of the job's");
    return absl::OkStatus();
  };
  const absl::Status status = broker::ReadMapRecords(output.get(), count, files, request);
  CheckStatus(status);
  Check(!status.ok() || seen == count, "a map that is right is handed on whole");
  Check(seen <= records.size() / sizeof(abi::MapRecord), "records are there before they are read");
}

void CheckEnd(const GuestEnd& end, std::string_view words) {
  const absl::Status status =
      broker::GuestEndStatus(end, {words.data(), words.size()}, broker::BuiltinSymbols());
  CheckStatus(status);
  CheckClean(cli::DescribeEnd(end), "the end of a guest");
  CheckClean(broker::DescribePlace(end.registers, broker::BuiltinSymbols()), "a place");
  CheckLines(cli::RegistersText(end.registers), "registers");
  CheckLines(cli::DirtyPagesText(end), "dirty pages");
  CheckLines(cli::VgaText(end.vga_text), "a screen");
  const int exit = cli::RunExitStatus(end);
  Check(exit >= 0 && exit <= 255, "an exit status is one byte");
}

}  // namespace
}  // namespace hotcell::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hotcell;
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % fuzz::kKinds) {
    case fuzz::kMap:
      fuzz::CheckMap(fuzz::ByteSource(data + 1, size - 1));
      break;
    case fuzz::kWords: {
      hotcell::GuestEnd end;
      end.reason = hotcell::EndReason::kExited;
      for (const uint32_t code : {hotcell::abi::kExitPanic, hotcell::abi::kExitOutOfMemory}) {
        end.exit_code = code;
        fuzz::CheckEnd(end, bytes.substr(0, hotcell::abi::kPanicTextSize));
      }
      break;
    }
    case fuzz::kEnd: {
      const google::protobuf::LogSilencer silencer;
      v1::Finished finished;
      if (finished.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
        fuzz::CheckEnd(broker::ToNative(finished), finished.detail());
      }
      break;
    }
    default:
      fuzz::ReadReport(bytes);
  }
  return 0;
}

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  const uint8_t kind = size == 0 ? 0 : data[0] % hotcell::fuzz::kKinds;
  const bool is_message = kind < hotcell::fuzz::kMap || kind == hotcell::fuzz::kEnd;
  if (size == 0 || !is_message || random() % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  const std::string mutated = hotcell::fuzz::MutateWire(
      {reinterpret_cast<const char*>(data) + 1, size - 1}, hotcell::fuzz::kMaxField, random);
  if (mutated.size() + 1 > max_size) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(data + 1, mutated.data(), mutated.size());
  return mutated.size() + 1;
}
