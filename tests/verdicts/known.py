"""Where a reader is wrong about images that are sound, so that inspect has no reason to speak of it."""

import dataclasses
import fnmatch


@dataclasses.dataclass
class Known:
    images: str  # pattern of names
    finding: str
    readers: tuple
    reason: str


KNOWN = [
    Known("qcow2.entries.*", "bytes", ("libyal", "vbox-img"),
          "do not know the zero flag of version 3, under which old data may lie"),
]


def is_known(name, finding):
    return any(fnmatch.fnmatch(name, one.images) and finding.kind == one.finding and
               finding.reader in one.readers for one in KNOWN)
