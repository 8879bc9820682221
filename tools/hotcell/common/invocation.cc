#include "tools/hotcell/common/invocation.h"

#include "hotcell/failure.h"
#include "hotcell/remedy.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/remedies.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

bool acts_as_qemu_img = false;

constexpr std::string_view kTryHelp = "\nTry 'qemu-img --help' for more information";

constexpr std::string_view kSuffixes =
    "\nqemu-img: kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.";

std::string AskWhoUses(std::string_view path) {
  return Cat("\nIs another process using the image [", Escape(path), "]?");
}

// "cannot open 'X': WHY" becomes "Could not open 'X': Could not open 'X': WHY".
std::string OpenMessage(const absl::Status& status, std::string_view what) {
  constexpr std::string_view kOurs = "cannot open ";
  const std::string where = Cat("Could not open ", what, ": ");
  const bool in_use = ErrorIdOf(status) == ErrorId::kInUse;
  const std::string_view why =
      View(status.message()).substr(kOurs.size() + what.size() + std::string_view(": ").size());
  return Cat(Escape(Cat(where, in_use ? "" : where, why)),
             in_use ? AskWhoUses(ErrorSubject(status)) : "");
}

}  // namespace

void SetInvokedAs(std::string_view path) {
  acts_as_qemu_img = path.substr(path.rfind('/') + 1) == "qemu-img";
}

bool ActsAsQemuImg() { return acts_as_qemu_img; }

std::optional<std::string> QemuImgMessage(const absl::Status& status) {
  if (const std::optional<std::string> what = NotOpened(status)) return OpenMessage(status, *what);
  switch (ErrorIdOf(status)) {
    case ErrorId::kUsage:
      return Cat(MessageWithRemedy(status), kTryHelp);
    case ErrorId::kNoCommand:
      return Cat("Not enough arguments", kTryHelp);
    case ErrorId::kUnknownCommand:
      return Cat("Command not found: ", Escape(ErrorSubject(status)), kTryHelp);
    case ErrorId::kUnknownFormat:
      return Cat("Unknown file format '", Escape(ErrorSubject(status)), "'");
    case ErrorId::kNotASize:
      return Cat(MessageWithRemedy(status), kSuffixes);
    case ErrorId::kInUse:
      return Cat(MessageWithRemedy(status), AskWhoUses(ErrorSubject(status)));
    case ErrorId::kOther:
      break;
  }
  const bool is_usage = RemedyOf(status).value_or(RemedyNote()).remedy == Remedy::kSeeUsage;
  if (is_usage) return Cat(MessageWithRemedy(status), kTryHelp);
  return std::nullopt;
}

}  // namespace hotcell::cli
