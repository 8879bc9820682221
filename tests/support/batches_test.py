"""Batches of cases: who fails, is skipped, dies or leaves something behind is told by name, and no
other case is touched by it."""

import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from support import batches, harness, programs

_TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "lib")

_CTEST = """<testsuite tests="2" failures="0" skipped="0">
  <testcase name="suite.a" classname="suite.a" status="%s">%s<system-out/></testcase>
  <testcase name="other" classname="other" status="run"><system-out>well</system-out></testcase>
</testsuite>
"""

# What a program of GoogleTest leaves, shortened.
_GOOGLETEST = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1" name="AllTests"><testsuite name="Kinds/RingTest" tests="3">
  <testcase name="Wraps/0" status="run" result="completed" time="0.01" classname="Kinds/RingTest"/>
  <testcase name="Needs/0" status="run" result="skipped" time="0" classname="Kinds/RingTest">
    <skipped message="ring_test.cc:107&#x0A;needs root"/>
  </testcase>
  <testcase name="Fills/0" status="run" result="completed" time="0" classname="Kinds/RingTest">
    <failure message="ring_test.cc:9&#x0A;Expected equality" type="">more</failure>
  </testcase>
</testsuite></testsuites>
"""


def _passes(_):
    print("all is \x1b[1mwell")


def _is_skipped(_):
    raise harness.Skip("no such device")


def _fails(_):
    harness.check(False, "as it should")


def _dies(_):
    os.kill(os.getpid(), signal.SIGKILL)


def _leaves(_):
    os.environ["LEFT"] = "behind"
    os.umask(0o777)


def _finds_nothing(_):
    harness.check("LEFT" not in os.environ, "the environment of the case before")
    harness.check(os.umask(0o022) != 0o777, "the mask of the case before")


_CASES = {"a-passes": _passes, "a-skipped": _is_skipped, "a-fails": _fails, "a-dies": _dies,
          "a-leaves": _leaves, "a-nothing": _finds_nothing, "b": _passes, "c-one": _is_skipped,
          "c-other": _is_skipped}


def _run(batch):
    """Exit status and output of this module as a suite of those cases."""
    result = subprocess.run(
        [sys.executable, "-m", "support.batches_test", "--cases", "--batch", batch, "suite.",
         os.path.abspath(f"cases/suite.{batch}.xml")], check=False, stdout=subprocess.PIPE, text=True)
    return result.returncode, result.stdout


def _groups(_):
    harness.check_equal({name: len(cases) for name, cases in batches.of(_CASES).items()},
                        {"a": 6, "b": 1, "c": 2}, "batches")


def _verdicts(_):
    harness.check_equal(_run("b")[0], 0, "all pass")
    harness.check_equal(_run("c")[0], batches.SKIPPED, "all are skipped")
    status, output = _run("a")
    harness.check_equal(status, 1, "some fail")
    harness.check(output.endswith("FAILED: 2 of 6 cases: a-fails, a-dies\n"), output)
    harness.check("a-dies: ended by signal 9" in output and "as it should" in output, output)


def _merge(test_status, element):
    with open("junit.xml", "w", encoding="utf-8") as file:
        file.write(_CTEST % (test_status, element))
    text = programs.must([sys.executable, "-B", os.path.join(_TOOLS, "merge_junit.py"), "."])
    found = {case.get("name"): case for case in ElementTree.parse("junit.xml").iter("testcase")}
    return text.decode(), found


def _merged(_):
    _run("a")
    text, found = _merge("fail", '<failure message="Failed"/>')
    harness.check_equal(text, "7 cases in 2 tests: 4 passed, 1 skipped, 2 failed\n", "counts")
    harness.check_equal(set(found), {f"suite.{name}" for name in batches.of(_CASES)["a"]} | {"other"},
                        "names")
    harness.check_equal(found["suite.a-fails"].get("classname"), "suite.a", "the test of a case")
    failures = programs.must([sys.executable, "-B", os.path.join(_TOOLS, "show_failures.py"), "."])
    harness.check_equal(re.findall(r"^FAILED: (\S+)", failures.decode(), re.MULTILINE),
                        ["suite.a-fails", "suite.a-dies"], "shown failures")
    skips = programs.run([sys.executable, "-B", "-c",
                          "import check_skips; print(list(check_skips.skipped_tests('junit.xml')))"],
                         env={**os.environ, "PYTHONPATH": _TOOLS})
    harness.check_equal(skips.stdout.decode(),
                        "[('suite.a-skipped', 'suite.a', 'no such device')]\n", "skipped tests")


def _googletest(_):
    os.mkdir("cases")
    with open("cases/suite.a.xml", "w", encoding="utf-8") as file:
        file.write(_GOOGLETEST)
    text, found = _merge("fail", '<failure message="Failed"/>')
    harness.check_equal(text, "4 cases in 2 tests: 2 passed, 1 skipped, 1 failed\n", "counts")
    said = {name: case.findtext("system-out") for name, case in found.items()}
    harness.check_equal(said, {
        "suite.Kinds/RingTest.Wraps/0": "", "other": "well",
        "suite.Kinds/RingTest.Needs/0": "SKIPPED: needs root",
        "suite.Kinds/RingTest.Fills/0": "ring_test.cc:9\nExpected equality"}, "what was said")


def _failures_of_the_batch_itself(_):
    """A batch that ends without verdicts, or badly with good ones, is a failure."""
    text, found = _merge("fail", '<failure message="Timeout"/>')
    harness.check_equal(text, "2 cases in 2 tests: 1 passed, 0 skipped, 1 failed\n", "without verdicts")
    _run("b")
    os.rename("cases/suite.b.xml", "cases/suite.a.xml")
    text, found = _merge("fail", '<failure message="Failed"/>')
    harness.check_equal(text, "3 cases in 2 tests: 2 passed, 0 skipped, 1 failed\n", "with good ones")
    harness.check("suite.a" in found and "suite.b" in found, f"names: {list(found)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--cases"]:
        sys.argv.pop(1)
        harness.main(_CASES)
    else:
        harness.main({
            "groups": _groups,
            "verdicts": _verdicts,
            "merged": _merged,
            "googletest": _googletest,
            "failures-of-the-batch-itself": _failures_of_the_batch_itself,
        })
