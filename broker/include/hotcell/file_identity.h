// Which file a descriptor or a name stands for, so that one file with two names is not both read
// and replaced.
#ifndef HOTCELL_FILE_IDENTITY_H_
#define HOTCELL_FILE_IDENTITY_H_

#include <sys/types.h>

namespace hotcell {

// What tells files apart, whatever their names.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;

  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

}  // namespace hotcell

#endif  // HOTCELL_FILE_IDENTITY_H_
