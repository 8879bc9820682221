"""The command lines of all commands, as build/.../options.json has them (describe_options.cc)."""

import json


class Option:
    """One option of one command."""

    def __init__(self, row, help_text, is_shared):
        self.letter = row["letter"]
        self.names = row["names"]
        self.value = row["value"].lstrip("=")
        self.help = help_text  # the lines of --help, joined
        self.completion = row["completion"]
        self.words = row["words"]
        self.is_joined = row["joined"]  # the text is about the next option as well
        self.is_shared = is_shared

    @property
    def told_names(self):
        """Without the further names that are taken and not told."""
        return self.names[:1]

    @property
    def flags(self):
        """The flags as they are typed: -f, --format."""
        letters = [f"-{self.letter}"] if self.letter else []
        return letters + [f"--{name}" for name in self.told_names]

    @property
    def is_repeated(self):
        return self.value.endswith(",...") or "=" in self.value or self.completion == "directory"


class Table:
    """All commands; `options[command]` are their options in the order of --help."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        self.limits = document["limits"]
        self.layers = document["layers"]
        self.formats = document["formats"]
        self.summaries = {c["name"]: c["summary"] for c in document["commands"]}
        shared = [_identity(row) for row in document["shared"]]
        self.options = {c["name"]: _options(c["options"], shared) for c in document["commands"]}

    @property
    def commands(self):
        return list(self.summaries)

    def format_names(self, writable_only=False):
        return sorted(f["name"] for f in self.formats if f["writable"] or not writable_only)

    def words(self, option):
        """What may follow the option; None: nothing that is known."""
        if option.completion == "words":
            return option.words
        if option.completion in ("format", "formats"):
            return self.format_names()
        if option.completion == "target-format":
            return self.format_names(writable_only=True)
        if option.completion == "limit":
            return [f"{name}=" for name in self.limits]
        if option.completion == "layers":
            return self.layers
        return None

    def target_options(self):
        """By format: the names that -o takes, each with the values that are words."""
        return {f["name"]: {o["name"]: o["values"] for o in f["options"]}
                for f in self.formats if f["writable"]}


def _identity(row):
    return (row["letter"], tuple(row["names"]), row["value"])


def _options(rows, shared):
    """What is offered: all but what all commands take and this one's --help does not tell of.

    The first of each name or letter counts. Rows that are joined have the text of the next.
    """
    options = []
    seen = set()
    for i, row in enumerate(rows):
        text = next(later["help"] for later in rows[i:] if not later["joined"])
        option = Option(row, " ".join(text.split()), _identity(row) in shared)
        is_offered = row["told"] or not option.is_shared
        if is_offered and seen.isdisjoint(option.flags):
            options.append(option)
        seen.update(option.flags)
    return options
