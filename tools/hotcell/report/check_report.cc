#include "tools/hotcell/report/check_report.h"

#include <vector>

#include "absl/strings/str_format.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {
namespace {

double Percent(uint64_t part, uint64_t whole) {
  return static_cast<double>(part) * 100.0 / static_cast<double>(whole);
}

bool QemuImgLooksForLeaks(std::string_view format) {
  return format != "vdi" && format != "vhdx" && format != "vmdk";
}

}  // namespace

void KeepWhatQemuImgTells(CheckReport& report) {
  if (!QemuImgLooksForLeaks(report.format)) {
    report.leaks = 0;
    std::erase_if(report.findings,
                  [](const CheckFinding& finding) { return finding.kind == FindingKind::kLeak; });
  }
  if (report.format == "qed") report.findings.clear();
  if (report.format == "vhdx") {
    report.image_end_offset.reset();
    report.total_clusters = report.allocated_clusters = 0;
    report.compressed_clusters = report.fragmented_clusters = 0;
  }
}

std::string CheckFindings(const CheckReport& report) {
  std::string out;
  for (const CheckFinding& finding : report.findings) {
    Append(out, Escape(finding.text), "\n");
  }
  const uint64_t all = report.leaks + report.corruptions + report.check_errors;
  const uint64_t shown = report.findings.size();
  if (shown > 0 && all > shown) Append(out, "and ", all - shown, " more\n");
  return out;
}

std::string CheckText(const CheckReport& report) {
  std::string out;
  if (report.corruptions == 0 && report.leaks == 0 && report.check_errors == 0) {
    out += "No errors were found on the image.\n";
  }
  if (report.corruptions != 0) {
    Append(out, "\n", report.corruptions,
           " errors were found on the image.\n"
           "Data may be corrupted, or further writes to the image may corrupt it.\n");
  }
  if (report.leaks != 0) {
    Append(out, "\n", report.leaks,
           " leaked clusters were found on the image.\n"
           "This means waste of disk space, but no harm to data.\n");
  }
  if (report.check_errors != 0) {
    Append(out, "\n", report.check_errors, " internal errors have occurred during the check.\n");
  }
  const uint64_t allocated = report.allocated_clusters;
  if (report.total_clusters != 0 && allocated != 0) {
    out += absl::StrFormat(
        "%d/%d = %0.2f%% allocated, %0.2f%% fragmented, %0.2f%% compressed clusters\n", allocated,
        report.total_clusters, Percent(allocated, report.total_clusters),
        Percent(report.fragmented_clusters, allocated),
        Percent(report.compressed_clusters, allocated));
  }
  if (const uint64_t end = report.image_end_offset.value_or(0); end != 0) {
    Append(out, "Image end offset: ", end, "\n");
  }
  return out;
}

std::string CheckJson(const CheckReport& report, std::string_view filename) {
  Json json = Json::Object();
  const auto set = [&](std::string_view key, uint64_t value) {
    if (value != 0) json.SetNumber(key, value);
  };
  set("image-end-offset", report.image_end_offset.value_or(0));
  set("compressed-clusters", report.compressed_clusters);
  set("total-clusters", report.total_clusters);
  set("corruptions", report.corruptions);
  json.SetNumber("check-errors", report.check_errors);
  set("leaks", report.leaks);
  set("allocated-clusters", report.allocated_clusters);
  json.SetString("filename", filename).SetString("format", report.format);
  set("fragmented-clusters", report.fragmented_clusters);
  return json.Dump();
}

int CheckExitStatus(const CheckReport& report) {
  if (report.unsupported) return kExitCheckUnsupported;
  if (report.check_errors != 0) return kExitFailure;
  if (report.corruptions != 0) return kExitCorrupt;
  return report.leaks != 0 ? kExitLeaks : kExitOk;
}

}  // namespace hotcell::cli
