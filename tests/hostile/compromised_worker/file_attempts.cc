#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include <cerrno>

#include "guest/abi/abi.h"
#include "tests/hostile/compromised_worker/attempts.h"

namespace hotcell::tests {
namespace {

constexpr Layer kMounts = Layer::kMountNamespace;

Argument BeneathRoot() {
  constexpr open_how kHow = {.flags = O_RDONLY, .mode = 0, .resolve = RESOLVE_IN_ROOT};
  return Object(kHow);
}

}  // namespace

std::vector<Attempt> FileAttempts() {
  const auto passwd = [] { return Bytes("/etc/passwd"); };
  return {
      {"open", Chain().Call(SYS_open, {passwd(), O_RDONLY}), kMounts, {ENOENT}, {EMFILE}},
      {"openat",
       Chain().Call(SYS_openat, {AT_FDCWD, passwd(), O_RDONLY}),
       kMounts,
       {ENOENT},
       {EMFILE}},
      {"openat2",
       Chain().Call(SYS_openat2, {AT_FDCWD, passwd(), BeneathRoot(), sizeof(open_how)}),
       kMounts,
       {ENOENT},
       {EMFILE}},
      {"openat_of_a_parent_directory",
       Chain().Call(SYS_openat, {AT_FDCWD, Bytes("../../../../etc/passwd"), O_RDONLY}),
       kMounts,
       {ENOENT},
       {EMFILE}},
      {"openat_of_its_own_memory",
       Chain().Call(SYS_openat, {AT_FDCWD, Bytes("/proc/self/mem"), O_RDWR}),
       kMounts,
       {ENOENT},
       {EMFILE}},
      {"openat_of_kvm",
       Chain().Call(SYS_openat, {AT_FDCWD, Bytes("/dev/kvm"), O_RDWR}),
       kMounts,
       {ENOENT},
       {EMFILE}},
      {"list_the_root",
       Chain().Call(SYS_openat, {AT_FDCWD, Bytes("/"), O_RDONLY | O_DIRECTORY}),
       Layer::kLandlock,
       {EACCES},
       {EMFILE}},
      {"create_a_file",
       Chain().Call(SYS_creat, {Bytes("/file"), 0600}),
       kMounts,
       {EACCES, EROFS, ENOSPC},
       {EMFILE}},
      {"create_an_unnamed_file",
       Chain().Call(SYS_openat, {AT_FDCWD, Bytes("/"), O_TMPFILE | O_RDWR, 0600}),
       kMounts,
       {EACCES, EROFS, EOPNOTSUPP},
       {EMFILE}},
      {"mkdir", Chain().Call(SYS_mkdir, {Bytes("/directory"), 0700}), kMounts, {EACCES, EROFS}},
      {"mknod",
       Chain().Call(SYS_mknodat, {AT_FDCWD, Bytes("/disk"), 0060600, 0x800}),
       kMounts,
       {EACCES, EROFS, EPERM}},
      {"unlink", Chain().Call(SYS_unlink, {passwd()}), kMounts, {ENOENT}},
      {"rename",
       Chain().Call(SYS_rename, {passwd(), Bytes("/etc/other")}),
       kMounts,
       {ENOENT, EACCES, EXDEV}},
      {"symlink", Chain().Call(SYS_symlink, {passwd(), Bytes("/link")}), kMounts, {EACCES, EROFS}},
      {"stat", Chain().Call(SYS_stat, {passwd(), Space(256)}), kMounts, {ENOENT}},
      {"access", Chain().Call(SYS_faccessat, {AT_FDCWD, passwd(), 0}), kMounts, {ENOENT}},
      {"chmod", Chain().Call(SYS_chmod, {passwd(), 0777}), kMounts, {ENOENT}},
      {"truncate", Chain().Call(SYS_truncate, {passwd(), 0}), kMounts, {ENOENT}},
      {"getdents_of_a_descriptor",
       Chain().Call(SYS_getdents64, {0, Space(512), 512}),
       kTheKernel,
       {ENOTDIR}},
      {"name_to_handle_at",
       Chain().Call(SYS_name_to_handle_at, {AT_FDCWD, passwd(), Space(128), Space(8), 0}),
       kMounts,
       {ENOENT, EOVERFLOW}},
      {"open_by_handle_at",
       Chain().Call(
           SYS_open_by_handle_at,
           {AT_FDCWD, Bytes(std::string("\x08\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0", 16)), O_RDONLY}),
       Layer::kCapabilities,
       {EPERM}},
      {"io_uring",
       Chain().Call(SYS_io_uring_setup, {1, Space(120)}),
       Layer::kRlimits,  // of locked memory
       {ENOMEM, ENOSYS, EPERM}},
      {"inotify",
       Chain().Call(SYS_inotify_add_watch, {0, passwd(), IN_OPEN}),
       kTheKernel,
       {EINVAL, ENOENT}},
      {"fanotify", Chain().Call(SYS_fanotify_init, {0, 0}), Layer::kCapabilities, {EPERM, ENOSYS}},
      {"chdir", Chain().Call(SYS_chdir, {Bytes("/etc")}), kMounts, {ENOENT}},
      {"chroot", Chain().Call(SYS_chroot, {Bytes("/")}), Layer::kCapabilities, {EPERM}},
      {"write_into_standard_output",
       Chain().Call(SYS_write, {1, Bytes("words"), 5}),
       kOnlyTheFilter,
       {0}},
      {"pwrite_into_the_arena_descriptor",
       Chain().Call(SYS_pwrite64, {abi::kFdArena, Bytes("words"), 5, 0}),
       Layer::kClosedFds,
       {EBADF}},
      {"sendfile", Chain().Call(SYS_sendfile, {1, 0, 0, 1}), kOnlyTheFilter, {0, EINVAL}},
      {"splice_between_the_pipes",
       Chain().Call(SYS_tee, {abi::kFdControlIn, abi::kFdControlOut, 1, 2}),
       kOnlyTheFilter,
       {0, EAGAIN}},
  };
}

}  // namespace hotcell::tests
