"""Writes the completions of hotcell for bash, zsh and fish.

Usage: completions.py OPTIONS.JSON DIRECTORY
"""

import os
import sys

import completions_bash
import completions_fish
import completions_zsh
from option_table import Table


def main():
    table = Table(sys.argv[1])
    for name, shell in (("hotcell.bash", completions_bash), ("_hotcell", completions_zsh),
                        ("hotcell.fish", completions_fish)):
        with open(os.path.join(sys.argv[2], name), "w", encoding="utf-8") as file:
            file.write(shell.text(table))


if __name__ == "__main__":
    main()
