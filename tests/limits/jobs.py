"""Jobs of the commands: what each does where nothing is in its way, and whether it still does."""

import os
import random
import re
import resource

from support import harness, programs

_KIB = 1 << 10
_MIB = 1 << 20

# mov $7, %al; out %al, $1: the guest's own exit status.
_GUEST = bytes([0xB0, 0x07, 0xE6, 0x01])
# jmp to itself
_ENDLESS = bytes([0xEB, 0xFE])


class Jobs:
    """One of each command, and what each does where nothing is in its way."""

    def __init__(self):
        noise = random.Random(7).randbytes(768 * _KIB)
        with open("disk.raw", "wb") as disk:
            disk.truncate(4 * _MIB)
            disk.write(noise)
            disk.seek(3 * _MIB)
            disk.write(b"text " * 4096)
        programs.must_hotcell("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2")
        for name, code in (("guest.bin", _GUEST), ("endless.bin", _ENDLESS)):
            with open(name, "wb") as program:
                program.write(code)
        self.commands = {
            "info": ["info", "disk.qcow2"],
            "inspect": ["inspect", "disk.qcow2"],
            "check": ["check", "disk.qcow2"],
            "to raw": ["convert", "-O", "raw", "disk.qcow2", "out"],
            "to qcow2": ["convert", "-f", "raw", "-O", "qcow2", "disk.raw", "out"],
            "compress": ["convert", "-c", "-f", "raw", "-O", "qcow2", "disk.raw", "out"],
            "run": ["run", "--mode", "long", "guest.bin"],
        }
        self._usual = {name: self._do(command, [], {}) for name, command in self.commands.items()}
        for name, (status, _, text, _) in self._usual.items():
            harness.check_equal((status, text), (7 if name == "run" else 0, b""), name)

    @staticmethod
    def _do(command, prefix, options):
        result = programs.run([*prefix, programs.HOTCELL, *command], **options)
        written = None
        if os.path.exists("out"):
            with open("out", "rb") as out:
                written = out.read()
            os.remove("out")
        return result.returncode, result.stdout, result.stderr, written

    def check_usual(self, what, prefix=(), only=None, **options):
        for name in only or self.commands:
            result = self._do(self.commands[name], list(prefix), options)
            harness.check(result == self._usual[name],
                          f"{what}: {name}: exit status {result[0]}, {result[2]!r}")


def check_error(what, result, *patterns, status=1):
    """One line of the command's that matches each pattern, and no file."""
    text = result.stderr.decode(errors="replace")
    harness.check_equal(result.returncode, status, f"{what}: exit status ({text!r})")
    harness.check(text.count("\n") == 1 and text.endswith("\n") and text.startswith("hotcell: "),
                  f"{what}: not one line: {text!r}")
    for pattern in patterns:
        harness.check(re.search(pattern, text), f"{what}: no /{pattern}/ in {text!r}")
    harness.check("run filter" not in text, f"{what}: the wrong step: {text!r}")
    harness.check(not os.path.exists("out"), f"{what}: left a file")


def with_limit(name, soft, hard=None):
    """A function for preexec_fn that sets the limit."""
    number = getattr(resource, f"RLIMIT_{name}")
    return lambda: resource.setrlimit(number, (soft, soft if hard is None else hard))
