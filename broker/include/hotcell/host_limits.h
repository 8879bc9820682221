// Limits that a process has from whoever started it, for messages.
#ifndef HOTCELL_HOST_LIMITS_H_
#define HOTCELL_HOST_LIMITS_H_

#include <string>

namespace hotcell {

// "" or, to be put behind an error's text, " (RLIMIT_NOFILE is 20, see ulimit -n)": which limits of
// this process stand behind an errno of a call that asked for a descriptor (EMFILE), a process or a
// thread (EAGAIN), memory (ENOMEM) or a longer file (EFBIG).
std::string ExplainErrno(int error);

}  // namespace hotcell

#endif  // HOTCELL_HOST_LIMITS_H_
