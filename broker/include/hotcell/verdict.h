// Whether a service may take a file for an image, by what the guest found out about it.
//
//   absl::StatusOr<hotcell::InspectReply> reply = engine->Inspect(request);
//   if (reply.ok() && hotcell::Judge(*reply, policy, request.options.limits).safe()) Take();
#ifndef HOTCELL_VERDICT_H_
#define HOTCELL_VERDICT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hotcell/engine.h"
#include "hotcell/remedy.h"

namespace hotcell {

struct VerdictPolicy {
  // Formats that are taken; empty: all but those that no service has a use for (QED).
  std::vector<std::string> allowed_formats;
  uint64_t max_virtual_size = 0;  // bytes; 0: no quota but Limits::virtual_size
  // How many times bigger than the file the disk may be; 0: any. A sparse image is mostly holes.
  uint64_t max_expansion = 0;
  // Bytes that programs in use may have to take to open the image. OpenStack's services open images
  // within an address space of 1 GiB, programs and libraries included.
  uint64_t max_reader_memory = 256 << 20;
};

// What a finding is about, for programs.
enum class VerdictCode : int32_t {
  // Reasons.
  kAmbiguousFormat,
  kCannotOpen,
  kChanged,  // the file changed while it was judged
  kCheckFailed,
  kCorrupt,
  kEncrypted,
  kExpansion,         // VerdictPolicy::max_expansion
  kForeignSignature,  // the file has the mark of one of another kind
  kFormatNotAllowed,  // VerdictPolicy::allowed_formats
  kNestedImage,
  kNotUnderstood,
  kReaderMemory,  // VerdictPolicy::max_reader_memory
  kReadersDiffer,
  kReference,  // the image names another file
  kTooBig,     // VerdictPolicy::max_virtual_size, Limits::virtual_size
  kVmdkType,
  // Anomalies.
  kDirty,
  kLeaks,
  kNoProtectiveMbr,
  kOddity,
  kSignature,
  kSnapshots,
  kTrailingData,
  kWarning,
};

// "ambiguous-format": the code in the command's documents, see docs/schema/inspect.json.
std::string_view VerdictCodeName(VerdictCode code);

// Something that speaks against the file, or that one should know.
struct Finding {
  VerdictCode code;
  std::string text;  // a sentence, escaped
  // What can be done about it, where it is an error for which that is known; its place is in
  // `text`.
  std::optional<RemedyNote> remedy = std::nullopt;
};

struct Verdict {
  std::vector<Finding> reasons;    // why it is not safe
  std::vector<Finding> anomalies;  // odd, and no reason by itself
  bool safe() const { return reasons.empty(); }
};

Verdict Judge(const InspectReply& reply, const VerdictPolicy& policy, const Limits& limits);

// OK when it is safe; otherwise an error of FailureKind::kUnsafe with the reasons, for
// InspectFirst::judge.
absl::Status VerdictStatus(const Verdict& verdict);

// Disk bytes for each byte of the file; 0: unknown.
double Expansion(const InspectReply& reply);

}  // namespace hotcell

#endif  // HOTCELL_VERDICT_H_
