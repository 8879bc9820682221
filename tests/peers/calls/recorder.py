"""Runs one call of a peer and writes down what came of it, for the test to compare.

    recorder.main({"name": function, ...})

`CALLS NAME FILE` runs the function in the current directory, with the interpreter and the modules of
the peer. FILE becomes a JSON object: "returned", or "raised" (type and text), and "commands", the
programs that were run and waited for meanwhile, with what each printed.
"""

import json
import subprocess
import sys


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


def main(calls):
    name, path = sys.argv[1:]
    call = calls[name]
    commands = _record_commands()
    report = {"commands": commands}
    try:
        report["returned"] = _plain(call())
    except Exception as error:  # pylint: disable=broad-except
        report["raised"] = [type(error).__name__, str(error)]
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        json.dump(report, file)
