"""Judges the tests that ctest skipped: lists each with its reason, and fails when a KVM test was
skipped on a continuous integration machine that has /dev/kvm, unless for want of a program that the
release does not have.

Usage: check_skips.py BUILD_DIRECTORY   (after ctest --output-junit junit.xml, and merge_junit.py)
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def labels_by_test(build_directory):
    """Labels of each registered test; the JUnit file does not carry them."""
    listing = subprocess.run(
        ["ctest", "--test-dir", build_directory, "--show-only=json-v1"],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    labels = {}
    for test in json.loads(listing)["tests"]:
        for entry in test.get("properties", []):
            if entry["name"] == "LABELS":
                labels[test["name"]] = entry["value"]
    return labels


def skipped_tests(junit_path):
    """Yields (name, test, reason) of each skipped case, and of the test that ran it."""
    for case in ElementTree.parse(junit_path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if skipped is None:
            continue
        output = case.findtext("system-out") or ""
        # GoogleTest prints the reason on the line after "file:line: Skipped"; the Python suites
        # print "SKIPPED: reason".
        reason = (re.search(r"^SKIPPED: (.+)$", output, re.MULTILINE)
                  or re.search(r": Skipped\n(.+)$", output, re.MULTILINE))
        yield (case.get("name"), case.get("classname"),
               reason.group(1) if reason else skipped.get("message", ""))


@functools.cache
def release_lacks(package):
    """Whether apt, which has its lists, has no such package."""
    def candidate(name):
        policy = subprocess.run(["apt-cache", "policy", name], check=False, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                env={**os.environ, "LC_ALL": "C"}).stdout
        return re.search(r"^  Candidate: [^(]", policy, re.MULTILINE) is not None
    return shutil.which("apt-cache") is not None and candidate("cmake") and not candidate(package)


def is_for_want_of_an_oracle(reason):
    package = re.search(r" is not installed \(([a-z0-9.+-]+)\)$", reason or "")
    return package is not None and release_lacks(package.group(1))


def main():
    build_directory = sys.argv[1]
    labels = labels_by_test(build_directory)
    strict = os.environ.get("CI") == "true" and os.path.exists("/dev/kvm")
    refused = 0
    for name, test, reason in skipped_tests(os.path.join(build_directory, "junit.xml")):
        needs_kvm = "kvm" in labels.get(test, []) and not is_for_want_of_an_oracle(reason)
        refused += needs_kvm
        verdict = "FAILURE (this machine has /dev/kvm)" if needs_kvm and strict else "skipped"
        print(f"{verdict}: {name}: {reason}")
    if strict and refused:
        print(f"{refused} KVM tests were skipped although CI=true and /dev/kvm exists")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
