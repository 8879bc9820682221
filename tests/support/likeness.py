"""What has to be equal of what two programs print and write for one command line of qemu-img."""

import json
import os
import re

from support import harness, programs, reference

# What differs of files that two programs lay out differently, or in another moment. Among
# `children`, which newer releases tell of, is the file below and its size.
_LAYOUT = {"actual-size", "children", "image-end-offset", "offset", "cid", "fragmented-clusters"}

_FORMATS = {"qcow2": "qcow2", "raw": "raw", "vmdk": "vmdk", "vhd": "vpc", "vdi": "vdi",
            "vhdx": "vhdx"}


def without_layout(value):
    if isinstance(value, dict):
        return {key: without_layout(item) for key, item in value.items() if key not in _LAYOUT}
    if isinstance(value, list):
        return [without_layout(item) for item in value]
    return value


def fields(text):
    """What a script takes from standard output."""
    try:
        return without_layout(json.loads(reference.map_as_told(text.encode())))
    except ValueError:
        pass
    # Only the form and the end of the progress count.
    if re.search(r"\(\d+\.\d\d/100%\)\r", text):
        return [text.endswith("    (100.00/100%)\r\n"), re.sub(r"[^\n]*\r", "", text)]
    return text


def check_same_image(name, theirs, ours, where):
    """Compares the image `name` of two directories by its contents and by what qemu-img says of it."""
    image_format = _FORMATS[name.rpartition(".")[2]]
    compare = programs.run(["qemu-img", "compare", "-f", image_format, "-F", image_format,
                            os.path.join(theirs, name), os.path.join(ours, name)])
    harness.check_equal(compare.returncode, 0, f"{where}: contents of {name}: {compare.stdout!r}")
    info = ["qemu-img", "info", "-f", image_format, "--output=json", name]
    harness.check_equal(without_layout(json.loads(programs.must(info, cwd=ours))),
                        without_layout(json.loads(programs.must(info, cwd=theirs))),
                        f"{where}: what qemu-img says of {name}")
