#include "tools/hotcell/common/error.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_format.h"
#include "hotcell/failure.h"
#include "hotcell/host_limits.h"
#include "hotcell/remedy.h"
#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/remedies.h"
#include "tools/hotcell/common/signals.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/common/watch.h"
#include "tools/hotcell/report/json.h"

namespace hotcell::cli {
namespace {

constexpr std::string_view kRemedyUrl = "hotcell/remedy";
constexpr std::string_view kErrorIdUrl = "hotcell/error-id";
constexpr std::string_view kOpen = "open";
constexpr size_t kArguments = 6;

// Addresses and arguments are strings, in hex: JSON's numbers have 53 bits.
Json ViolationJson(const Violation& violation) {
  Json json = Json::Object();
  if (!violation.syscall) {  // the kernel has killed the worker before it could say more
    json.SetString("phase", PhaseName(violation.phase));
    return json;
  }
  Json arguments = Json::Array();
  for (size_t i = 0; i < std::min(kArguments, violation.arguments.size()); ++i) {
    arguments.AppendString(absl::StrFormat("0x%x", violation.arguments[i]));
  }
  json.SetString("syscall", SyscallName(violation))
      .SetInteger("number", *violation.syscall)
      .SetString("architecture", ArchitectureName(violation))
      .SetString("phase", PhaseName(violation.phase))
      .Set("arguments", std::move(arguments))
      .SetString("instruction_pointer", absl::StrFormat("0x%x", violation.instruction_pointer));
  return json;
}

// The error for a cancellation that came of SIGXCPU.
absl::Status OwnCpuTimeIsUp(uint64_t seconds) {
  const absl::Status error = absl::ResourceExhaustedError(
      Cat("RLIMIT_CPU is ", seconds, " s, and this process has used them up"));
  return WithFailureKind(WithRemedy(error, Remedy::kRaiseCpuLimit), FailureKind::kLimit);
}

absl::Status WithOwnCpuTime(const absl::Status& status) {
  const std::optional<uint64_t> seconds = UsedUpCpuSeconds();
  return seconds.has_value() && absl::IsCancelled(status) ? OwnCpuTimeIsUp(*seconds) : status;
}

// Gives up when it cannot go on writing for longer than `patience`.
void WritePatiently(int fd, std::string_view text, absl::Duration patience) {
  const absl::Duration longest = absl::Milliseconds(INT_MAX);
  while (!text.empty()) {
    const int timeout =
        patience > longest ? -1 : static_cast<int>(absl::ToInt64Milliseconds(patience));
    pollfd writable{.fd = fd, .events = POLLOUT, .revents = 0};
    const int ready = poll(&writable, 1, timeout);
    if (ready < 0 && errno == EINTR) continue;
    if (ready != 1) return;
    // A pipe that can be written to takes as many at once.
    const ssize_t written = write(fd, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written < 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

void WriteAtOnce(int fd, std::string_view text) {
  WritePatiently(fd, text.substr(0, PIPE_BUF), absl::ZeroDuration());
}

}  // namespace

absl::Status WithRemedy(absl::Status status, std::string_view remedy) {
  status.SetPayload(AbslView(kRemedyUrl), absl::Cord(AbslView(remedy)));
  return status;
}

std::string OwnRemedy(const absl::Status& status) {
  const absl::optional<absl::Cord> remedy = status.GetPayload(AbslView(kRemedyUrl));
  return remedy.has_value() ? std::string(*remedy) : std::string();
}

absl::Status WithErrorId(absl::Status status, ErrorId id, std::string_view subject) {
  status.SetPayload(AbslView(kErrorIdUrl),
                    absl::Cord(Cat(static_cast<char>('0' + static_cast<int>(id)), subject)));
  return status;
}

ErrorId ErrorIdOf(const absl::Status& status) {
  const absl::optional<absl::Cord> id = status.GetPayload(AbslView(kErrorIdUrl));
  return id.has_value() ? static_cast<ErrorId>((*id)[0] - '0') : ErrorId::kOther;
}

std::string ErrorSubject(const absl::Status& status) {
  const absl::optional<absl::Cord> id = status.GetPayload(AbslView(kErrorIdUrl));
  return id.has_value() ? std::string(*id).substr(1) : std::string();
}

absl::Status CannotOpen(absl::StatusCode code, std::string_view path, std::string_view why) {
  const std::string what = Cat("'", path, "'");
  return WithNotOpened(absl::Status(code, Cat("cannot open ", what, ": ", why)), what);
}

absl::Status FileError(std::string_view action, std::string_view path, int error) {
  const std::string what = Cat("'", path, "'");
  absl::Status status = absl::ErrnoToStatus(error, Cat("cannot ", action, " ", what));
  if (action == kOpen) status = WithNotOpened(std::move(status), what);
  return WithFailureKind(Reworded(status, Cat(View(status.message()), ExplainErrno(error))),
                         FailureKind::kHost);
}

std::string ErrorLine(std::string_view command, const absl::Status& status) {
  if (ActsAsQemuImg()) {
    if (const std::optional<std::string> text = QemuImgMessage(status)) {
      return Cat("qemu-img: ", *text, "\n");
    }
    const std::string remedy = OwnRemedy(status);
    return Cat("qemu-img: ", MessageWithRemedy(status), remedy.empty() ? "" : "; ", Escape(remedy),
               "\n");
  }
  std::string line = "hotcell: ";
  if (!command.empty()) Append(line, command, ": ");
  line += MessageWithRemedy(status);
  const std::string remedy = OwnRemedy(status);
  if (!remedy.empty()) Append(line, "; ", Escape(remedy));
  Append(line, "\n");
  return line;
}

std::string ErrorJson(const absl::Status& status) {
  Json error = Json::Object();
  error.SetString("code", ErrorCodeName(status.code()))
      .SetString("kind", FailureKindName(FailureKindOf(status)))
      .SetString("message", View(status.message()));
  std::string remedy = RemedyText(status);
  if (const std::string own = OwnRemedy(status); !own.empty()) {
    Append(remedy, remedy.empty() ? "" : "; ", own);
  }
  if (!remedy.empty()) error.SetString("remedy", remedy);
  if (const std::optional<Violation> violation = ViolationOf(status)) {
    error.Set("violation", ViolationJson(*violation));
  }
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

int FailureExitStatus(const absl::Status& status) {
  switch (FailureKindOf(status)) {
    case FailureKind::kViolation:
      return kExitViolation;
    case FailureKind::kDeadline:
      return kExitTimeout;
    case FailureKind::kGuestFault:
    case FailureKind::kGuestPanic:
    case FailureKind::kGuestContract:
      return kExitGuestFault;
    case FailureKind::kKvm:
      return kExitKvmError;
    case FailureKind::kUnsafe:
      return kExitUnsafe;
    case FailureKind::kWorkerDied:
    case FailureKind::kWorkerProtocol:
      return kExitWorkerFailed;
    default:
      return kExitFailure;
  }
}

void PrintToStderr(std::string_view text) { WritePatiently(STDERR_FILENO, text, LastWallTime()); }

int ReportError(std::string_view command, const absl::Status& reported, OutputFormat format) {
  const absl::Status status = WithOwnCpuTime(reported);
  const std::string line = ErrorLine(command, status);
  Flush();
  PrintToStderr(line);
  if (format == OutputFormat::kJson && !ActsAsQemuImg()) {
    Print(ErrorJson(status) + "\n");
  }
  return ActsAsQemuImg() ? kExitFailure : FailureExitStatus(status);
}

int ReportLastError(std::string_view command, const absl::Status& reported, OutputFormat format) {
  const absl::Status status = WithOwnCpuTime(reported);
  WriteAtOnce(STDERR_FILENO, ErrorLine(command, status));
  if (format == OutputFormat::kJson && !ActsAsQemuImg()) {
    const int output = IsStandardOutputLeftToImage() ? STDERR_FILENO : STDOUT_FILENO;
    WriteAtOnce(output, ErrorJson(status) + "\n");
  }
  return ActsAsQemuImg() ? kExitFailure : FailureExitStatus(status);
}

}  // namespace hotcell::cli
