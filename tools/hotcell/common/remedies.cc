#include "tools/hotcell/common/remedies.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_replace.h"
#include "hotcell/text.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

struct Wording {
  Remedy remedy;
  // Around the text, where it is told in one line with the message.
  std::string_view before;
  std::string_view text;  // $0: the option that maps the subject, a reference, to a file
  std::string_view after;
};

// clang-format off
constexpr Wording kWordings[] = {
    {Remedy::kRaiseVirtualSize, " (", "--limit virtual-size=SIZE", ")"},
    {Remedy::kRaiseChainDepth,  " (", "--limit chain-depth=COUNT", ")"},
    {Remedy::kRaiseReportBytes, " (", "--limit report-bytes=SIZE", ")"},
    {Remedy::kRaiseWallTime,    " (", "--timeout SECONDS", ")"},
    {Remedy::kRaiseCpuTime,     " (", "--limit cpu-time=SECONDS", ")"},
    {Remedy::kRaiseReferences,  " (", "--limit references=COUNT", ")"},
    {Remedy::kRaiseBytesRead,    " (", "--limit bytes-read=SIZE", ")"},
    {Remedy::kRaiseBytesWritten, " (", "--limit bytes-written=SIZE", ")"},
    {Remedy::kRaiseOutputBytes, " (", "--limit output-bytes=SIZE", ")"},
    {Remedy::kRaiseMemory,      "; ", "raise --memory", ""},
    {Remedy::kRaiseCpuLimit,    " (", "ulimit -t, prlimit --cpu", ")"},
    {Remedy::kRemoveBitmaps,    "; ", "'qemu-img bitmap --remove' takes them away", ""},
    {Remedy::kMakeAnew,         "; ", "without -n the image is made anew", ""},
    {Remedy::kAllowReference,   ": files named by images are opened only with ",
                                      "$0 or --follow-references=DIR", ""},
    {Remedy::kMapReference,           "; ", "$0 allows it", ""},
    {Remedy::kMapReferenceElsewhere,  " of --follow-references; ", "$0 allows it", ""},
    {Remedy::kMapOrFollowReference,   "; ", "$0 or another --follow-references=DIR allows it", ""},
    {Remedy::kChooseReference,        "; ", "$0 says which", ""},
    {Remedy::kMapReferenceInstead,    "; ", "$0 works without", ""},
    {Remedy::kNameWorker,       " (read /proc/self/exe; ", "--worker FILE names it", ")"},
    {Remedy::kInstallWorker,    "; ", "install it there or name it with --worker FILE "
                                      "(EngineOptions::worker_path)", ""},
    {Remedy::kLoadKvm,          " (",
     "load kvm_intel or kvm_amd, having enabled virtualization in the firmware, or nested "
     "virtualization where this is a virtual machine; pass the device on to a container: "
     "--device /dev/kvm", ")"},
    {Remedy::kAllowKvm,         " (",
     "let this user open it: usermod -aG kvm USER and log in again; in a container, pass it on "
     "with the group that owns it: --device /dev/kvm --group-add", ")"},
    {Remedy::kExamineKvm,       " (", "see `hotcell doctor`", ")"},
};
// clang-format on

// The option as a shell and then `hotcell convert` read it: between single quotes, and with escapes
// for what would end the name early.
std::string MappingOption(std::string_view name) {
  constexpr size_t kMaxPasted = 1023;  // the longest backing file name of qcow2
  if (name.size() > kMaxPasted) return "--backing";
  const std::string quoted = Quote(name, kMaxPasted);
  std::string option = "--backing '";
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] == '=') {
      option += "\\x3d";
    } else if (quoted[i] == '\\' && quoted[i + 1] == '\'') {
      option += "\\x27";
      ++i;
    } else if (quoted[i] == '\\') {
      option += quoted[i];
      option += quoted[++i];
    } else {
      option += quoted[i];
    }
  }
  return option + "=FILE'";
}

std::string TextOf(const Wording& wording, std::string_view subject) {
  return absl::StrReplaceAll(AbslView(wording.text), {{"$0", MappingOption(subject)}});
}

const Wording* FindWording(const std::optional<RemedyNote>& note) {
  if (!note.has_value()) return nullptr;
  const auto* const found = std::ranges::find(kWordings, note->remedy, &Wording::remedy);
  return found == std::end(kWordings) ? nullptr : found;
}

}  // namespace

std::string RemedyText(const absl::Status& status) {
  const std::optional<RemedyNote> note = RemedyOf(status);
  const Wording* const wording = FindWording(note);
  return wording == nullptr ? std::string() : TextOf(*wording, note->subject);
}

std::string MessageWithRemedy(const absl::Status& status) {
  return Escape(AddRemedy(View(status.message()), RemedyOf(status)));
}

std::string AddRemedy(std::string_view message, const std::optional<RemedyNote>& note) {
  const Wording* const wording = FindWording(note);
  if (wording == nullptr) return std::string(message);
  const size_t place = std::min(note->place, message.size());
  const size_t rest = place + std::min(note->replaced, message.size() - place);
  return Cat(message.substr(0, place), wording->before, TextOf(*wording, note->subject),
             wording->after, message.substr(rest));
}

}  // namespace hotcell::cli
