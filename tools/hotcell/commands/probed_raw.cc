#include "tools/hotcell/commands/probed_raw.h"

#include <string>

#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/error.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/invocation.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {

void WarnOfProbedRaw(std::string_view command, std::string_view path) {
  if (!ActsAsQemuImg()) {
    PrintWarning(command, Cat("'", path, "' was found out to be raw, which is for whoever writes ",
                              "to its disk to decide; name its format: -f raw"));
    return;
  }
  const std::string text =
      Cat("WARNING: Image format was not specified for '", Escape(path),
          "' and probing guessed raw.\n"
          "         Automatically detecting the format is dangerous for raw images, write "
          "operations on block 0 will be restricted.\n"
          "         Specify the 'raw' format explicitly to remove the restrictions.\n");
  PrintToStderr(text);
}

}  // namespace hotcell::cli
