"""Calls functions of OpenStack's services, which call qemu-img: once the real one, once hotcell.

    services_test.py sample|all CASE

What a function returns or raises, the command lines it runs with their exit status and what they
print, and the images and files that come out are the same. `sample` needs little to be installed.
"""

import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
from peers import service_calls, twice, unpacked
from support import harness, likeness, programs

_HERE = os.path.dirname(os.path.abspath(__file__))
_PYTHON = "/usr/bin/python3"
# The modules that a program's calls begin with.
_MODULES = {"nova": "nova", "cinder": "cinder", "glance": "glance", "ironic": "ironic",
            "oslo": "oslo_concurrency"}


def _run(call, files, python_path, environment):
    report = os.path.join(files.directory, "report.json")
    script = os.path.join(_HERE, "calls", f"{call.program}_calls.py")
    programs.must([_PYTHON, script, call.name, report], cwd=files.work,
                  env={**environment, "PYTHONPATH": python_path, "TMPDIR": files.directory})
    with open(report, encoding="utf-8") as file:
        return json.load(file)


def _of_qemu_img(report):
    """The commands among those that were run that are qemu-img's, with or without wrappers."""
    return [command for command in report["commands"] if "qemu-img" in command["arguments"]]


def _check_refusal(call, theirs, ours):
    harness.check("returned" in theirs, f"qemu-img's run: {theirs}")
    last = _of_qemu_img(ours)[-1]
    harness.check(call.refused in last["arguments"], f"not {call.refused}: {last}")
    harness.check(last["status"] == 1 and re.search(
        rf"^qemu-img: {call.refused} ", last["stderr"]),
        f"hotcell does not refuse {call.refused} by name; if it is done now, compare this call: {last}")


# Of a conversion's time and of temporary files, which two runs cannot share.
def _comparable(text):
    return re.sub(r"(image_download_\w+_|vol_upload_|tmp)[\w-]+", r"\1", text)


def _check_commands(theirs, ours):
    arguments = [[[_comparable(part) for part in command["arguments"]]
                  for command in report["commands"]] for report in (theirs, ours)]
    harness.check_equal(arguments[1], arguments[0], "the commands that were run")
    for expected, got in zip(theirs["commands"], ours["commands"]):
        where = " ".join(expected["arguments"])
        harness.check_equal(got["status"], expected["status"], f"{where}: {got['stderr']!r}")
        if expected["status"] == 0:
            harness.check_equal(got["stderr"], expected["stderr"], where)
        else:
            harness.check(got["stderr"], f"{where}: fails and does not say why")
        harness.check_equal(likeness.fields(_comparable(got["stdout"])),
                            likeness.fields(_comparable(expected["stdout"])), where)


def _check_outcome(call, theirs, ours):
    if call.raises:
        for who, report in (("qemu-img", theirs), ("hotcell", ours)):
            harness.check_equal(report.get("raised", [None])[0], call.raises,
                                f"what is raised with {who} ({report})")
        return
    for who, report in (("qemu-img", theirs), ("hotcell", ours)):
        harness.check("returned" in report, f"raised with {who}: {report.get('raised')}")
    harness.check_equal(ours["returned"], theirs["returned"], "what is returned")


def _files(directory):
    return sorted(os.path.join(os.path.relpath(place, directory), name)
                  for place, _, names in os.walk(directory) for name in names)


def _check(call, directory):
    programs.require_kvm()
    programs.require_program("qemu-img")
    unpacked.require_module(_MODULES[call.program])
    python_path = unpacked.python_path(directory)
    files = twice.Twice(directory)
    theirs, ours = files.run(
        lambda environment: _run(call, files, python_path, environment))
    if call.refused:
        _check_refusal(call, theirs, ours)
        return
    _check_outcome(call, theirs, ours)
    _check_commands(theirs, ours)
    harness.check(_of_qemu_img(theirs) or call.raises, "qemu-img was not run")
    harness.check_equal(_files(files.ours), _files(files.theirs), "files that are left")
    for name in call.outputs:
        likeness.check_same_image(name, files.theirs, files.ours, call.name)


_SUITES = {"sample": service_calls.SAMPLE, "all": service_calls.CALLS}

if __name__ == "__main__":
    suite = _SUITES[sys.argv.pop(1)]
    harness.main({f"{call.program}.{call.name}":
                  (lambda directory, call=call: _check(call, directory)) for call in suite})
