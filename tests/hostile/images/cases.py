"""All damaged and malicious images. As a program it writes them: cases.py DIRECTORY"""

import importlib
import os
import pkgutil
import sys

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))

# pylint: disable=wrong-import-position
import hostile.images
from hostile.images.case import CASES

# Modules register their cases as they are imported.
for _module in sorted(module.name for module in pkgutil.iter_modules(hostile.images.__path__)):
    if _module.endswith("_cases"):
        importlib.import_module(f"hostile.images.{_module}")


def main():
    target = sys.argv[1]
    for name, make in CASES.items():
        directory = os.path.join(target, name)
        os.makedirs(directory)
        print(make(directory).path)


if __name__ == "__main__":
    main()
