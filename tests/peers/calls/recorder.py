"""Runs calls of a peer and writes down what came of each, for the test to compare.

    recorder.main({"name": function, ...}, prepare)

`CALLS DIRECTORY NAME...` runs each function in its directory DIRECTORY/NAME, with the interpreter and the
modules of the peer: these are loaded once, and each function has a process of its own, in which prepare()
has been called. DIRECTORY/NAME.json becomes an object: "returned", or "raised" (type and text), and
"commands", the programs that were run and waited for meanwhile, with what each printed.
"""

import itertools
import json
import os
import subprocess
import sys
import tempfile


def _plain(value):
    """A value that JSON has, the same for equal results."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (str, int, float, type(None))):
        return value
    if type(value).__name__ == "QemuImgInfo":
        return {**_plain(vars(value)), "text": str(value)}
    return repr(value)


def _text(output):
    return output.decode(errors="surrogateescape") if isinstance(output, bytes) else output


def _record_commands():
    commands = []
    communicate = subprocess.Popen.communicate

    def recorded(process, *arguments, **options):
        stdout, stderr = communicate(process, *arguments, **options)
        commands.append({"arguments": [str(part) for part in process.args],
                         "status": process.returncode,
                         "stdout": _text(stdout), "stderr": _text(stderr)})
        return stdout, stderr

    subprocess.Popen.communicate = recorded
    return commands


def _run(call, prepare):
    commands = _record_commands()
    report = {"commands": commands}
    # Two runs give their temporary files the same names.
    tempfile._name_sequence = map(str, itertools.count())  # pylint: disable=protected-access
    try:
        prepare()
        report["returned"] = _plain(call())
    except Exception as error:  # pylint: disable=broad-except
        report["raised"] = [type(error).__name__, str(error)]
    return report


def main(calls, prepare=lambda: None):
    directory, *names = sys.argv[1:]
    for name in names:
        call = calls[name]
        child = os.fork()
        if child == 0:
            os.chdir(os.path.join(directory, name))
            report = _run(call, prepare)
            with open(os.path.join(directory, f"{name}.json"), "w", encoding="utf-8",
                      errors="surrogateescape") as file:
                json.dump(report, file)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status != 0:
            sys.exit(f"{name} ended with wait status {status}")
