// What the command has from whoever started it, put right as far as it stands in its way.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_INHERITED_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_INHERITED_H_

namespace hotcell::cli {

// To be called first thing. False, with errno: a standard descriptor is closed and /dev/null cannot
// take its place.
//   - Standard descriptors that are closed become /dev/null: messages would go into the first file
//     opened. Writing to such a standard output fails, but not acting as qemu-img.
//   - SIGCHLD is not ignored, so that it is known how a worker died.
//   - Acting as qemu-img, a write to a pipe that nobody reads fails, and does not end the process.
//   - A write beyond RLIMIT_FSIZE is an error of that write, not the end of the process.
//   - The soft limit on open files is as high as the hard one lets it be, up to the usual 1024.
bool AdaptToInherited();

// Calls main(argc, argv) on a stack that is large enough whatever the inherited RLIMIT_STACK.
int CallWithStack(int (*main)(int, char**), int argc, char** argv);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_INHERITED_H_
