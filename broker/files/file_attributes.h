// Handing what a file allows, and to whom, to the file that takes its place.
#ifndef HOTCELL_BROKER_FILES_FILE_ATTRIBUTES_H_
#define HOTCELL_BROKER_FILES_FILE_ATTRIBUTES_H_

#include <sys/stat.h>

namespace hotcell::broker {

// Gives the new file `to` the owner, group, permissions, access ACL and extended attributes of
// `from` (any descriptor, O_PATH too; `info` is its), as far as the caller may: without the right
// to give files away the new file is the caller's, as with any other program that replaces files.
// Nobody gets a right that `from` did not give: where a group or an ACL cannot be kept, what it
// stood for is left out. Set-id bits and file capabilities are for programs, and end here. Returns
// an errno; 0 is success.
int GiveAttributes(int from, const struct stat& info, int to);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILES_FILE_ATTRIBUTES_H_
