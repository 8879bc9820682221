// Whether it may take time to give up the files that this process has.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_SERVED_FILES_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_SERVED_FILES_H_

namespace hotcell::cli {

// Whether a file is open that its kernel does not keep by itself, but a server over the network or
// in a process, which is asked when the file is closed. No file system is asked here. What cannot
// be told counts as one.
bool HasServedFiles();

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_SERVED_FILES_H_
