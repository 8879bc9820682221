"""Where a reader is wrong about images that are sound, of which inspect has nothing to say."""

import dataclasses
import fnmatch


@dataclasses.dataclass
class Known:
    images: str  # pattern of names, also of the honest corpus
    finding: str
    readers: tuple
    reason: str
    feature: str = ""  # that inspect sees in the image
    unchecked: bool = False  # where the check does call it unsafe


_ZERO_FLAG = "do not know the zero flag of version 3, under which old data may lie"

KNOWN = [
    Known("qcow2.entries.*", "bytes", ("libyal", "vbox-img"), _ZERO_FLAG),
    Known("qemu-img qcow2 used of *", "bytes", ("libyal", "vbox-img"), _ZERO_FLAG),
    Known("qcow2.*", "bytes", ("7zz",), "does not look whether L2 entries are the extended ones",
          "incompatible: extended L2 entries"),
    Known("qcow2.cut.*", "bytes", ("libyal",),
          "leaves what was in memory where the file ends within a cluster"),
    Known("vpc.*", "size", ("libyal",), "takes the size that the disk had at first"),
    Known("dmg.*", "crash", ("qemu-img-7.2",), "crashes where a chunk does not unpack",
          unchecked=True),
]


def _applies(one, name, finding, verdict):
    return (fnmatch.fnmatch(name, one.images) and finding.kind == one.finding and
            finding.reader in one.readers and
            (not one.feature or one.feature in verdict.features) and
            not (one.unchecked and verdict.safe))


def is_known(name, finding, verdict):
    """`verdict`: with the check."""
    return any(_applies(one, name, finding, verdict) for one in KNOWN)
