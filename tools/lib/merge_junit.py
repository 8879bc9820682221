"""Puts the cases of batches in the place of the batches in ctest's JUnit file, and counts them.

Usage: merge_junit.py BUILD_DIRECTORY   (after ctest --output-junit junit.xml)

A batch, of a suite in Python or all of a program of GoogleTest, leaves the verdicts of its cases in
cases/TEST.xml. In the merged file a case has the test that ran it as its class.
"""

import collections
import os
import sys
import xml.etree.ElementTree as ElementTree


def _verdict(case):
    for verdict in ("failure", "error", "skipped"):
        if case.find(verdict) is not None:
            return "skipped" if verdict == "skipped" else "failed"
    return "passed"


def _of_googletest(case, prefix):
    """Gives a case of GoogleTest the name and the output that ctest would have given it."""
    case.set("name", f"{prefix}{case.get('classname')}.{case.get('name')}")
    said = []
    for verdict in [*case.findall("failure"), *case.findall("skipped")]:
        text = verdict.get("message") or verdict.text or ""
        said.append(f"SKIPPED: {text.splitlines()[-1]}" if verdict.tag == "skipped" and text else text)
        verdict.set("message", "")
    ElementTree.SubElement(case, "system-out").text = "\n".join(said)


def _expand(test, directory):
    """The cases of a test; the test itself where it has none, or failed for another cause."""
    name = test.get("name")
    path = os.path.join(directory, f"{name}.xml")
    if not os.path.exists(path):
        return [test]
    root = ElementTree.parse(path).getroot()
    cases = list(root.iter("testcase"))
    for case in cases:
        if root.tag == "testsuites":
            _of_googletest(case, name[:name.rfind(".") + 1])
        case.set("classname", name)
    verdicts = {_verdict(case) for case in cases}
    if _verdict(test) == "failed" and "failed" not in verdicts:
        cases.append(test)
    return cases


def main():
    build_directory = sys.argv[1]
    junit_path = os.path.join(build_directory, "junit.xml")
    tree = ElementTree.parse(junit_path)
    suite = tree.getroot()
    tests = suite.findall("testcase")
    directory = os.path.join(build_directory, "cases")
    cases = [case for test in tests for case in _expand(test, directory)]
    for test in tests:
        suite.remove(test)
    suite.extend(cases)
    counts = collections.Counter(_verdict(case) for case in cases)
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(counts["failed"]))
    suite.set("skipped", str(counts["skipped"]))
    tree.write(junit_path, encoding="utf-8", xml_declaration=True)
    print(f"{len(cases)} cases in {len(tests)} tests: {counts['passed']} passed, "
          f"{counts['skipped']} skipped, {counts['failed']} failed")


if __name__ == "__main__":
    main()
