"""Runs command lines of known programs with qemu-img and with hotcell called qemu-img, and compares.

Compared are exit status, standard output field by field, what standard error says at all, and of
images that come out their contents and what qemu-img says of them. Both programs run within the limits
that the known program sets.
"""

import importlib.util
import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
from compat.command_lines import COMMAND_LINES, OSLO_LIMITER, make_inputs
from support import harness, programs

# Of files that two programs lay out differently, or in another moment.
_LAYOUT = {"actual-size", "image-end-offset", "offset", "cid", "fragmented-clusters"}


def _environment(directory):
    policy = os.path.join(directory, "hotcell.conf")
    with open(policy, "w", encoding="utf-8") as config:
        config.write(f"follow-references={directory}\n")
    return {**os.environ, "LC_ALL": "C", "LANG": "C", "HOTCELL_CONFIG": policy}


def _run(program, entry, directory):
    results = []
    for arguments in entry.commands:
        results.append(programs.run([*entry.within, program, *arguments], cwd=directory,
                                    env=_environment(directory)))
    return results


def _without_layout(value):
    if isinstance(value, dict):
        return {key: _without_layout(item) for key, item in value.items() if key not in _LAYOUT}
    if isinstance(value, list):
        return [_without_layout(item) for item in value]
    return value


def _fields(output):
    """What a script takes from standard output."""
    text = output.decode()
    try:
        return json.loads(text)
    except ValueError:
        pass
    # Of the progress, only its form and its end.
    if re.search(r"\(\d+\.\d\d/100%\)\r", text):
        return [text.endswith("    (100.00/100%)\r\n"), re.sub(r"[^\n]*\r", "", text)]
    return text


def _compare_image(name, theirs, ours, where):
    image_format = {"qcow2": "qcow2", "raw": "raw", "vmdk": "vmdk", "vhd": "vpc", "vdi": "vdi",
                    "vhdx": "vhdx"}[name.rpartition(".")[2]]
    compare = programs.run(["qemu-img", "compare", "-f", image_format, "-F", image_format,
                            os.path.join(theirs, name), os.path.join(ours, name)])
    harness.check_equal(compare.returncode, 0, f"{where}: contents of {name}: {compare.stdout!r}")
    info = ["qemu-img", "info", "-f", image_format, "--output=json", name]
    harness.check_equal(_without_layout(json.loads(programs.must(info, cwd=ours))),
                        _without_layout(json.loads(programs.must(info, cwd=theirs))),
                        f"{where}: what qemu-img says of {name}")


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
    of_qemu_img = _run("qemu-img", entry, theirs)
    for arguments, expected, got in zip(entry.commands, of_qemu_img, of_hotcell):
        where = " ".join(arguments)
        harness.check_equal(got.returncode, expected.returncode, f"{where}: {got.stderr!r}")
        harness.check_equal(bool(got.stderr), bool(expected.stderr),
                            f"{where}: {got.stderr!r}, and qemu-img {expected.stderr!r}")
        harness.check_equal(_without_layout(_fields(got.stdout)),
                            _without_layout(_fields(expected.stdout)), where)
    for name in entry.outputs:
        _compare_image(name, theirs, ours, entry.name)


CASES = {entry.name: (lambda directory, entry=entry: _check(entry, directory))
         for entry in COMMAND_LINES}

if __name__ == "__main__":
    harness.main(CASES)
