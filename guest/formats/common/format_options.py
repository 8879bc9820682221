"""Makes what a format's options.toml says of `-o` into the tables of those who need it.

Usage: format_options.py guest NAME OPTIONS.TOML HEADER
       format_options.py command TABLE NAME=OPTIONS.TOML... NAME=...

The first writes the table that the guest's parser takes options by (option_table.h), the second
what the command prints and completes of all formats that are named: the rows of formats.cc. A name
without a file is a format that is not written.

An options.toml has, besides a table for each option:

  creation      what `create` prints of a new image, in QEMU's order; "key=value": this is printed
                of an option that is not given
  compressions  what -o chooses among with -c, as "key=value"

An [[option]], in the order in which errors name them, has:

  key, kind     kind: size, number, on-off, choice or text
  default       what an option that is not given means, as it is typed
  value         what --help writes for the value; SIZE, COUNT and on|off unless it says otherwise
  help          a sentence; of a choice, the list of what it takes unless it says otherwise
  choices       all that a choice takes
  told          those of them that are told of, in the order in which they are
  minimum, maximum, power_of_two, or_zero, must_be
                the range of a size or number, and how an error puts it: "KEY must be ..."
  refused       instead of kind and default: the reason why it is not taken. One that has a `help`
                as well is told of in qemu-img's list.
  unless_off    a refused option that may say no
"""

import re
import sys
import textwrap
import tomllib

_KINDS = {"size": "kSize", "number": "kNumber", "on-off": "kOnOff", "choice": "kChoice",
          "text": "kText"}
_VALUES = {"size": "SIZE", "number": "COUNT", "on-off": "on|off"}
# The types that qemu-img has for what our own help calls by its meaning.
_TYPES = {"SIZE": "<size>", "COUNT": "<num>", "on|off": "<bool (on/off)>"}

_FIELDS = {"key", "kind", "default", "value", "help", "choices", "told", "minimum", "maximum",
           "power_of_two", "or_zero", "must_be", "refused", "unless_off"}
_RANGE = {"minimum", "maximum", "power_of_two", "or_zero", "must_be"}
_OF_KIND = {"size": _RANGE, "number": _RANGE, "choice": {"choices", "told"}}

# What `create` prints of images and files of any format; their values come in other ways.
_GENERAL = {"size": "kSize", "backing_file": "kText", "backing_fmt": "kText", "nocow": "kText"}

_HELP_COLUMN = 26
_HELP_WIDTH = 98


class Fault(Exception):
    """What is wrong with an options.toml."""


def _require(condition, text):
    if not condition:
        raise Fault(text)


def _size(text):
    match = re.fullmatch(r"(\d+)([kMG]?)", text)
    _require(match, f"'{text}' is no size such as 64k")
    return int(match[1]) << {"": 0, "k": 10, "M": 20, "G": 30}[match[2]]


class Option:
    """One [[option]]."""

    def __init__(self, fields):
        _require("key" in fields, "an option has no key")
        self.key = fields["key"]
        self.refused = fields.get("refused")
        self.unless_off = fields.get("unless_off", False)
        self.kind = fields.get("kind", "text")
        self._check_fields(fields)
        self.default = fields.get("default", "")
        self.choices = fields.get("choices", [])
        self.told = fields.get("told", self.choices)
        self.value = fields.get("value", _VALUES.get(self.kind))
        self.help = fields.get("help") or " or ".join(
            [", ".join(self.told[:-1]), self.told[-1]] if self.told else [])
        self.range = None
        if _RANGE & fields.keys():
            self.range = {
                "minimum": _size(fields["minimum"]), "maximum": _size(fields["maximum"]),
                "power_of_two": fields.get("power_of_two", False),
                "or_zero": fields.get("or_zero", False), "must_be": fields["must_be"]}
        if self.refused is None:
            self._check_value()

    def _check_fields(self, fields):
        if self.refused is not None:
            allowed = {"key", "refused", "unless_off", "help"}
            needed = set()
        else:
            _require(self.kind in _KINDS, f"{self.key}: the kind '{self.kind}' is none")
            ranged = _RANGE & fields.keys()
            allowed = {"key", "kind", "default", "value", "help"} | _OF_KIND.get(self.kind, set())
            needed = {"kind", "default"} | ({"choices"} if self.kind == "choice" else {"help"})
            needed |= {"minimum", "maximum", "must_be"} if ranged else set()
            needed |= {"value"} if self.kind not in _VALUES else set()
        _require(fields.keys() <= allowed, f"{self.key}: has {sorted(fields.keys() - allowed)}")
        _require(needed <= fields.keys(), f"{self.key}: lacks {sorted(needed - fields.keys())}")

    def _check_value(self):
        if self.kind == "choice":
            _require(self.default in self.choices, f"{self.key}: the default is no choice")
            _require(set(self.told) <= set(self.choices),
                     f"{self.key}: tells of what it does not take")
        elif self.kind == "on-off":
            _require(self.default in ("on", "off"), f"{self.key}: the default is on or off")
        elif self.kind != "text":
            self._check_range(_size(self.default))

    def _check_range(self, number):
        if self.range is None or (number == 0 and self.range["or_zero"]):
            return
        _require(self.range["minimum"] <= number <= self.range["maximum"],
                 f"{self.key}: the default is out of the range")

    @property
    def words(self):
        """What may be completed after "key="."""
        return ["on", "off"] if self.kind == "on-off" else self.told

    @property
    def number(self):
        if self.refused is not None or self.kind in ("choice", "text"):
            return 0
        return int(self.default == "on") if self.kind == "on-off" else _size(self.default)

    @property
    def sentence(self):
        """As the command tells it."""
        return f"{self.help} (default {self.default})" if self.refused is None else self.help

    def help_lines(self):
        """Of `-o help`."""
        lines = textwrap.wrap(self.help, _HELP_WIDTH - _HELP_COLUMN, break_on_hyphens=False)
        lines[-1] += f" (default {self.default})"
        heading = f"  {self.key}={self.value}"
        if len(heading) >= _HELP_COLUMN:
            heading += " "
        lines[0] = heading.ljust(_HELP_COLUMN) + lines[0]
        return [lines[0]] + [" " * _HELP_COLUMN + line for line in lines[1:]]


