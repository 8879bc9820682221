"""Writes the manual, with the options that the commands' tables have.

Usage: manual.py OPTIONS.JSON HOTCELL.1.IN HOTCELL.1

Lines of the input that name options are replaced:

  @synopsis COMMAND [NAME...]@  the options of a command's synopsis, but for these
  @option COMMAND NAME...@ the heading of a paragraph about these options, by letter or name
  @options COMMAND@        a paragraph, with the text of --help, for each option of the command
                           that has no other and is not in LIMITS

An option that nothing tells of is an error.
"""

import re
import sys

from option_table import Table

# Shared options that a synopsis has.
_REFERENCES = ("backing", "follow-references")


# What --help writes in capitals.
_PLACEHOLDER = re.compile(
    r"\b(DIR|FILE|FIRST|FORMAT|IMAGE|INPUT|NAME|OUTPUT|PATH|SECOND|SIZE|VALUE)\b")


def _escaped(text):
    """Plain text as a line of mdoc."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = _PLACEHOLDER.sub(lambda match: rf"\fI{match[1].lower()}\fP", text)
    return "\\&" + text if text[:1] in (".", "'") else text


def _value(value):
    """NAME=VALUE,... and the like: Ar name Ns = Ns Ar value Ns ,..."""
    words = []
    for part in re.findall(r"[A-Z]+|,\.\.\.|[^A-Z]+", value):
        if words:
            words.append("Ns")
        if part.isupper():
            words += ["Ar", part.lower()]
        elif part.isalpha():
            words += ["Cm", part]
        else:
            words.append(part)
    return " ".join(words)


def _flag(flag):
    return "Fl " + flag[1:]  # mdoc puts the first dash there


def _heading(options):
    heads = []
    for option in options:
        head = " , ".join(_flag(flag) for flag in option.flags)
        heads.append(f"{head} {_value(option.value)}" if option.value else head)
    return ".It " + " , ".join(heads)


class Manual:
    """What of the options has been told so far."""

    def __init__(self, table):
        self._table = table
        self._told = {command: set() for command in table.commands}

    def _find(self, command, name):
        flag = f"-{name}" if len(name) == 1 else f"--{name}"
        for option in self._table.options[command]:
            if flag in option.flags:
                return option
        sys.exit(f"the manual speaks of an option that {command} does not have: {flag}")

    def synopsis(self, command, without):
        """Letters without a value together, then all else."""
        named = [o for o in self._table.options[command]
                 if o.letter not in without and (not o.is_shared or o.names[0] in _REFERENCES)]
        letters = "".join(o.letter for o in named if o.letter and not o.value)
        lines = [f".Op Fl {letters}"] if letters else []
        for option in named:
            if option.letter and not option.value:
                continue
            value = f" {_value(option.value)}" if option.value else ""
            lines.append(f".Op {_flag(option.flags[0])}{value}")
        if any("limit" in option.names for option in self._table.options[command]):
            lines.append(".Op Ar limits")
        return lines

    def option(self, command, names):
        options = [self._find(command, name) for name in names]
        self._told[command].update(o.flags[0] for o in options)
        return [_heading(options)]

    def rest(self, command, described):
        lines = []
        group = []
        for option in self._table.options[command]:
            if option.is_shared or not described.isdisjoint(option.flags):
                continue
            self._told[command].add(option.flags[0])
            group.append(option)
            if option.is_joined:
                continue
            lines += [_heading(group), _escaped(_sentence(option.help))]
            group = []
        return lines

    def check(self):
        """All options of all commands are there; the shared ones in some command's part."""
        told_names = set().union(*self._told.values())
        for command, options in self._table.options.items():
            for option in options:
                told = told_names if option.is_shared else self._told[command]
                if option.flags[0] not in told:
                    sys.exit(f"the manual does not tell of {option.flags[0]} of {command}")


def _sentence(text):
    text = text or "accepted, without effect"
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _described(lines, command):
    """The options of a command that have a paragraph of their own."""
    flags = set()
    for line in lines:
        match = re.fullmatch(rf"@option {command} (.*)@", line)
        if match:
            flags.update(f"-{n}" if len(n) == 1 else f"--{n}" for n in match[1].split())
    return flags


def expand(table, source):
    """The lines of the manual."""
    manual = Manual(table)
    lines = source.splitlines()
    for line in lines:
        match = re.fullmatch(r"@(\w+) (\w+)(?: (.*))?@", line)
        if match is None:
            yield line
        elif match[1] == "synopsis":
            yield from manual.synopsis(match[2], (match[3] or "").split())
        elif match[1] == "option":
            yield from manual.option(match[2], match[3].split())
        elif match[1] == "options":
            yield from manual.rest(match[2], _described(lines, match[2]))
        else:
            sys.exit(f"unknown placeholder: {line}")
    manual.check()


def main():
    table = Table(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        source = file.read()
    text = "\n".join(expand(table, source)) + "\n"
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
