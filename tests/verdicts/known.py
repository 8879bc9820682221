"""Where a reader is wrong about images that are sound, so that inspect has no reason to speak of it."""

import dataclasses
import fnmatch


@dataclasses.dataclass
class Known:
    images: str  # pattern of names
    finding: str
    readers: tuple
    reason: str
    feature: str = ""  # that inspect sees in the image


KNOWN = [
    Known("qcow2.entries.*", "bytes", ("libyal", "vbox-img"),
          "do not know the zero flag of version 3, under which old data may lie"),
    Known("qcow2.*", "bytes", ("7zz",), "does not look whether L2 entries are the extended ones",
          "incompatible: extended L2 entries"),
]


def is_known(name, finding, features):
    return any(fnmatch.fnmatch(name, one.images) and finding.kind == one.finding and
               finding.reader in one.readers and (not one.feature or one.feature in features)
               for one in KNOWN)
