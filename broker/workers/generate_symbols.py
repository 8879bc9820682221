#!/usr/bin/env python3
"""Turns `nm` output of the built-in payload into the rows of symbolizer.cc's table.

usage: generate_symbols.py NM ELF OUTPUT
"""
import subprocess
import sys

MAX_NAME = 160


def main() -> None:
    nm, elf, output = sys.argv[1:]
    listing = subprocess.run(
        [nm, "--defined-only", "--numeric-sort", "--demangle", elf],
        check=True, capture_output=True, text=True).stdout
    rows = []
    for line in listing.splitlines():
        address, kind, name = line.split(" ", 2)
        if kind not in "tTwWvV":
            continue
        name = name if len(name) <= MAX_NAME else name[:MAX_NAME - 3] + "..."
        name = name.replace("\\", "\\\\").replace('"', '\\"')
        row = (int(address, 16), name)
        if rows and rows[-1][0] == row[0]:
            continue  # an alias
        rows.append(row)
    with open(output, "w", encoding="utf-8") as out:
        for address, name in rows:
            out.write(f'{{{address:#x}, "{name}"}},\n')


if __name__ == "__main__":
    main()
