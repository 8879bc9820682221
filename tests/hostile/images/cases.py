"""All damaged and malicious images. As a program it writes them: cases.py DIRECTORY"""

import os
import sys

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..")))

# pylint: disable=wrong-import-position,unused-import
from hostile.images import header_cases, reference_cases, table_cases
from hostile.images.case import CASES


def main():
    target = sys.argv[1]
    for name, make in CASES.items():
        directory = os.path.join(target, name)
        os.makedirs(directory)
        print(make(directory).path)


if __name__ == "__main__":
    main()
