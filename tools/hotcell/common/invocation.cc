#include "tools/hotcell/common/invocation.h"

#include <algorithm>
#include <iterator>

#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

bool acts_as_qemu_img = false;

constexpr std::string_view kTryHelp = "\nTry 'qemu-img --help' for more information";

// Mistakes in the command line, after which qemu-img points to its help.
constexpr std::string_view kUsageErrors[] = {"missing operand", "unexpected operand",
                                             "unknown option", "no command is given", "Expecting "};

struct Wording {
  std::string_view ours;  // how a message begins
  std::string_view qemu_img;
};

constexpr Wording kWordings[] = {
    {"unknown file format", "Unknown file format"},
    {"no command is given", "Not enough arguments"},
};

constexpr std::string_view kAsksForSuffix = "suffixes for";  // how ParseSize() ends
constexpr std::string_view kSuffixes =
    "\nqemu-img: kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.";
// What a message ends with where another program's lock is in the way, and the end's beginning.
constexpr std::string_view kLocked = "\" lock";
constexpr std::string_view kFailedToLock = ": Failed to get ";

std::string AskWhoUses(std::string_view path) {
  return Cat("\nIs another process using the image [", path, "]?");
}

// "cannot open 'X': WHY" becomes "Could not open 'X': Could not open 'X': WHY".
std::string OpenMessage(std::string_view message) {
  constexpr std::string_view kOurs = "cannot open '";
  if (!message.starts_with(kOurs)) return "";
  const size_t end = message.find("': ", kOurs.size());
  if (end == std::string_view::npos) return "";
  const std::string_view path = message.substr(kOurs.size(), end - kOurs.size());
  const std::string where = Cat("Could not open '", path, "': ");
  const std::string_view why = message.substr(end + 3);
  if (!why.ends_with(kLocked)) return Cat(where, where, why);
  return Cat(where, why, AskWhoUses(path));
}

// "X: Failed to get LOCK" and "X: error while DOING: Failed to get LOCK".
std::string MakingMessage(std::string_view message) {
  const size_t end = message.rfind(kFailedToLock);
  if (end == std::string_view::npos || !message.ends_with(kLocked)) return "";
  const std::string_view path = message.substr(0, end);
  return Cat(message, AskWhoUses(path.substr(0, path.rfind(": error while "))));
}

}  // namespace

void SetInvokedAs(std::string_view path) {
  acts_as_qemu_img = path.substr(path.rfind('/') + 1) == "qemu-img";
}

bool ActsAsQemuImg() { return acts_as_qemu_img; }

std::string QemuImgMessage(std::string_view message) {
  constexpr std::string_view kUnknownCommand = "unknown command '";
  if (message.starts_with(kUnknownCommand)) {
    message.remove_prefix(kUnknownCommand.size());
    return Cat("Command not found: ", message.substr(0, message.rfind('\'')), kTryHelp);
  }
  std::string text = OpenMessage(message);
  if (text.empty()) text = MakingMessage(message);
  if (text.empty()) text = std::string(message);
  for (const Wording& wording : kWordings) {
    if (!message.starts_with(wording.ours)) continue;
    text = Cat(wording.qemu_img, message.substr(wording.ours.size()));
  }
  if (message.ends_with(kAsksForSuffix)) text += kSuffixes;
  if (std::any_of(std::begin(kUsageErrors), std::end(kUsageErrors),
                  [&](std::string_view start) { return message.starts_with(start); })) {
    text += kTryHelp;
  }
  return text;
}

}  // namespace hotcell::cli
