"""Results that cannot be printed: a standard output that is closed, or that takes nothing.

A command that has something to say fails then; one that has nothing to say does not.
"""

import os

from support import content, files, harness, programs

_CLOSED = (">&-", b"hotcell: cannot write to standard output: Bad file descriptor; it is closed: "
           b"send it to a file, or to /dev/null\n")
_FULL = (">/dev/full", b"hotcell: cannot write to standard output: No space left on device\n")
# mov $'x', %al; mov $0x3f8, %dx; out %al, (%dx); hlt
_HELLO = bytes([0xB0, 0x78, 0x66, 0xBA, 0xF8, 0x03, 0xEE, 0xF4])

# Each has something to say. The exit status is that of an error of the command.
_RESULTS = [
    (["--version"], 1), (["--help"], 1), (["help", "convert"], 1), (["convert", "--help"], 1),
    (["policy"], 1), (["doctor"], 1),
    (["info", "a.qcow2"], 1), (["info", "--output=json", "a.qcow2"], 1),
    (["check", "a.qcow2"], 1), (["check", "--output=json", "a.qcow2"], 1),
    (["map", "a.qcow2"], 1), (["map", "--output=json", "a.qcow2"], 1),
    (["measure", "-O", "raw", "a.qcow2"], 1),
    (["inspect", "a.qcow2"], 1), (["inspect", "--output=json", "a.qcow2"], 1),
    (["digest", "a.qcow2"], 1), (["digest", "--output=json", "a.qcow2"], 1),
    (["snapshot", "-l", "snap.qcow2"], 1),
    (["compare", "a.qcow2", "a.raw"], 2),  # 1 would say that they differ
    (["compare", "a.qcow2", "zero.raw"], 2),
    (["compare", "--output=json", "a.qcow2", "a.raw"], 2),
    (["create", "new.raw", "1M"], 1), (["resize", "-f", "raw", "zero.raw", "2M"], 1),
    (["convert", "--output=json", "-O", "raw", "a.qcow2", "new.raw"], 1),
    (["run", "--mode", "long", "hello.bin"], 120),  # any other may be a guest's own code
    (["run", "--mode", "long", "--output=json", "hello.bin"], 120),
]
_SILENT = [
    ["convert", "-O", "raw", "a.qcow2", "new.raw"],
    ["convert", "-p", "-O", "raw", "a.qcow2", "new.raw"],
    ["dd", "if=a.qcow2", "of=new.raw"], ["create", "-q", "new.raw", "1M"],
    ["compare", "-q", "a.qcow2", "a.raw"], ["check", "-q", "a.qcow2"], ["inspect", "-q", "a.qcow2"],
]


def _make_files():
    programs.require_kvm()
    programs.qemu_img("convert", "-O", "qcow2", content.pattern(), "a.qcow2")
    programs.qemu_img("convert", "-O", "raw", "a.qcow2", "a.raw")
    programs.qemu_img("create", "-q", "zero.raw", "1M")
    programs.qemu_img("create", "-q", "-f", "qcow2", "snap.qcow2", "1M")
    programs.qemu_img("snapshot", "-c", "one", "snap.qcow2")
    with open("hello.bin", "wb") as program:
        program.write(_HELLO)


def _shell(program, arguments, redirection):
    return programs.run(["sh", "-c", f'"$@" {redirection}', "sh", program, *arguments])


def _results(redirection, message):
    def case(_):
        _make_files()
        for arguments, status in _RESULTS:
            result = _shell(programs.HOTCELL, arguments, redirection)
            harness.check_equal(result.returncode, status, f"{arguments}: {result.stderr!r}")
            harness.check(result.stderr.endswith(message), f"{arguments}: {result.stderr!r}")
    return case


def _failures(_):
    """Whose failure it was is still in the exit status when what tells it is lost."""
    _make_files()
    for redirection, message in (_CLOSED, _FULL):
        result = _shell(programs.HOTCELL, ["inspect", "--output=json", "--timeout=0.000001",
                                           "a.qcow2"], redirection)
        harness.check_equal(result.returncode, 124, f"exit status ({result.stderr!r})")
        harness.check(result.stderr.endswith(message), f"{result.stderr!r}")


def _silent(_):
    _make_files()
    for arguments in _SILENT:
        for redirection in (">&-", ">/dev/full"):
            result = _shell(programs.HOTCELL, arguments, redirection)
            harness.check_equal((result.returncode, result.stderr), (0, b""),
                                f"{arguments} {redirection}")
    harness.check(files.first_difference("a.raw", content.pattern()) is None, "a.raw was changed")


def _as_qemu_img(_):
    """What is closed is nobody's loss to qemu-img; a disk that is full we tell."""
    _make_files()
    os.mkdir("link")
    os.symlink(programs.HOTCELL, "link/qemu-img")
    programs.require_program("qemu-img")
    for arguments in (["info", "a.qcow2"], ["check", "a.qcow2"], ["map", "a.qcow2"],
                      ["compare", "a.qcow2", "a.raw"], ["--version"],
                      ["create", "new.raw", "1M"], ["measure", "-O", "raw", "a.qcow2"]):
        ours = _shell("link/qemu-img", arguments, ">&-")
        theirs = _shell("qemu-img", arguments, ">&-")
        harness.check_equal((ours.returncode, ours.stderr), (theirs.returncode, theirs.stderr),
                            f"{arguments}")
        if arguments[0] != "compare":
            ours = _shell("link/qemu-img", arguments, ">/dev/full")
            harness.check_equal(ours.returncode, 1, f"{arguments}: {ours.stderr!r}")


harness.main({
    "closed": _results(*_CLOSED),
    "full": _results(*_FULL),
    "failures": _failures,
    "silent": _silent,
    "as-qemu-img": _as_qemu_img,
})