class Format:
    """A format's options.toml; `path` is empty: it has none."""

    def __init__(self, name, path):
        self.name = name
        self.writable = path != ""
        self.options, self.creation, self.compressions = [], [], []
        if not path:
            return
        with open(path, "rb") as file:
            document = tomllib.load(file)
        try:
            self._read(document)
        except Fault as fault:
            sys.exit(f"{path}: {fault}")

    def _read(self, document):
        unknown = document.keys() - {"option", "creation", "compressions"}
        _require(not unknown, f"has {sorted(unknown)}")
        _require("creation" in document, "lacks creation")
        self.options = [Option(fields) for fields in document.get("option", [])]
        by_key = {option.key: option for option in self.options}
        _require(len(by_key) == len(self.options), "an option is there twice")
        for line in document["creation"]:
            key, has_value, value = line.partition("=")
            _require(key in by_key or key in _GENERAL, f"creation: {key} is no option")
            kind = _GENERAL.get(key) or _creation_kind(by_key[key].kind)
            self.creation.append((key, kind, value if has_value else None))
        self.compressions = document.get("compressions", [])
        for line in self.compressions:
            key, _, value = line.partition("=")
            _require(key in by_key and value in by_key[key].choices,
                     f"compressions: {line} is no choice")

    def told_options(self):
        """Those that the command tells of, by name."""
        return sorted((o for o in self.options if o.help), key=lambda option: option.key)

    def help_text(self):
        return "".join(line + "\n" for option in self.told_options() if option.refused is None
                       for line in option.help_lines())


def _creation_kind(kind):
    return {"size": "kSize", "number": "kNumber"}.get(kind, "kText")


# ---- C++ ----------------------------------------------------------------------------------------

def _literal(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _literals(texts):
    return "{" + ", ".join(_literal(text) for text in texts) + "}"


def _flag(value):
    return "true" if value else "false"


def _choices_name(option):
    return "k" + "".join(word.capitalize() for word in option.key.split("_")) + "Choices"


def _guest_row(option):
    fields = [f".key = {_literal(option.key)}"]
    if option.refused is not None:
        fields += [".kind = OptionKind::kRefused", f".reason = {_literal(option.refused)}",
                   f".unless_off = {_flag(option.unless_off)}"]
    else:
        fields += [f".kind = OptionKind::{_KINDS[option.kind]}",
                   f".text = {_literal(option.default)}", f".number = {option.number}u"]
        if option.choices:
            fields.append(f".choices = {_choices_name(option)}")
        if option.range:
            limits = option.range
            fields.append(
                f".range = {{.minimum = {limits['minimum']}u, .maximum = {limits['maximum']}u, "
                f".power_of_two = {_flag(limits['power_of_two'])}, "
                f".or_zero = {_flag(limits['or_zero'])}, .text = {_literal(limits['must_be'])}}}")
    return "    {" + ",\n     ".join(fields) + "},"


def guest_header(described):
    """The table of one format, as option_table.h has it."""
    lines = ["#pragma once", "", '#include "guest/formats/common/option_table.h"', "",
             f"namespace hotcell::guest::{described.name} {{", ""]
    for option in described.options:
        if option.refused is None and option.choices:
            lines.append(f"inline constexpr std::string_view {_choices_name(option)}[] = "
                         f"{_literals(option.choices)};")
    lines.append("inline constexpr OptionRow kOptionRows[] = {")
    lines += [_guest_row(option) for option in described.options]
    lines += ["};", f"inline constexpr OptionTable kOptions = {{{_literal(described.name)}, "
              "kOptionRows};", "", f"}}  // namespace hotcell::guest::{described.name}", ""]
    return "\n".join(lines)


def _command_option(option):
    typed = _TYPES.get(option.value, "<str>")
    texts = ", ".join(_literal(text) for text in (option.key, typed, option.sentence))
    return f"{{{texts}, {_literals(option.words)}, {_flag(option.refused is None)}}}"


def _printed(row):
    key, kind, value = row
    default = "std::nullopt" if value is None else _literal(value)
    return f"{{{_literal(key)}, PrintedOption::Kind::{kind}, {default}}}"


def command_row(described):
    """What formats.cc knows of one format."""
    parts = [_literal(described.name), _flag(described.writable),
             _literals(described.compressions),
             "{" + ",\n  ".join(_command_option(o) for o in described.told_options()) + "}",
             _literal(described.help_text()),
             "{" + ", ".join(_printed(row) for row in described.creation) + "}"]
    return "{" + ",\n ".join(parts) + "},\n"


def main():
    kind, *arguments = sys.argv[1:]
    if kind == "guest":
        name, source, output = arguments
        text = guest_header(Format(name, source))
    else:
        output, *formats = arguments
        text = "".join(command_row(Format(*entry.split("=", 1))) for entry in formats)
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)


if __name__ == "__main__":
    main()
