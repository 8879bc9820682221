"""Changes what a test sees of the machine without changing the machine: a mount namespace of its own."""

import ctypes
import os

from support import harness, programs

_CLONE_NEWNS = 0x00020000


def enter():
    """Gives this process a private mount namespace. Skips where it must not have one."""
    programs.require_root()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise harness.Skip(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    programs.must(["mount", "--make-rprivate", "/"])


def mount_tmpfs(directory, size_kib):
    programs.must(["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", directory])


def unmount(directory):
    programs.must(["umount", directory])


def make_read_only(directory):
    programs.must(["mount", "--bind", directory, directory])
    programs.must(["mount", "-o", "remount,bind,ro", directory])


def replace_kvm(scratch, mode):
    """Puts a /dev/kvm with other permissions over the machine's, in this namespace only."""
    node = os.path.join(scratch, "kvm")
    mount_tmpfs(scratch, 64)
    os.mknod(node, 0o600 | 0o020000, os.stat("/dev/kvm").st_rdev)
    os.chmod(node, mode)
    programs.must(["mount", "--bind", node, "/dev/kvm"])


def hide_kvm(scratch):
    """Takes /dev/kvm away: /dev holds the usual nodes and nothing else."""
    devices = {name: os.stat(f"/dev/{name}").st_rdev
               for name in ("null", "zero", "full", "random", "urandom")}
    os.makedirs(scratch, exist_ok=True)
    mount_tmpfs(scratch, 64)
    for name, device in devices.items():
        os.mknod(os.path.join(scratch, name), 0o666 | 0o020000, device)
        os.chmod(os.path.join(scratch, name), 0o666)
    os.symlink("/proc/self/fd", os.path.join(scratch, "fd"))
    programs.must(["mount", "--move", scratch, "/dev"])
