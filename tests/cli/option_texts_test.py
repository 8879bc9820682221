"""What the build makes of the tables of options: manual and completions name each of them."""

import json
import os
import re
import shutil
import subprocess
import sys

_TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, _TESTS)
sys.path.insert(0, os.path.join(os.path.dirname(_TESTS), "tools", "option_texts"))

# pylint: disable=wrong-import-position
import option_table
from support import harness, programs

_SHARE = os.path.join(os.path.dirname(os.path.dirname(programs.HOTCELL)), "share")


def _text(name):
    with open(os.path.join(_SHARE, name), encoding="utf-8") as file:
        return file.read()


def _commands():
    return json.loads(_text("options.json"))["commands"]


def _is_offered(option, shared):
    """Whether the option is more than one that all commands take and this one has no use for."""
    return option["told"] or not any(
        option["names"] == other["names"] and option["letter"] == other["letter"]
        for other in shared)


def _flags(option):
    letters = ["-" + option["letter"]] if option["letter"] else []
    return letters + ["--" + name for name in option["names"][:1]]


def _check_each(what, has):
    """`has(command, option, flag)` of each spelling of each option that is offered."""
    shared = json.loads(_text("options.json"))["shared"]
    for command in _commands():
        harness.check(command["options"], f"{command['name']} has no options")
        for option in command["options"]:
            for flag in _flags(option) if _is_offered(option, shared) else []:
                harness.check(has(command["name"], option, flag),
                              f"{what} does not name {flag} of {command['name']}")


# ---- Bash ---------------------------------------------------------------------------------------

def _bash(script):
    path = os.path.join(_SHARE, "hotcell.bash")
    result = subprocess.run(["bash", "--norc", "-c", f". '{path}'\n{script}"],
                            capture_output=True, check=False, text=True, timeout=60)
    harness.check_equal((result.returncode, result.stderr), (0, ""), script)
    return result.stdout.split()


def _completed(*words):
    """What is offered for the last of the words after `hotcell`."""
    line = " ".join(f"'{word}'" for word in ("hotcell",) + words)
    return _bash(f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _hotcell; "
                 'printf "%s\\n" "${COMPREPLY[@]}"')


def _bash_names_each_option(_):
    offered = {c["name"]: _completed(c["name"], "-") for c in _commands()}
    _check_each("hotcell.bash", lambda command, _option, flag: flag in offered[command])


def _bash_offers_values(_):
    names = [command["name"] for command in _commands()]
    harness.check_equal(_completed("con"), ["convert"], "con")
    harness.check_equal(sorted(_completed("")), sorted(names + ["help", "--help", "--version"]), "")
    harness.check_equal(_completed("help", "conv"), ["convert"], "help conv")
    harness.check_equal(_completed("convert", "-O", "qcow"), ["qcow", "qcow2"], "-O qcow")
    harness.check_equal(_completed("info", "--output", "=", "j"), ["json"], "--output=j")
    harness.check_equal(_completed("convert", "--limit", "chain"), ["chain-depth="],
                        "--limit chain")
    harness.check_equal(_completed("check", "--require", "sec"), ["seccomp", "securebits"],
                        "--require sec")
    harness.check_equal(_completed("dd", "b"), ["bs="], "dd b")
    harness.check_equal(_completed("run", "--mode", "p"), ["payload"], "--mode p")


def _bash_offers_options_of_formats(_):
    harness.check_equal(_completed("convert", "-O", "vhdx", "-o", "block_s"),
                        ["block_size=", "block_state_zero="], "-o of vhdx")
    harness.check_equal(_completed("create", "-f", "qcow2", "-o", "comp"),
                        ["compat=", "compression_type="], "-o of qcow2")
    harness.check_equal(
        _completed("convert", "--target-format", "=", "qcow2", "-o", "compression_type", "=", ""),
        ["zlib", "zstd"], "compression_type=")
    harness.check_equal(_completed("convert", "-O", "vpc", "-o", "subformat", "=", ""),
                        ["dynamic", "fixed"], "subformat= of vpc")
    harness.check_equal(_completed("convert", "-o", "prealloc"), ["preallocation="], "-o of raw")
    for name, options in {f["name"]: f["options"]
                          for f in json.loads(_text("options.json"))["formats"]}.items():
        for option in options:
            harness.check_equal(_completed("convert", "-O", name, "-o", option["name"] + "="),
                                [option["name"] + "="], f"-o of {name}")


# ---- The others ---------------------------------------------------------------------------------

def _zsh_names_each_option(_):
    functions = dict(re.findall(r"^_hotcell_(\w+)\(\) \{\n(.*?)^\}", _text("_hotcell"),
                                re.DOTALL | re.MULTILINE))

    def has(command, option, flag):
        typed = re.escape(flag)
        if option["value"]:
            typed += "=" if flag.startswith("--") else r"\+"
        return re.search(rf"(?:^|[ {{,)'*]){typed}[,}}'\[]", functions[command], re.MULTILINE)

    _check_each("_hotcell", has)


def _fish_names_each_option(_):
    lines = _text("hotcell.fish").splitlines()

    def has(command, _option, flag):
        spelled = f" -l {flag[2:]}" if flag.startswith("--") else f" -s {flag[1:]}"
        return any(f"'__hotcell_has {command}'" in line and spelled + " " in line + " "
                   for line in lines)

    _check_each("hotcell.fish", has)


