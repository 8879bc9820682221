"""Writes a header with the sizes that a nanopb options file gives to fields: what a sender must not
exceed, in bytes or entries.

Usage: wire_sizes.py OPTIONS HEADER
"""

import re
import sys

_FIELD = re.compile(r"hotcell\.v1\.(\w+)\.(\w+) (?:max_size|max_count):(\d+)")


def constant(message, field):
    return "kMax" + message + "".join(word.capitalize() for word in field.split("_"))


def main():
    options, header = sys.argv[1:]
    with open(options, encoding="utf-8") as file:
        fields = [match.groups() for line in file if (match := _FIELD.match(line))]
    lines = ["#pragma once", "", "#include <cstddef>", "", "namespace hotcell::wire {", ""]
    lines += [f"inline constexpr size_t {constant(message, field)} = {size};"
              for message, field, size in fields]
    lines += ["", "}  // namespace hotcell::wire", ""]
    with open(header, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


if __name__ == "__main__":
    main()
