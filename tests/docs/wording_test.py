"""Who embeds the library has no options: what the library, the guest and the worker say names none.

What can be done is a number there (broker/include/hotcell/remedy.h), and the command has the words."""

import os
import re

from support import harness

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_FOLDERS = ("base", "broker", "guest", "policy", "vmm-worker")
# A comment, a string or a character. Strings are looked at; the rest may hold what looks like one.
_TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"((?:[^\"\\\n]|\\.)*)\"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'", re.DOTALL)
_OPTION = re.compile(r"--[a-z][a-z-]+")

# (file, option): what is no message, or is for who starts the program by hand.
_NO_MESSAGE = {
    ("guest/formats/signatures/disc_script.cc", "--iprt-iso-maker-file-marker"),  # a signature
    ("vmm-worker/main.cc", "--help"),  # of a worker that somebody starts at a prompt
}


def _sources():
    """Yields the path of each source of the product below those folders."""
    for folder in _FOLDERS:
        for directory, subdirectories, names in os.walk(os.path.join(_ROOT, folder)):
            # Helpers of tests run programs, and name their options.
            subdirectories[:] = [name for name in subdirectories if name != "testing"]
            for name in names:
                if name.endswith((".cc", ".h")) and not name.endswith("_test.cc"):
                    yield os.path.relpath(os.path.join(directory, name), _ROOT)


def _options(text):
    """The options that the strings of a source name."""
    for token in _TOKEN.finditer(text):
        yield from _OPTION.findall(token.group(1) or "")


def _messages_name_no_options(_):
    harness.check_equal(list(_options("a(\"x (--limit SIZE)\"); // --not\n/* \"--nor\" */ '\"' --i")),
                        ["--limit"], "a source")
    found = set()
    sources = list(_sources())
    harness.check(len(sources) > 300, f"there are only {len(sources)} sources")
    for path in sources:
        with open(os.path.join(_ROOT, path), encoding="utf-8") as file:
            found.update((path, option) for option in _options(file.read()))
    harness.check_equal(sorted(found - _NO_MESSAGE), [], "options that messages name")
    harness.check_equal(sorted(_NO_MESSAGE - found), [], "exceptions that are none any more")


harness.main({
    "messages-name-no-options": _messages_name_no_options,
})
