"""Kinds of images of which a reader may make something else than hotcell does, and how one is
registered.

    @kind("qcow2", "backing-file")
    def _backing_file(chance, path): ...          # writes the image

An image is named FORMAT.KIND.SEED, and is the same each time that it is made, but for identifiers
that qemu-img chooses. `chance` is a random.Random of that name; all that an image is comes from it.
"""

import dataclasses
import random

# The extensions by which readers tell formats that have no mark at the start of the file.
EXTENSIONS = {"raw": "img", "vpc": "vhd", "parallels": "hdd", "bochs": "redolog"}

# Lies beside each image: what its references name.
CANARY = "canary.raw"


@dataclasses.dataclass
class Kind:
    format: str
    name: str
    build: object  # (random.Random, path)
    # It may be that the tables are wrong, or elsewhere than the header says, and nothing else:
    # other bytes are then what --no-check does not promise to see.
    tables: bool = False
    # How many images of it a run makes for one of other kinds.
    weight: int = 1

    def file_name(self):
        return f"image.{EXTENSIONS.get(self.format, self.format)}"

    def make(self, seed, path):
        self.build(random.Random(f"{self.format}.{self.name}.{seed}"), path)


KINDS = {}


def kind(image_format, name, **fields):
    """Registers a function (chance, path) that writes an image."""
    def add(build):
        KINDS[f"{image_format}.{name}"] = Kind(image_format, name, build, **fields)
        return build
    return add
