"""All damaged and malicious images. `python3 -m hostile.images.cases DIRECTORY` writes them."""

import importlib
import os
import pkgutil
import sys

import hostile.images
from hostile.images.case import CASES


def load(name=None):
    """Fills CASES, which modules do as they are imported: to the end, or until `name` is there."""
    modules = [module.name for module in pkgutil.iter_modules(hostile.images.__path__)
               if module.name.endswith("_cases")]
    if name is not None:
        # Most cases have the name of their module before their own.
        modules.sort(key=lambda module: not name.startswith(module.removesuffix("_cases")))
    for module in modules:
        importlib.import_module(f"hostile.images.{module}")
        if name in CASES:
            return


def main():
    load()
    target = sys.argv[1]
    for name, make in CASES.items():
        directory = os.path.join(target, name)
        os.makedirs(directory)
        print(make(directory).path)


if __name__ == "__main__":
    main()
