"""Comparisons with the words of qemu-img 7.2, which hotcell's are.

Later releases have other words for many things, and tell more. Where the machine's qemu-img is one
of those, what hotcell does is still compared with what it does, and whether they speak; not the words.
"""

import functools
import re

from support import harness, programs


@functools.cache
def is_here():
    """Whether the machine's qemu-img is of the release whose words are hotcell's."""
    return b"version 7.2" in programs.qemu_img("--version")


def check_words(found, wanted, what):
    """What hotcell and the machine's qemu-img say for the same command line."""
    if is_here():
        harness.check_equal(found, wanted, what)
    else:
        harness.check_equal(bool(found), bool(wanted),
                            f"{what}: whether anything is said ({found!r}, {wanted!r})")


def map_as_told(text):
    """qemu-img's map in JSON, without the key that it has from 8.2 on."""
    return re.sub(rb', "compressed": (?:true|false)', b"", text)
