"""A file system, /dev/fuse spoken without a library, whose files do not answer.

    with hanging_files.mounted("mnt", hangs_at="read"):
        ...  # mnt/disk.raw can be opened, and whoever reads it waits

Below `mnt` there are files of any name but `new*`. With hangs_at "read" they can be opened, and whoever
reads waits. With "open" they can be looked at, and whoever opens or makes one waits.

As the kernel has it, nobody can be killed whose request the server has taken, but for those who wait
for the page cache. So the server stops before it takes an open, and after it has taken a read.
"""

import contextlib
import ctypes
import os
import select
import signal
import struct
import time

from support import harness, programs

SIZE = 4 << 20

_HEADER = struct.Struct("<IIQQIIII")
_LOOKUP, _GETATTR, _OPEN, _READ, _INIT = 1, 3, 14, 15, 26
_ASYNC_READ = 1
_ENOSYS, _ENOENT = 38, 2
_ROOT, _FILE = 1, 2
_LONG = 3600  # seconds for which the kernel may believe what it was told


def _attributes(node):
    mode = 0o40777 if node == _ROOT else 0o100666
    return struct.pack("<6Q10I", node, SIZE, SIZE // 512, 0, 0, 0, 0, 0, 0, mode, 1, os.getuid(),
                       os.getgid(), 0, 4096, 0)


def _entry(node):
    return struct.pack("<4Q2I", node, 0, _LONG, _LONG, 0, 0) + _attributes(node)


def _answer(opcode, node, body):
    """The body of an answer, or an errno."""
    if opcode == _INIT:
        return struct.pack("<4I2H2I2H8I", 7, 31, 0, _ASYNC_READ, 16, 12, 1 << 20, 1, 32, 0,
                           *[0] * 8)
    if opcode == _LOOKUP:
        return _ENOENT if body.startswith((b"new", b".")) else _entry(_FILE)
    if opcode == _GETATTR:
        return struct.pack("<Q2I", _LONG, 0, 0) + _attributes(node)
    if opcode == _OPEN:
        return struct.pack("<Q2I", 1, 0, 0)
    return _ENOSYS


def _serve(device, hangs_at, log):
    while True:
        request = os.read(device, 2 << 20)
        _, opcode, unique, node, *_ = _HEADER.unpack_from(request)
        if opcode == _READ:
            _stop(log)
        answer = _answer(opcode, node, request[_HEADER.size:])
        error = answer if isinstance(answer, int) else 0
        body = b"" if error else answer
        with contextlib.suppress(FileNotFoundError):  # whoever asked was interrupted
            os.write(device, struct.pack("<IiQ", 16 + len(body), -error, unique) + body)
        if opcode == _LOOKUP and hangs_at == "open":
            _stop(log)


def _stop(log):
    os.write(log, b"stopped")
    while True:
        signal.pause()


@contextlib.contextmanager
def mounted(directory, hangs_at):
    """To be used in a mount namespace of the test's own. Gives what tells whether it hangs."""
    programs.require_root()
    os.makedirs(directory, exist_ok=True)
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise harness.Skip(f"/dev/fuse is unusable: {error.strerror}") from error
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"hanging", os.fsencode(directory), b"fuse", 0, options) != 0:
        raise harness.Skip(f"no FUSE: {os.strerror(ctypes.get_errno())}")
    read_end, log = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    server = os.fork()
    if server == 0:
        try:
            _serve(device, hangs_at, log)
        finally:
            os._exit(1)  # pylint: disable=protected-access
    os.close(device)
    os.close(log)
    try:
        yield lambda: bool(select.select([read_end], [], [], 0)[0])
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
        os.close(read_end)
        programs.must(["umount", "-l", directory])


def wait_for(condition, what):
    deadline = time.monotonic() + programs.TIMEOUT_SECONDS
    while not condition():
        harness.check(time.monotonic() < deadline, f"in vain waited for {what}")
        time.sleep(0.02)