def _shells_can_read_them(_):
    subprocess.run(["bash", "-n", os.path.join(_SHARE, "hotcell.bash")], check=True)
    for shell, name in (("zsh", "_hotcell"), ("fish", "hotcell.fish")):
        if shutil.which(shell):
            subprocess.run([shell, "-n", os.path.join(_SHARE, name)], check=True)


def _manual_names_each_option(_):
    text = _text("hotcell.1")
    headings = [line for line in text.splitlines() if line.startswith(".It ")]
    harness.check(not re.search(r"^@", text, re.MULTILINE), "a placeholder is left")
    _check_each("the manual", lambda _command, _option, flag: any(
        re.search(rf"\bFl {re.escape(flag[1:])}(?: |$)", line) for line in headings))


# ---- Help ---------------------------------------------------------------------------------------

def _help_is_the_same_everywhere(_):
    """`hotcell help COMMAND`, `hotcell COMMAND --help` and -h."""
    for command in _commands():
        name = command["name"]
        text = programs.must_hotcell("help", name)
        harness.check_equal(programs.must_hotcell(name, "--help"), text, f"{name} --help")
        harness.check_equal(programs.must_hotcell(name, "-h"), text, f"{name} -h")


# ---- What -o takes ------------------------------------------------------------------------------

_FORMAT_OPTIONS = os.path.join(os.path.dirname(_TESTS), "guest", "formats", "common",
                               "format_options.py")

_SOUND_TABLE = """creation = ["size", "mode=off"]
[[option]]
key = "mode"
kind = "choice"
choices = ["off", "full"]
default = "off"
value = "MODE"
"""


def _made_of(table):
    with open("options.toml", "w", encoding="utf-8") as file:
        file.write(table)
    return subprocess.run([sys.executable, "-B", _FORMAT_OPTIONS, "command", "table.inc",
                           "test=options.toml"], capture_output=True, check=False, text=True,
                          timeout=60)


def _tables_are_checked(_):
    """A format's table with a slip in it stops the build, and says where."""
    result = _made_of(_SOUND_TABLE)
    harness.check_equal((result.returncode, result.stderr), (0, ""), "a sound table")
    for old, new, fault in (
            ('default = "off"', 'default = "none"', "mode: the default is no choice"),
            ('"choice"', '"choices"', "mode: the kind 'choices' is none"),
            ('value = "MODE"', "", "mode: lacks ['value']"),
            ('value = "MODE"', 'value = "MODE"\nvalues = "MODE"', "mode: has ['values']"),
            ('"choice"', '"text"', "mode: has ['choices']"),
            ('"mode=off"', '"mood=off"', "creation: mood is no option"),
            ("creation", 'compressions = ["mode=fast"]\ncreation',
             "compressions: mode=fast is no choice"),
            ('value = "MODE"', 'value = "MODE"\n[[option]]\nkey = "mode"\nrefused = "not done"',
             "an option is there twice")):
        result = _made_of(_SOUND_TABLE.replace(old, new, 1))
        harness.check_equal((result.returncode, result.stderr), (1, f"options.toml: {fault}\n"),
                            new)


def _refusal(target_format, option):
    """What the guest says of a value, or of an option, that it does not take."""
    with open("empty", "wb") as file:
        file.truncate(1 << 20)
    result = programs.hotcell("convert", "-f", "raw", "-O", target_format, "-o", option, "empty",
                              "target")
    harness.check_equal(result.returncode, 1, f"-o {option} of {target_format}")
    return result.stderr.decode()


def _listed(text):
    """The words of "a, b and c"."""
    return re.findall(r"[\w.]+", text.replace(" and ", " "))


def _formats_take_what_is_told(_):
    """The guest's parsers know the options, and the values, that help and completions have."""
    told = option_table.Table(os.path.join(_SHARE, "options.json")).target_options()
    harness.check(told["qcow2"]["compression_type"], "no values are known")
    for target_format, options in told.items():
        refusal = _refusal(target_format, "no-such-option=1")
        known = refusal.partition("it knows ")[2].split("; ")[0]
        harness.check_equal("it has no options" in refusal, not options, refusal)
        harness.check_equal(sorted(_listed(known)), sorted(options),
                            f"options of {target_format}")
        for option, values in options.items():
            if not values:
                continue
            choices = _refusal(target_format, f"{option}=no-such-value").partition("one of ")[2]
            harness.check(set(values) <= set(_listed(choices)),
                          f"{option} of {target_format}: {values} are told, it takes {choices}")


WITHOUT_KVM = {
    "bash": _bash_names_each_option,
    "bash-values": _bash_offers_values,
    "bash-options-of-formats": _bash_offers_options_of_formats,
    "zsh": _zsh_names_each_option,
    "fish": _fish_names_each_option,
    "syntax": _shells_can_read_them,
    "manual": _manual_names_each_option,
    "help": _help_is_the_same_everywhere,
    "tables-of-formats": _tables_are_checked,
}

WITH_KVM = {
    "formats": _formats_take_what_is_told,
}

if __name__ == "__main__":
    # `option_texts_test.py kvm|plain [--list|NAME...]`
    harness.main(WITH_KVM if sys.argv.pop(1) == "kvm" else WITHOUT_KVM)
