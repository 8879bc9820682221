"""A suite is a module with named cases; ctest runs each case as a test of its own.

    harness.main({"name": function, ...})

`SUITE --list` prints the names (the build registers them), `SUITE NAME` runs one case in a directory
of its own, `SUITE` runs all. Exit status: 0 passed, 77 skipped (a line "SKIPPED: reason" says why),
1 failed. Suites of many short cases are run in batches (batches.py).
"""

import os
import shutil
import subprocess
import sys
import tempfile
import traceback

from support import batches
from support.batches import SKIPPED


class Skip(Exception):
    """The machine lacks what the case needs; the text says what."""


class Failure(AssertionError):
    """What was expected and what came instead."""


def check(condition, message):
    if not condition:
        raise Failure(message)


def check_equal(actual, expected, what):
    if actual != expected:
        raise Failure(f"{what}: got {actual!r}, want {expected!r}")


def _unmount_below(directory):
    """What a case has mounted in a namespace of its own would keep its directory."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in reversed(points):
        if point.startswith(directory + "/"):
            subprocess.run(["umount", point], check=False, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)


def _run(name, function):
    directory = tempfile.mkdtemp(prefix=f"hotcell-{name.replace('/', '-')}.")
    os.chmod(directory, 0o755)  # some cases run as another user
    previous = os.getcwd()
    os.chdir(directory)
    try:
        function(directory)
    except Skip as reason:
        print(f"SKIPPED: {reason}")
        return SKIPPED
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print(f"FAILED: {name}")
        return 1
    finally:
        os.chdir(previous)
        _unmount_below(directory)
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _run_all(names, cases):
    results = []
    for name in names:
        print(f"-- {name}", flush=True)
        results.append(_run(name, cases[name]))
    if any(result == 1 for result in results):
        sys.exit(1)
    sys.exit(SKIPPED if results and all(result == SKIPPED for result in results) else 0)


def main(cases):
    arguments = sys.argv[1:]
    if arguments == ["--list"]:
        print("\n".join(cases))
    elif arguments == ["--list-batches"]:
        print("\n".join(f"{name} {len(batch)}" for name, batch in batches.of(cases).items()))
    elif arguments[:1] == ["--batch"]:
        sys.exit(batches.run(cases, _run, *arguments[1:]))
    else:
        unknown = [name for name in arguments if name not in cases]
        if unknown:
            sys.exit(f"no such case: {', '.join(unknown)}")
        _run_all(arguments or cases, cases)
