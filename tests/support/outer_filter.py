"""A seccomp filter as containers put round what runs in them: it answers calls with an errno."""

import ctypes
import os
import struct

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000

_NUMBER = 0  # of struct seccomp_data: the system call's number, and where its arguments begin
_ARGUMENTS = 16

# asm/unistd_64.h.
CALLS = {
    "mmap": 9, "rt_sigaction": 13, "rt_sigprocmask": 14, "ioctl": 16, "pipe2": 293, "madvise": 28,
    "getpid": 39, "clone": 56, "setrlimit": 160, "fcntl": 72, "ftruncate": 77, "getrlimit": 97,
    "setsid": 112, "capset": 126, "personality": 135, "pivot_root": 155, "prctl": 157,
    "mount": 165, "umount2": 166, "gettid": 186, "sched_getaffinity": 204, "keyctl": 250,
    "unshare": 272, "set_robust_list": 273, "fallocate": 285, "eventfd2": 290, "dup3": 292,
    "prlimit64": 302, "seccomp": 317, "getrandom": 318, "memfd_create": 319, "execveat": 322,
    "userfaultfd": 323, "rseq": 334, "pidfd_send_signal": 424, "io_uring_setup": 425,
    "io_uring_enter": 426, "io_uring_register": 427, "move_mount": 429, "fsopen": 430,
    "fsconfig": 431, "fsmount": 432, "clone3": 435, "close_range": 436, "waitid": 247,
    "landlock_create_ruleset": 444, "landlock_add_rule": 445, "landlock_restrict_self": 446,
    "statx": 332, "timer_create": 222,
}


def _instruction(code, true, false, value):
    return struct.pack("=HBBI", code, true, false, value)


class Filter:
    """Used as preexec_fn: subprocess.run(command, preexec_fn=Filter().refuse("prctl", errno.EPERM))."""

    def __init__(self):
        self._rules = b""

    def refuse(self, call, error):
        self._rules += _instruction(_JUMP_EQUAL, 0, 1, CALLS[call])
        self._rules += _instruction(_RETURN, 0, 0, _ERRNO | error)
        return self

    def refuse_with_bits(self, call, argument, bits, error):
        """Only with any of `bits` in the lower half of the argument."""
        self._rules += _instruction(_JUMP_EQUAL, 0, 4, CALLS[call])
        self._rules += _instruction(_LOAD_WORD, 0, 0, _ARGUMENTS + 8 * argument)
        self._rules += _instruction(_JUMP_ANY_BIT, 0, 1, bits)
        self._rules += _instruction(_RETURN, 0, 0, _ERRNO | error)
        self._rules += _instruction(_LOAD_WORD, 0, 0, _NUMBER)
        return self

    def __call__(self):
        program = _instruction(_LOAD_WORD, 0, 0, _NUMBER) + self._rules
        program += _instruction(_RETURN, 0, 0, _ALLOW)
        code = ctypes.create_string_buffer(program, len(program))
        header = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
        libc = ctypes.CDLL(None, use_errno=True)
        for arguments in ((_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                          (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0)):
            if libc.prctl(*arguments) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def container(error):
    """What Docker's default profile refuses without CAP_SYS_ADMIN, of what we call; `error` is its
    answer to clone3, which differs with its age."""
    import errno
    namespaces = 0x7E020000
    refusals = Filter().refuse("clone3", error)
    refusals.refuse_with_bits("clone", 0, namespaces, errno.EPERM)
    for call in ("unshare", "mount", "umount2", "pivot_root", "keyctl", "fsopen", "fsconfig",
                 "fsmount", "move_mount", "userfaultfd", "io_uring_setup", "io_uring_enter",
                 "io_uring_register"):
        refusals.refuse(call, errno.EPERM)
    return refusals
