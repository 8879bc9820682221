// What can be done about an error, as a number: each program says it in its own terms, a command as
// its option, a service as a field of its requests.
//
//   absl::StatusOr<hotcell::DigestReply> reply = engine->Digest(request);
//   const std::optional<hotcell::RemedyNote> note = hotcell::RemedyOf(reply.status());
//   if (note && note->remedy == hotcell::Remedy::kRaiseVirtualSize) OfferLargerDisks();
//
// The error's message states the fact alone. It is whole without the remedy.
#ifndef HOTCELL_REMEDY_H_
#define HOTCELL_REMEDY_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace hotcell {

enum class Remedy {
  kNone,

  kRaiseVirtualSize,   // Limits::virtual_size
  kRaiseChainDepth,    // Limits::chain_depth
  kRaiseReportBytes,   // Limits::report_bytes
  kRaiseWallTime,      // Limits::wall_time
  kRaiseCpuTime,       // Limits::cpu_time
  kRaiseReferences,    // Limits::references
  kRaiseBytesRead,     // Limits::bytes_read
  kRaiseBytesWritten,  // Limits::bytes_written
  kRaiseOutputBytes,   // Limits::output_bytes
  kRaiseMemory,        // Limits::guest_memory
  kRaiseCpuLimit,      // RLIMIT_CPU of this process, setrlimit(2)

  kRemoveBitmaps,  // of the image, with the program that made them
  kMakeAnew,       // ConvertRequest::target_exists left out

  // The subject is the reference as the image names it, not escaped.
  kAllowReference,         // ReferencePolicy::Map, or FollowBelow
  kMapReference,           // ReferencePolicy::Map
  kMapReferenceElsewhere,  // the same for a name that leads below none of the directories
  kMapOrFollowReference,   // the same, or FollowBelow for the mount it is in
  kChooseReference,        // the same, to say which of two files is meant
  kMapReferenceInstead,    // the same, where the kernel cannot follow references

  kNameWorker,     // EngineOptions::worker_path
  kInstallWorker,  // where it is looked for, or the same
  kLoadKvm,        // the module, or pass the device on to a container
  kAllowKvm,       // let this user, or this container, open the device
  kExamineKvm,     // find out why the device cannot be opened

  kSeeUsage,  // what requests there are, where one was made that is not known
};
inline constexpr Remedy kLastRemedy = Remedy::kSeeUsage;

// A remedy and its place in the message, for who tells both in one line.
struct RemedyNote {
  Remedy remedy = Remedy::kNone;
  std::string subject;  // what the error is about, such as a file's name; may be empty
  size_t place = 0;     // bytes of the message that come before the remedy
  size_t replaced = 0;  // bytes of the message behind that, which the remedy's words say too
};

// What can be done, where that is known.
std::optional<RemedyNote> RemedyOf(const absl::Status& status);

// Notes what can be done; its place is the message's end. OK stays OK, and a later remedy replaces
// an earlier one.
absl::Status WithRemedy(absl::Status status, Remedy remedy);
// The same with a subject, and with a place of its own.
absl::Status WithRemedy(absl::Status status, const RemedyNote& note);

}  // namespace hotcell

#endif  // HOTCELL_REMEDY_H_
