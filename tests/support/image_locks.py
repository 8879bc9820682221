"""QEMU's locks on image files, as other programs hold them."""

import contextlib
import fcntl
import os
import struct
import subprocess

from support import programs


def lock(path, byte):
    """Holds QEMU's lock `byte` on the file as long as the descriptor is open."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    request = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
    fcntl.fcntl(fd, 37, request)  # F_OFD_SETLK
    return fd


@contextlib.contextmanager
def opened_by_qemu(*arguments):
    """qemu-io has the image open meanwhile."""
    programs.require_program("qemu-io")
    with subprocess.Popen(["qemu-io", *arguments], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        process.stdin.write(b"length\n")
        process.stdin.flush()
        while b"iB" not in process.stdout.readline():
            pass
        yield
        process.stdin.close()
        process.wait(programs.TIMEOUT_SECONDS)
