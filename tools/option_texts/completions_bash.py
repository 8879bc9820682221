"""The completion for bash. What is the same whatever the options are is driver.bash."""

import os
import textwrap

_DRIVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "driver.bash")
_SPECIAL = {"file": "FILE", "directory": "FILE", "target-options": "TARGET_OPTIONS"}


def _wrapped(words):
    return "\n".join(textwrap.wrap(" ".join(words), 94, break_on_hyphens=False,
                                   initial_indent="      ", subsequent_indent="      ")).lstrip()


def _options_function(table):
    yield "# The options of command $1."
    yield "_hotcell_options() {"
    yield "  case $1 in"
    for command, options in table.options.items():
        flags = [flag for option in options for flag in option.flags]
        yield f'    {command}) echo "{_wrapped(flags)}" ;;'
    yield "  esac\n}\n"


def _values_function(table):
    """Options with the same words share a case."""
    cases = {}
    for command, options in table.options.items():
        for option in options:
            if not option.value:
                continue
            words = _SPECIAL.get(option.completion) or " ".join(table.words(option) or [])
            cases.setdefault(words, []).extend(f"{command}:{flag}" for flag in option.flags)
    yield "# Words that may follow option $2 of command $1; FILE and TARGET_OPTIONS stand for more."
    yield "# Fails when the option takes no value."
    yield "_hotcell_values() {"
    yield "  case $1:$2 in"
    for words, patterns in cases.items():
        lines = textwrap.wrap(" | ".join(patterns), 94, break_on_hyphens=False,
                              initial_indent="    ", subsequent_indent="      ")
        yield " \\\n".join(lines) + ")"
        yield f'      echo "{_wrapped(words.split())}"\n      ;;'
    yield "    *) return 1 ;;\n  esac\n}\n"


def _target_options_functions(table):
    yield "# What -o takes for format $1."
    yield "_hotcell_target_options() {"
    yield "  case $1 in"
    for name, options in sorted(table.target_options().items()):
        words = ["help"] + [f"{option}=" for option in options]
        yield f'    {name}) echo "{_wrapped(words)}" ;;'
    yield "  esac\n}\n"
    yield "# The words that option $2 of format $1 takes."
    yield "_hotcell_target_values() {"
    yield "  case $1:$2 in"
    for name, options in sorted(table.target_options().items()):
        for option, values in options.items():
            if values:
                yield f'    {name}:{option}) echo "{" ".join(values)}" ;;'
    yield "  esac\n}\n"


def text(table):
    with open(_DRIVER, encoding="utf-8") as file:
        driver = file.read()
    lines = ["# Completion of hotcell(1) for bash. Installed as",
             "# /usr/share/bash-completion/completions/hotcell, or sourced.", "",
             f'_hotcell_commands="{" ".join(table.commands)}"', ""]
    for part in (_options_function, _values_function, _target_options_functions):
        lines += part(table)
    return "\n".join(lines) + driver
