#include "tools/hotcell/command.h"

int main(int argc, char** argv) { return hotcell::cli::Main(argc, argv); }
