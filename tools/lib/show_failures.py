"""Names the tests that failed in a run of ctest, each with the last lines that it printed.

Usage: show_failures.py BUILD_DIRECTORY   (after ctest --output-junit junit.xml, and merge_junit.py)
"""

import os
import sys
import xml.etree.ElementTree as ElementTree

_LINES = 40


def failed_tests(junit_path):
    """Yields (name, message, output) of each failed test."""
    for case in ElementTree.parse(junit_path).getroot().iter("testcase"):
        failure = case.find("failure")
        if failure is not None:
            yield case.get("name"), failure.get("message", ""), case.findtext("system-out") or ""


def main():
    junit_path = os.path.join(sys.argv[1], "junit.xml")
    if not os.path.exists(junit_path):
        return
    for name, message, output in failed_tests(junit_path):
        print(f"FAILED: {name} {message}".rstrip())
        for line in output.rstrip().splitlines()[-_LINES:]:
            print(f"    {line}")


if __name__ == "__main__":
    main()
