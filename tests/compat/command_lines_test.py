"""Runs command lines of known programs with qemu-img and with hotcell called qemu-img, and compares.

Compared are exit status, standard output field by field, what standard error says at all, and of
images that come out their contents and what qemu-img says of them. Both programs run within the limits
that the known program sets.
"""

import importlib.util
import os
import re
import shutil

from compat.command_lines import COMMAND_LINES, OSLO_LIMITER, make_inputs
from support import harness, likeness, programs


# What Proxmox's QEMU and later ones know, and which says nothing about the result.
_OF_LATER_QEMUS = ("zeroinit:", "discard-no-unref=true,")


def _environment(directory):
    policy = os.path.join(directory, "hotcell.conf")
    with open(policy, "w", encoding="utf-8") as config:
        config.write(f"follow-references={directory}\n")
    return {**os.environ, "LC_ALL": "C", "LANG": "C", "HOTCELL_CONFIG": policy}


def _run(program, entry, directory, without=()):
    results = []
    for arguments in entry.commands:
        for text in without:
            arguments = [argument.replace(text, "") for argument in arguments]
        results.append(programs.run([*entry.within, program, *arguments], cwd=directory,
                                    env=_environment(directory)))
    return results


def _supports_direct_io(directory):
    path = os.path.join(directory, "direct")
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600))
        return True
    except OSError:
        return False
    finally:
        os.unlink(path)


def _check(entry, directory):
    programs.require_kvm()
    programs.require_program("qemu-img")
    if entry.needs_direct_io and not _supports_direct_io(directory):
        raise harness.Skip("the file system has no O_DIRECT")
    if OSLO_LIMITER in entry.within and importlib.util.find_spec("oslo_concurrency") is None:
        raise harness.Skip("python3-oslo.concurrency is not installed")
    inputs, theirs, ours = (os.path.join(directory, name)
                            for name in ("inputs", "theirs", "ours"))
    os.mkdir(inputs)
    make_inputs(inputs)
    shutil.copytree(inputs, theirs)
    shutil.copytree(inputs, ours)
    link = os.path.join(directory, "qemu-img")
    os.symlink(programs.HOTCELL, link)

    of_hotcell = _run(link, entry, ours)
    if entry.refused:
        harness.check_equal(of_hotcell[-1].returncode, 1, f"exit status ({of_hotcell[-1]})")
        harness.check(re.search(entry.refused, of_hotcell[-1].stderr.decode()),
                      f"the refusal does not speak of {entry.refused}: {of_hotcell[-1].stderr!r}")
        return
    of_qemu_img = _run("qemu-img", entry, theirs, without=_OF_LATER_QEMUS)
    for arguments, expected, got in zip(entry.commands, of_qemu_img, of_hotcell):
        where = " ".join(arguments)
        harness.check_equal(got.returncode, expected.returncode, f"{where}: {got.stderr!r}")
        harness.check_equal(bool(got.stderr), bool(expected.stderr),
                            f"{where}: {got.stderr!r}, and qemu-img {expected.stderr!r}")
        harness.check_equal(likeness.fields(got.stdout.decode()),
                            likeness.fields(expected.stdout.decode()), where)
    for name in entry.outputs:
        likeness.check_same_image(name, theirs, ours, entry.name)


CASES = {entry.name: (lambda directory, entry=entry: _check(entry, directory))
         for entry in COMMAND_LINES}

if __name__ == "__main__":
    harness.main(CASES)
