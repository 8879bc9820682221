#include "tools/hotcell/error.h"

#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/cord.h"
#include "tools/hotcell/escape.h"
#include "tools/hotcell/exit_codes.h"
#include "tools/hotcell/invocation.h"
#include "tools/hotcell/json.h"
#include "tools/hotcell/text.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kRemedyUrl = "hotcell/remedy";

}  // namespace

absl::Status WithRemedy(absl::Status status, std::string_view remedy) {
  status.SetPayload(AbslView(kRemedyUrl), absl::Cord(AbslView(remedy)));
  return status;
}

std::string Remedy(const absl::Status& status) {
  const absl::optional<absl::Cord> remedy = status.GetPayload(AbslView(kRemedyUrl));
  return remedy.has_value() ? std::string(*remedy) : std::string();
}

absl::Status FileError(std::string_view action, std::string_view path, int error) {
  return absl::ErrnoToStatus(error, Cat("cannot ", action, " '", path, "'"));
}

std::string ErrorLine(std::string_view command, const absl::Status& status) {
  if (ActsAsQemuImg()) {
    const std::string message = Escape(View(status.message()));
    std::string text = QemuImgMessage(message);
    const std::string remedy = Remedy(status);
    if (text == message && !remedy.empty()) Append(text, "; ", Escape(remedy));
    return Cat("qemu-img: ", text, "\n");
  }
  std::string line = "hotcell: ";
  if (!command.empty()) Append(line, command, ": ");
  Append(line, Escape(View(status.message())));
  const std::string remedy = Remedy(status);
  if (!remedy.empty()) Append(line, "; ", Escape(remedy));
  Append(line, "\n");
  return line;
}

std::string ErrorJson(const absl::Status& status) {
  Json error = Json::Object();
  error.SetString("code", ErrorCodeName(status.code()))
      .SetString("message", View(status.message()));
  const std::string remedy = Remedy(status);
  if (!remedy.empty()) error.SetString("remedy", remedy);
  Json document = Json::Object();
  document.Set("error", std::move(error));
  return document.Dump();
}

std::string_view ErrorCodeName(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kDataLoss:
      return "corrupt-image";
    case absl::StatusCode::kUnimplemented:
      return "unsupported";
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return "invalid-argument";
    case absl::StatusCode::kResourceExhausted:
      return "limit";
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return "refused";
    case absl::StatusCode::kNotFound:
      return "not-found";
    case absl::StatusCode::kAlreadyExists:
      return "already-exists";
    case absl::StatusCode::kDeadlineExceeded:
      return "deadline";
    case absl::StatusCode::kCancelled:
      return "cancelled";
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kUnknown:
      return "io";
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
      return "precondition";
    case absl::StatusCode::kOk:
      return "ok";
    default:
      return "internal";
  }
}

int ReportError(std::string_view command, const absl::Status& status, OutputFormat format) {
  const std::string line = ErrorLine(command, status);
  (void)std::fflush(stdout);
  (void)std::fwrite(line.data(), 1, line.size(), stderr);
  if (format == OutputFormat::kJson && !ActsAsQemuImg()) {
    const std::string json = ErrorJson(status);
    (void)std::puts(json.c_str());
  }
  return kExitFailure;
}

}  // namespace hotcell::cli
