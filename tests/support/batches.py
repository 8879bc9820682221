"""Batches of a suite: the cases whose names have the same beginning, up to the first "-".

A start of Python with the suite's modules takes as long as many a case does. `SUITE --list-batches`
prints each batch with the number of its cases (the build registers them), `SUITE --batch BATCH` starts
once and forks for each case, which so has a process, a directory and a time of its own, and leaves
nothing to the next.

`SUITE --batch BATCH PREFIX FILE` also leaves the verdict of each PREFIX+case in FILE, as JUnit has it,
for tools/lib/merge_junit.py.
"""

import os
import re
import signal
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

SKIPPED = 77

# A case that takes longer hangs.
_CASE_SECONDS = 300
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def of(cases):
    """{name of a batch: names of its cases}."""
    found = {}
    for case in cases:
        found.setdefault(case.partition("-")[0], []).append(case)
    return found


def _be_the_case(run_case, name, function, output):
    os.setpgid(0, 0)
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    signal.alarm(_CASE_SECONDS)
    status = 1
    try:
        status = run_case(name, function)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _run_apart(run_case, name, function):
    """Runs a case in a process of its own. Returns its exit status and what it printed."""
    with tempfile.TemporaryFile() as output:
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            _be_the_case(run_case, name, function, output)
        _, status = os.waitpid(child, 0)
        status = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="backslashreplace")
    if status < 0:
        _kill_group(child)
        why = (f"took more than {_CASE_SECONDS} s" if status == -signal.SIGALRM
               else f"ended by signal {-status}")
        text += f"FAILED: {name}: {why}\n"
    return status, text


def _kill_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _add(parent, name, status, text, seconds):
    case = ElementTree.SubElement(parent, "testcase", name=name, time=f"{seconds:.3f}",
                                  status={0: "run", SKIPPED: "notrun"}.get(status, "fail"))
    text = _NOT_IN_XML.sub("\ufffd", text)
    if status == SKIPPED:
        ElementTree.SubElement(case, "skipped", message="SKIPPED")
    elif status != 0:
        ElementTree.SubElement(case, "failure", message="Failed")
    ElementTree.SubElement(case, "system-out").text = text


def run(cases, run_case, batch, prefix="", file=None):
    """Runs the cases of a batch, each by `run_case(name, function)`. Returns an exit status: 0, or
    SKIPPED when all were, or 1 when one failed."""
    if batch not in of(cases):
        sys.exit(f"no such batch: {batch}")
    suite = ElementTree.Element("testsuite", name=prefix + batch)
    results = {}
    for name in of(cases)[batch]:
        begin = time.monotonic()
        status, text = _run_apart(run_case, name, cases[name])
        seconds = time.monotonic() - begin
        results[name] = status
        print(f"-- {name}\n{text}{name}: {seconds:.2f} s", flush=True)
        _add(suite, prefix + name, status, text, seconds)
    if file:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        ElementTree.ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)
    failed = [name for name, status in results.items() if status not in (0, SKIPPED)]
    if failed:
        print(f"FAILED: {len(failed)} of {len(results)} cases: {', '.join(failed)}")
        return 1
    return SKIPPED if all(status == SKIPPED for status in results.values()) else 0
