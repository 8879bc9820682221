"""Images that other programs have open: the locks of QEMU, and qemu-img's words for them."""

import os
import subprocess

from support import content, files, harness, image_locks, programs

_MIB = 1 << 20
# What QEMU's raw images let others do, a guest's disk does not (QEMU, block/file-posix.c).
_WRITES, _FORBIDS_WRITING, _FORBIDS_RESIZING = 101, 201, 203

# The command lines that write to a file, by the file.
_WRITERS = {
    "h.qcow2": (["convert", "-n", "-O", "qcow2", "s.raw", "h.qcow2"],
                ["convert", "-O", "qcow2", "s.raw", "h.qcow2"],
                ["convert", "-O", "vmdk", "s.raw", "h.qcow2"],
                ["convert", "-O", "raw", "s.raw", "h.qcow2"],
                ["dd", "-O", "qcow2", "if=s.raw", "of=h.qcow2"],
                ["create", "-q", "-f", "qcow2", "h.qcow2", "1M"]),
    "h.raw": (["convert", "-n", "-O", "raw", "s.raw", "h.raw"],
              ["convert", "-O", "raw", "s.raw", "h.raw"],
              ["convert", "-O", "qcow2", "s.raw", "h.raw"],
              ["dd", "if=s.raw", "of=h.raw"], ["create", "-q", "h.raw", "1M"]),
}


def _make_files():
    programs.require_kvm()
    programs.require_program("qemu-img")
    if not os.path.exists("link"):
        os.mkdir("link")
        os.symlink(programs.HOTCELL, "link/qemu-img")
    for name in ("h.qcow2", "h.raw"):
        programs.qemu_img("create", "-q", "-f", name.partition(".")[2], name, "1M")
    with open("s.raw", "wb") as source:
        source.write(os.urandom(_MIB))


def _both(*arguments):
    """qemu-img's end and ours through the link, which are the same."""
    theirs = programs.run(["qemu-img", *arguments])
    ours = programs.run(["link/qemu-img", *arguments])
    harness.check_equal((ours.returncode, ours.stderr), (theirs.returncode, theirs.stderr),
                        f"{arguments}")
    return theirs


def _check_refused(image, what):
    with open(image, "rb") as file:
        before = (file.read(), os.fstat(file.fileno()).st_ino)
    for arguments in _WRITERS[image]:
        harness.check(_both(*arguments).returncode == 1, f"{what}: {arguments} is not refused")
        result = programs.hotcell(*arguments)
        harness.check_equal(result.returncode, 1, f"{what}: {arguments}: exit status")
        harness.check(b"lock; another process uses the image" in result.stderr, result.stderr)
    with open(image, "rb") as file:
        harness.check((file.read(), os.fstat(file.fileno()).st_ino) == before,
                      f"{what}: it was changed")


def _check_taken(image, what):
    for arguments in _WRITERS[image]:
        result = programs.run(["link/qemu-img", *arguments])
        harness.check_equal((result.returncode, result.stderr), (0, b""), f"{what}: {arguments}")


def _targets_of_qemu(_):
    _make_files()
    for arguments in ([], ["-r"]):
        with image_locks.opened_by_qemu(*arguments, "-f", "qcow2", "h.qcow2"):
            _check_refused("h.qcow2", f"{arguments}")
    with image_locks.opened_by_qemu("-r", "-f", "raw", "h.raw"):
        _both(*_WRITERS["h.raw"][0])  # a raw image has several users
    _check_taken("h.qcow2", "nobody has it")
    _check_taken("h.raw", "nobody has it")


def _targets_of_guests(_):
    _make_files()
    fd = image_locks.lock("h.raw", _FORBIDS_WRITING)
    _check_refused("h.raw", "a guest's disk")
    os.close(fd)
    # The lock is that of qemu-nbd on what it serves: overwritten it may be, and no more.
    fd = image_locks.lock("h.raw", _FORBIDS_RESIZING)
    for arguments in _WRITERS["h.raw"]:
        _both(*arguments)
    os.close(fd)
    _check_taken("h.raw", "nobody has it")


def _targets_that_are_named_otherwise(_):
    """The lock is the file's, whatever leads there."""
    _make_files()
    os.symlink("h.qcow2", "symlink")
    with image_locks.opened_by_qemu("-f", "qcow2", "h.qcow2"):
        result = programs.hotcell("convert", "-O", "raw", "s.raw", "symlink")
        harness.check_equal(result.returncode, 1, "symbolic link")
        with open("h.qcow2", "r+b") as target:
            result = programs.hotcell("convert", "-O", "raw", "s.raw",
                                      f"/dev/fd/{target.fileno()}", pass_fds=[target.fileno()])
        harness.check_equal(result.returncode, 1, "descriptor")
        harness.check(b"lock; another process" in result.stderr, result.stderr)
        programs.must_hotcell("create", "-q", "other.raw", "1M")


def _inputs(_):
    _make_files()
    programs.qemu_img("convert", "-O", "qcow2", content.pattern(), "h.qcow2")
    with image_locks.opened_by_qemu("-f", "qcow2", "h.qcow2"):
        for arguments in (["h.qcow2", "out"], ["s.raw", "h.qcow2", "out"],
                          ["-f", "raw", "h.qcow2", "out"]):
            harness.check_equal(_both("convert", "-O", "raw", *arguments).returncode, 1, arguments)
            result = programs.hotcell("convert", "-O", "raw", *arguments)
            harness.check(result.returncode == 1 and b"; another process writes to the image; -U "
                          b"copies it all the same" in result.stderr, result.stderr)
        harness.check(not os.path.exists("out"), "something was written")
        for option in ("-U", "--force-share"):
            programs.must_hotcell("convert", option, "-O", "raw", "h.qcow2", "out")
            harness.check(files.first_difference("out", content.pattern()) is None, option)
    with image_locks.opened_by_qemu("-r", "-f", "qcow2", "h.qcow2"):
        programs.must_hotcell("convert", "-O", "raw", "h.qcow2", "out")
    for byte, expected in ((_WRITES, 1), (_FORBIDS_WRITING, 0)):
        fd = image_locks.lock("s.raw", byte)
        harness.check_equal(_both("convert", "-O", "raw", "s.raw", "out").returncode, expected,
                            f"lock {byte}")
        os.close(fd)


def _inputs_meanwhile(_):
    """Nobody of QEMU's writes to what is being converted."""
    _make_files()
    with open("large.raw", "wb") as large:
        large.write(os.urandom(16 * _MIB))
    programs.qemu_img("create", "-q", "-f", "qcow2", "old.qcow2", "1M")
    command = [programs.HOTCELL, "convert", "-p", "-r", "4M", "-O", "raw", "large.raw", "old.qcow2"]
    # pylint: disable-next=consider-using-with
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        harness.check(process.stdout.read(1), "it does not begin")
        for write in (["qemu-io", "-f", "qcow2", "-c", "write 0 64k", "old.qcow2"],
                      ["qemu-img", "convert", "-O", "qcow2", "s.raw", "large.raw"]):
            result = programs.run(write)
            harness.check(result.returncode == 1 and b"lock" in result.stderr, f"{write}: {result}")
        programs.must(["qemu-img", "info", "large.raw"])
    finally:
        process.kill()
        process.communicate()


harness.main({
    "targets-of-qemu": _targets_of_qemu,
    "targets-of-guests": _targets_of_guests,
    "targets-that-are-named-otherwise": _targets_that_are_named_otherwise,
    "inputs": _inputs,
    "inputs-meanwhile": _inputs_meanwhile,
})
