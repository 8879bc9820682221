#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/userfaultfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cerrno>

#include "guest/abi/abi.h"
#include "tests/hostile/compromised_worker/attempts.h"

namespace hotcell::tests {
namespace {

constexpr int kAll = PROT_READ | PROT_WRITE | PROT_EXEC;
constexpr int64_t kPage = 4096;

Chain MapArena(int protection, int flags) {
  return Chain().Call(SYS_mmap, {0, kPage, protection, flags, abi::kFdArena, 0});
}

Chain Memfd() { return Chain().Call(SYS_memfd_create, {Bytes("m"), 0}); }

}  // namespace

std::vector<Attempt> MemoryAttempts() {
  return {
      {"map_executable",
       Chain().Call(SYS_mmap, {0, kPage, kAll, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}),
       Layer::kDenyWriteExecute,
       {EACCES}},
      {"map_at_all",
       Chain().Call(SYS_mmap, {0, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}),
       kOnlyTheFilter,
       {0},
       {ENOMEM}},
      {"map_the_null_page",
       Chain().Call(SYS_mmap,
                    {0, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0}),
       Layer::kCapabilities,
       {EPERM, EACCES}},
      {"map_the_arena_executable", MapArena(kAll, MAP_SHARED), Layer::kClosedFds, {EBADF}},
      {"map_the_arena_again",
       MapArena(PROT_READ | PROT_WRITE, MAP_SHARED),
       Layer::kClosedFds,
       {EBADF}},
      {"make_data_executable",
       Chain()
           .Call(SYS_mmap, {0, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0})
           .Call(SYS_mprotect, {Result(0), kPage, kAll}),
       Layer::kDenyWriteExecute,
       {EACCES},
       {EINVAL}},
      {"make_text_writable",
       Chain().Call(SYS_mprotect, {TextPage(), kPage, kAll}),
       Layer::kDenyWriteExecute,
       {EACCES}},
      {"pkey_mprotect",
       Chain().Call(SYS_pkey_mprotect, {TextPage(), kPage, kAll, -1}),
       Layer::kDenyWriteExecute,
       {EACCES}},
      {"pkey_alloc",
       Chain().Call(SYS_pkey_alloc, {0, 0}),
       kOnlyTheFilter,
       {0, ENOSPC, EINVAL, ENOSYS}},
      {"remap_file_pages",
       Chain().Call(SYS_remap_file_pages, {DataPage(), kPage, 0, 1, 0}),
       kTheKernel,
       {EINVAL}},
      {"mremap",
       Chain().Call(SYS_mremap, {DataPage(), kPage, 2 * kPage, 0, 0}),
       kOnlyTheFilter,
       {0, ENOMEM}},
      {"munmap", Chain().Call(SYS_munmap, {0x10000, kPage}), kOnlyTheFilter, {0}},
      {"brk", Chain().Call(SYS_brk, {0}), kOnlyTheFilter, {0}},
      {"madvise", Chain().Call(SYS_madvise, {0, 0, MADV_NORMAL}), kOnlyTheFilter, {0}},
      {"mlock", Chain().Call(SYS_mlockall, {MCL_CURRENT}), Layer::kRlimits, {EPERM, ENOMEM}},
      {"memfd_create", Memfd(), kOnlyTheFilter, {0}, {EMFILE}},
      // A memfd is a file: of RLIMIT_FSIZE, which is 0 bytes.
      {"write_a_program_into_a_memfd",
       Memfd().Call(SYS_write, {Result(0), Bytes("\x7f\x45\x4c\x46"), 4}),
       Layer::kRlimits,
       {EFBIG},
       {EBADF}},
      {"grow_a_memfd",
       Memfd().Call(SYS_ftruncate, {Result(0), kPage}),
       Layer::kRlimits,
       {EFBIG},
       {EBADF}},
      {"execute_a_memfd",
       Memfd()
           .Call(SYS_write, {Result(0), Bytes("#!/bin/sh\n"), 10})
           .Call(SYS_execveat, {Result(0), Bytes(""), 0, 0, AT_EMPTY_PATH}),
       Layer::kRlimits,
       {ENOEXEC, EACCES},
       {EBADF}},
      {"memfd_secret",
       Chain().Call(SYS_memfd_secret, {0}),
       kOnlyTheFilter,
       {0, ENOSYS},
       {EMFILE, ENOSYS}},
      {"userfaultfd",
       Chain().Call(SYS_userfaultfd, {O_CLOEXEC}),
       Layer::kCapabilities,
       {EPERM, ENOSYS}},
      {"userfaultfd_of_user_mode",
       Chain().Call(SYS_userfaultfd, {O_CLOEXEC | UFFD_USER_MODE_ONLY}),
       kOnlyTheFilter,
       {0, ENOSYS},
       {EMFILE, ENOSYS}},
      {"shmat", Chain().Call(SYS_shmat, {0, 0, 0}), Layer::kIpcNamespace, {EINVAL}},
      {"vmsplice",
       Chain().Call(SYS_vmsplice, {abi::kFdControlIn, Space(16), 1, 0}),
       kTheKernel,
       {EBADF, EINVAL, 0}},
      {"truncate_the_arena",
       Chain().Call(SYS_ftruncate, {abi::kFdArena, 0}),
       Layer::kClosedFds,
       {EBADF}},
      {"grow_the_arena",
       Chain().Call(SYS_ftruncate, {abi::kFdArena, int64_t{1} << 40}),
       Layer::kClosedFds,
       {EBADF}},
      {"fallocate_the_arena",
       Chain().Call(SYS_fallocate, {abi::kFdArena, 0, 0, int64_t{1} << 40}),
       Layer::kClosedFds,
       {EBADF}},
      {"punch_a_hole_into_the_arena",
       Chain().Call(SYS_fallocate,
                    {abi::kFdArena, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, kPage}),
       Layer::kClosedFds,
       {EBADF}},
      {"seal_the_arena_against_writing",
       Chain().Call(SYS_fcntl, {abi::kFdArena, F_ADD_SEALS, F_SEAL_WRITE}),
       Layer::kClosedFds,
       {EBADF}},
  };
}

}  // namespace hotcell::tests
