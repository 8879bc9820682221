"""Calls functions of OpenStack's services, which call qemu-img: once the real one, once hotcell.

    python3 -m peers.services_test sample|all CASE

What a function returns or raises, the command lines it runs with their exit status and what they
print, and the images and files that come out are the same. `sample` needs little to be installed.
"""

import json
import os
import re
import sys

from peers import service_calls, twice, unpacked
from support import harness, likeness, programs

_HERE = os.path.dirname(os.path.abspath(__file__))
_PYTHON = "/usr/bin/python3"
# The modules that a program's calls begin with.
_MODULES = {"nova": "nova", "cinder": "cinder", "glance": "glance", "ironic": "ironic",
            "oslo": "oslo_concurrency"}
# The services load for seconds, and for minutes on a busy machine.
_TIMEOUT_SECONDS = 500


def _run(program, names, files, python_path, environment):
    """Returns the report of each call."""
    script = os.path.join(_HERE, "calls", f"{program}_calls.py")
    programs.must([_PYTHON, script, files.work, *names], timeout=_TIMEOUT_SECONDS,
                  env={**environment, "PYTHONPATH": python_path})
    reports = {}
    for name in names:
        with open(os.path.join(files.work, f"{name}.json"), encoding="utf-8") as file:
            reports[name] = json.load(file)
    return reports


def _of_qemu_img(report):
    """The commands among those that were run that are qemu-img's, with or without wrappers."""
    return [command for command in report["commands"] if "qemu-img" in command["arguments"]]


def _check_refusal(call, theirs, ours):
    harness.check("returned" in theirs, f"qemu-img's run: {theirs}")
    last = _of_qemu_img(ours)[-1]
    harness.check(call.refused in last["arguments"], f"not {call.refused}: {last}")
    harness.check(
        last["status"] == 1 and f"the command '{call.refused}' is not done" in last["stderr"],
        f"hotcell does not refuse {call.refused} by name; if it is done now, compare this call: {last}")


def _check_commands(theirs, ours):
    their_commands, our_commands = ([command["arguments"] for command in report["commands"]]
                                    for report in (theirs, ours))
    harness.check_equal(our_commands, their_commands, "the commands that were run")
    for expected, got in zip(theirs["commands"], ours["commands"]):
        where = " ".join(expected["arguments"])
        harness.check_equal(got["status"], expected["status"], f"{where}: {got['stderr']!r}")
        if expected["status"] == 0:
            harness.check_equal(got["stderr"], expected["stderr"], where)
        else:
            harness.check(got["stderr"], f"{where}: fails and does not say why")
        if expected["arguments"][-1] == "--version":
            continue  # the services take the number of it, which is among what they return
        harness.check_equal(likeness.fields(got["stdout"]), likeness.fields(expected["stdout"]),
                            where)


def _without_allocation(value):
    """A result as text, without the space that a copy of an image happens to occupy."""
    return re.sub(r"((?:actual-size|disk_size)\W+)\d+", r"\1N", json.dumps(value, sort_keys=True))


def _check_outcome(call, theirs, ours):
    if call.raises:
        for who, report in (("qemu-img", theirs), ("hotcell", ours)):
            harness.check_equal(report.get("raised", [None])[0], call.raises,
                                f"what is raised with {who} ({report})")
        return
    for who, report in (("qemu-img", theirs), ("hotcell", ours)):
        harness.check("returned" in report, f"raised with {who}: {report.get('raised')}")
    harness.check_equal(_without_allocation(ours["returned"]),
                        _without_allocation(theirs["returned"]), "what is returned")


def _files(directory):
    return sorted(os.path.join(os.path.relpath(place, directory), name)
                  for place, _, names in os.walk(directory) for name in names)


def _check_call(call, theirs, ours, files):
    if call.refused:
        _check_refusal(call, theirs, ours)
        return
    _check_outcome(call, theirs, ours)
    _check_commands(theirs, ours)
    harness.check(_of_qemu_img(theirs) or call.raises, "qemu-img was not run")
    their_files, our_files = (os.path.join(kept, call.name) for kept in (files.theirs, files.ours))
    harness.check_equal(_files(our_files), _files(their_files), "files that are left")
    for name in call.outputs:
        likeness.check_same_image(name, their_files, our_files, call.name)


def _check(calls, directory):
    programs.require_kvm()
    programs.require_program("qemu-img")
    program = calls[0].program
    unpacked.require_module(_MODULES[program])
    python_path = unpacked.python_path(directory)
    names = [call.name for call in calls]
    files = twice.Twice(directory, names)
    theirs, ours = files.run(
        lambda environment: _run(program, names, files, python_path, environment))
    failures = []
    for call in calls:
        try:
            _check_call(call, theirs[call.name], ours[call.name], files)
        except harness.Failure as failure:
            failures.append(f"{call.name}: {failure}")
    harness.check(not failures, "\n".join(failures))


_SUITES = {"sample": service_calls.SAMPLE, "all": service_calls.CALLS}

if __name__ == "__main__":
    suite = _SUITES[sys.argv.pop(1)]
    harness.main({name: (lambda directory, calls=calls: _check(calls, directory))
                  for name, calls in suite.items()})
