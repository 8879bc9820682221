#include "tools/hotcell/report/verdict_report.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/remedies.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/report/content_names.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {
namespace {

std::string_view RoleName(ReferenceRole role) {
  switch (role) {
    case ReferenceRole::kBackingFile:
      return "backing-file";
    case ReferenceRole::kDataFile:
      return "data-file";
    case ReferenceRole::kExtent:
      return "extent";
    case ReferenceRole::kParent:
      return "parent";
    default:
      return "unknown";
  }
}

Json FindingsJson(const std::vector<Finding>& findings) {
  Json json = Json::Array();
  for (const Finding& finding : findings) {
    Json entry = Json::Object();
    entry.SetString("code", VerdictCodeName(finding.code))
        .SetString("text", AddRemedy(finding.text, finding.remedy));
    json.Append(std::move(entry));
  }
  return json;
}

Json ImageJson(const InspectReply& reply, const ImageInfo& info) {
  Json references = Json::Array();
  for (const ReferenceInfo& reference : info.references) {
    Json entry = Json::Object();
    entry.SetString("kind", RoleName(reference.role)).SetString("name", reference.name);
    references.Append(std::move(entry));
  }
  Json features = Json::Array();
  for (const std::string& feature : info.features) features.AppendString(feature);
  Json contents = Json::Array();
  for (const std::string& content : ContentNames(info)) contents.AppendString(content);
  Json image = Json::Object();
  image.SetNumber("virtual-size", info.virtual_size).SetReal("expansion", Expansion(reply));
  if (info.cluster_size != 0) image.SetNumber("cluster-size", info.cluster_size);
  if (!info.variant.empty()) image.SetString("variant", info.variant);
  image.SetBool("encrypted", info.encrypted)
      .SetBool("dirty", info.dirty)
      .SetNumber("snapshots", info.snapshots.size())
      .Set("references", std::move(references))
      .Set("features", std::move(features))
      .Set("contents", std::move(contents));
  return image;
}

Json CheckJson(const CheckReport& check) {
  Json json = Json::Object();
  json.SetNumber("corruptions", check.corruptions)
      .SetNumber("leaks", check.leaks)
      .SetNumber("check-errors", check.check_errors);
  return json;
}

}  // namespace

Json InspectValue(const InspectReport& report) {
  const Inspection& inspection = report.reply.inspection;
  Json others = Json::Array();
  for (const std::string& other : inspection.other_formats) others.AppendString(other);
  Json signatures = Json::Array();
  for (const Signature& signature : inspection.signatures) {
    Json entry = Json::Object();
    entry.SetNumber("offset", signature.offset).SetString("name", SignatureName(signature.kind));
    signatures.Append(std::move(entry));
  }
  Json json = Json::Object();
  json.SetString("filename", report.filename)
      .SetBool("safe", report.verdict.safe())
      .Set("reasons", FindingsJson(report.verdict.reasons))
      .Set("anomalies", FindingsJson(report.verdict.anomalies))
      .SetString("format", inspection.format)
      .Set("other-formats", std::move(others))
      .Set("signatures", std::move(signatures))
      .SetNumber("file-size", report.reply.file_size);
  if (inspection.info) {
    json.SetNumber("reader-memory", inspection.reader_memory)
        .Set("image", ImageJson(report.reply, *inspection.info));
  }
  if (inspection.check) json.Set("check", CheckJson(*inspection.check));
  return json;
}

Json InspectJson(const InspectReport& report) {
  Json document = Json::Object();
  document.Set("inspect", InspectValue(report));
  return document;
}

std::string InspectText(const InspectReport& report) {
  const Inspection& inspection = report.reply.inspection;
  std::string out;
  Append(out, "image: ", Escape(report.filename), "\n");
  Append(out, "file format: ", inspection.format, "\n");
  Append(out, "file size: ", FormatSize(report.reply.file_size), " (", report.reply.file_size,
         " bytes)\n");
  if (inspection.info) {
    const ImageInfo& info = *inspection.info;
    Append(out, "virtual size: ", FormatSize(info.virtual_size), " (", info.virtual_size,
           " bytes)\n");
    out += absl::StrFormat("expansion: %.2f\n", Expansion(report.reply));
    for (const ReferenceInfo& reference : info.references) {
      Append(out, "reference: ", Escape(reference.name), " (", RoleName(reference.role), ")\n");
    }
    for (const std::string& feature : info.features) Append(out, "feature: ", feature, "\n");
    for (const std::string& content : ContentNames(info)) Append(out, "contents: ", content, "\n");
  }
  for (const Signature& signature : inspection.signatures) {
    Append(out, "signature: ", SignatureName(signature.kind), " at offset ", signature.offset,
           "\n");
  }
  for (const Finding& anomaly : report.verdict.anomalies) {
    Append(out, "anomaly: ", AddRemedy(anomaly.text, anomaly.remedy), "\n");
  }
  for (const Finding& reason : report.verdict.reasons) {
    Append(out, "unsafe: ", AddRemedy(reason.text, reason.remedy), "\n");
  }
  Append(out, "safe: ", report.verdict.safe() ? "true" : "false", "\n");
  return out;
}

}  // namespace hotcell::cli
