#include "tools/hotcell/commands/command.h"
#include "tools/hotcell/common/inherited.h"

int main(int argc, char** argv) {
  return hotcell::cli::CallWithStack(&hotcell::cli::Main, argc, argv);
}
