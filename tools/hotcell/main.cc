#include "tools/hotcell/command.h"
#include "tools/hotcell/inherited.h"

int main(int argc, char** argv) {
  return hotcell::cli::CallWithStack(&hotcell::cli::Main, argc, argv);
}
