"""All kinds of images, by name; and the names that a run of a seed takes."""

import importlib
import os
import pkgutil
import random

import verdicts
from verdicts.kind import CANARY, KINDS


def load():
    for module in pkgutil.iter_modules(verdicts.__path__):
        if module.name.endswith("_kinds"):
            importlib.import_module(f"verdicts.{module.name}")


def parse(name):
    """(Kind, seed) of FORMAT.KIND.SEED."""
    key, _, seed = name.rpartition(".")
    if key not in KINDS:
        raise KeyError(f"no kind of image is called {key!r}")
    return KINDS[key], seed


def make(name, directory):
    """Writes an image, and beside it the files that it may name. Returns the image's path."""
    kind, seed = parse(name)
    os.makedirs(directory, exist_ok=True)
    path = os.path.join(directory, kind.file_name())
    with open(os.path.join(directory, CANARY), "wb") as canary:
        canary.write(b"TOP SECRET".ljust(1 << 20, b"\0"))
    kind.make(seed, path)
    return path


def names(seed, count=None, image_format=None, kind=None):
    """`count` names: each kind's turn comes as often as its weight says. None: one turn of each."""
    chosen = [key for key, one in sorted(KINDS.items()) for _ in range(one.weight)
              if image_format in (None, one.format) and kind in (None, one.name)]
    random.Random(f"order of {seed}").shuffle(chosen)
    count = len(chosen) if count is None else count
    return [f"{chosen[number % len(chosen)]}.{seed}-{number // len(chosen)}-{number}"
            for number in range(count)] if chosen else []


def chance_of(text):
    """The chance of an image that has no name."""
    return random.Random(text)
