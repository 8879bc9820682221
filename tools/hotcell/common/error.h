// Errors as the command tells them: one line for people, one object for programs.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_ERROR_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_ERROR_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace hotcell::cli {

// Adds what the user can do about it, to what the library may know (remedies.h). A later remedy of
// the command replaces an earlier one; OK stays OK.
absl::Status WithRemedy(absl::Status status, std::string_view remedy);
// What WithRemedy() has added; empty: nothing. What the library knows is RemedyText()'s.
std::string OwnRemedy(const absl::Status& status);

// Errors that have other words under the name qemu-img, besides NotOpened() and Remedy::kSeeUsage.
enum class ErrorId {
  kOther,
  kUsage,           // the command line makes no sense
  kNoCommand,       // there is no command in it
  kUnknownCommand,  // the subject is its name
  kUnknownFormat,   // the subject is its name
  kNotASize,        // in qemu-img's words already, to which it adds a line
  kInUse,           // the subject is the path of a file that another program has locked
};

absl::Status WithErrorId(absl::Status status, ErrorId id, std::string_view subject = "");
ErrorId ErrorIdOf(const absl::Status& status);
std::string ErrorSubject(const absl::Status& status);

// "cannot open 'x.qcow2': it is a socket"
absl::Status CannotOpen(absl::StatusCode code, std::string_view path, std::string_view why);
// "cannot open 'x.qcow2': No such file or directory", with the code that fits `error` (an errno).
absl::Status FileError(std::string_view action, std::string_view path, int error);

// "hotcell: convert: MESSAGE; REMEDY\n", escaped. `command` may be empty. As qemu-img
// (invocation.h): "qemu-img: MESSAGE\n", in its words.
std::string ErrorLine(std::string_view command, const absl::Status& status);

// {"error": {"code": ..., "kind": ..., "message": ..., "remedy": ..., "violation": {...}}}; the
// last two only where there is one. `kind` is a name of hotcell/failure.h.
std::string ErrorJson(const absl::Status& status);

// The word for a code in JSON. Part of the command's interface: "corrupt-image", "unsupported",
// "limit", "refused", "not-found", "invalid-argument", "deadline", "cancelled", "io", ...
std::string_view ErrorCodeName(absl::StatusCode code);

enum class OutputFormat { kHuman, kJson };

// kExitFailure, or what exit_codes.h has for errors that are a worker's, a guest's or KVM's.
int FailureExitStatus(const absl::Status& status);

// Writes to stderr. Who reads it may take as long as a job may (LastWallTime()); what has not found
// room by then is lost.
void PrintToStderr(std::string_view text);

// Prints the error line on stderr and, when the user asked for JSON, the object on stdout, where
// qemu-img prints none. Returns FailureExitStatus(), or kExitFailure as qemu-img.
int ReportError(std::string_view command, const absl::Status& status, OutputFormat format);

// ReportError() for a process that is about to end with its main thread in a call that does not
// return, which may have locked its streams: prints what the descriptors take at once, and no more.
int ReportLastError(std::string_view command, const absl::Status& status, OutputFormat format);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_ERROR_H_
