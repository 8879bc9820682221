"""Runs hotcell and the reference programs, and says when the machine cannot."""

import json
import os
import re
import shutil
import stat
import subprocess

from support import harness

# The build sets this; by hand: HOTCELL=build/release/bin/hotcell.
HOTCELL = os.path.abspath(os.environ.get("HOTCELL", "build/release/bin/hotcell"))

# Longest that any one command of a test may take. Far above what it should: a slow machine must not
# fail a test, a hang must.
TIMEOUT_SECONDS = 60


def require_kvm():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise harness.Skip(f"/dev/kvm is unusable: {error.strerror}") from error


# Packages of programs that tools/setup installs where the release has them; tools/lib/check_skips.py
# asks whether it has.
_ORACLE_PACKAGES = {"7zz": "7zip", "bximage": "bximage", "create_compressed_fs": "cloop-utils",
                    "cryptsetup": "cryptsetup-bin", "fincore": "util-linux-extra",
                    "xorriso": "xorriso"}


# 7-Zip's program is called so by Debian 12, and 7z from Debian 13 on.
SEVEN_ZIP = "7zz" if shutil.which("7zz") or not shutil.which("7z") else "7z"


def require_program(name):
    if shutil.which(name) is None:
        package = _ORACLE_PACKAGES.get(name)
        raise harness.Skip(f"{name} is not installed" + (f" ({package})" if package else ""))


def require_root():
    if os.geteuid() != 0:
        raise harness.Skip("needs root")


def require_others_may_run():
    """Another user may start hotcell, which nobody may whose way to it is closed."""
    path = os.path.dirname(HOTCELL)
    while path != "/":
        if not os.stat(path).st_mode & stat.S_IXOTH:
            raise harness.Skip(f"other users may not enter {path}, below which hotcell is")
        path = os.path.dirname(path)


def run(command, timeout=TIMEOUT_SECONDS, **options):
    """Runs a command to its end. Returns a CompletedProcess with bytes."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    return subprocess.run([os.fspath(part) for part in command], timeout=timeout, check=False,
                          **options)


def must(command, **options):
    """Runs a command that has to succeed. Returns its standard output."""
    result = run(command, **options)
    harness.check(result.returncode == 0,
                  f"{' '.join(map(os.fspath, command))}: exit {result.returncode}\n"
                  f"{(result.stderr or b'').decode(errors='replace')}")
    return result.stdout


def hotcell(*arguments, **options):
    return run([HOTCELL, *arguments], **options)


def must_hotcell(*arguments, **options):
    return must([HOTCELL, *arguments], **options)


def qemu_img(*arguments):
    require_program("qemu-img")
    return must(["qemu-img", *arguments])


def qemu_io(path, *commands, image_format="qcow2", check_exit=True):
    """Runs qemu-io commands on an image."""
    require_program("qemu-io")
    command = ["qemu-io", "-f", image_format]
    for text in commands:
        command += ["-c", text]
    command.append(path)
    if check_exit:
        must(command)
    else:
        run(command)


# From 8.0 on qemu-img tells of the file below an image as well, by its own name and size.

def qemu_info_text(*arguments):
    """What qemu-img prints of an image, not of the file below."""
    return re.sub(rb"(?m)^Child node '.*':\n(?:    .*\n)*", b"", qemu_img("info", *arguments))


def qemu_info(path, *arguments):
    """What qemu-img says of an image, not of the file below."""
    return _without_children(json.loads(qemu_img("info", "--output=json", *arguments, path)))


def _without_children(info):
    if isinstance(info, list):
        return [_without_children(image) for image in info]
    return {key: value for key, value in info.items() if key != "children"}
