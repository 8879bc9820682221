"""What the documents point at is there: files behind links, paths, tests that are named as proof.

And their examples of how to call the library are compiled."""

import fnmatch
import os
import re

from support import harness, programs

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_CODE = re.compile(r"```.*?```", re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\(([^)#\s]+)(?:#[^)]*)?\)")
# A test's name as the text of a link to its source: [`policy.Rules*`](../policy/rules_test.cc).
_TEST = re.compile(r"^`([^`]+)`$")
# A file or folder of the repository: `broker/jobs/engine.cc`, `policy/`.
_PATH = re.compile(r"`([\w.-]+/[\w./-]*)`")
# What stands in tests/api/examples_test.cc for an example of a document or of a header.
_COMPILED = re.compile(r"// Example: (\S+)\n(.*?)// End\.", re.DOTALL)
_SOURCE = re.compile(r"(_test|_tests)\.(cc|py)$")


def _documents():
    for directory, subdirectories, names in os.walk(_ROOT):
        subdirectories[:] = [name for name in subdirectories
                             if name != "build" and not name.startswith(".")]
        for name in names:
            if name.endswith(".md"):
                yield os.path.join(directory, name)


def _links():
    """Yields (document, text, path) for each link that leads to a file."""
    for document in _documents():
        with open(document, encoding="utf-8") as file:
            text = _CODE.sub("", file.read())
        for label, target in _LINK.findall(text):
            if "://" not in target and not target.startswith("mailto:"):
                yield document, label, os.path.join(os.path.dirname(document), target)


def _links_lead_to_files(_):
    links = list(_links())
    harness.check(links, "no document has a link")
    missing = [f"{os.path.relpath(document, _ROOT)}: [{label}]"
               for document, label, path in links if not os.path.exists(path)]
    harness.check(not missing, "links to files that are not there:\n" + "\n".join(missing))


def _paths_of_the_map_exist(_):
    with open(os.path.join(_ROOT, "docs", "architecture.md"), encoding="utf-8") as file:
        paths = set(_PATH.findall(_CODE.sub("", file.read())))
    harness.check(len(paths) > 50, f"the map names only {len(paths)} paths")
    missing = sorted(path for path in paths if not os.path.exists(os.path.join(_ROOT, path)))
    harness.check(not missing, "paths that are not there:\n" + "\n".join(missing))


def _registered_tests():
    build = os.path.dirname(os.path.dirname(programs.HOTCELL))
    listing = programs.must(["ctest", "--test-dir", build, "-N"]).decode()
    names = re.findall(r"^ *Test +#\d+: (.*)$", listing, re.MULTILINE)
    # What was not built yet has this in place of its tests.
    if any(name.endswith("_NOT_BUILT") for name in names):
        raise harness.Skip("not all tests are built")
    return names


def _has_unit_tests():
    cache = os.path.join(os.path.dirname(os.path.dirname(programs.HOTCELL)), "CMakeCache.txt")
    with open(cache, encoding="utf-8") as file:
        return "\nHOTCELL_UNIT_TESTS:BOOL=OFF\n" not in file.read()


def _tests_of_source(path):
    """Names of the tests that a source of GoogleTest defines, without the prefix of its program."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    instances = re.findall(r"^INSTANTIATE_TEST_SUITE_P\(\s*(\w+),\s*(\w+)", text, re.MULTILINE)
    for kind, suite, name in re.findall(r"^(TEST|TEST_F|TEST_P)\(\s*(\w+),\s*(\w+)\)", text,
                                        re.MULTILINE):
        if kind == "TEST_P":
            yield from (f"{instance}/{suite}.{name}/0" for instance, of in instances if of == suite)
        else:
            yield f"{suite}.{name}"


def _is_unit_test(pattern, path):
    """Whether a pattern that no registered test has is of the source, in a build without unit tests."""
    prefix = pattern.partition(".")[0] + "."
    return not _has_unit_tests() and path.endswith(".cc") and any(
        fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(prefix + name, pattern)
        for name in _tests_of_source(path))


def _named_tests_exist(_):
    tests = _registered_tests()
    claims = [(document, match.group(1), path) for document, label, path in _links()
              if _SOURCE.search(path) and (match := _TEST.match(label))]
    harness.check(claims, "no document names a test")
    unknown = [f"{os.path.relpath(document, _ROOT)}: {pattern}" for document, pattern, path in claims
               if not fnmatch.filter(tests, pattern) and not _is_unit_test(pattern, path)]
    harness.check(not unknown, "tests that do not exist:\n" + "\n".join(unknown))


def _read(path):
    with open(os.path.join(_ROOT, path), encoding="utf-8") as file:
        return file.read()


def _examples():
    """Yields (path, code) for each example of how to call the library."""
    for code in re.findall(r"```cpp\n(.*?)```", _read("README.md"), re.DOTALL):
        yield "README.md", code
    headers = "broker/include/hotcell"
    for name in sorted(os.listdir(os.path.join(_ROOT, headers))):
        path = f"{headers}/{name}"
        # Comments whose lines are indented further than a comment's are.
        for block in re.findall(r"(?:^ *//   .*\n)+", _read(path), re.MULTILINE):
            yield path, re.sub(r"^ *//", "", block, flags=re.MULTILINE)


def _lines(code):
    """The code as one line, without the inclusions."""
    return " ".join(re.sub(r"^#include .*$", "", code, flags=re.MULTILINE).split())


def _examples_are_compiled(_):
    compiled = {path: _lines(code)
                for path, code in _COMPILED.findall(_read("tests/api/examples_test.cc"))}
    examples = list(_examples())
    harness.check(len(examples) >= 6, f"there are only {len(examples)} examples")
    for path, code in examples:
        text = compiled.pop(path, "")
        # What an example leaves out stands for something else there.
        for part in re.split(r"^\s*\.\.\.$", code, flags=re.MULTILINE):
            found = text.find(_lines(part))
            harness.check(found >= 0, f"{path}: tests/api/examples_test.cc does not have:\n{part}")
            text = text[found:]
    harness.check(not compiled, f"these have no such example: {', '.join(compiled)}")


harness.main({
    "links-lead-to-files": _links_lead_to_files,
    "paths-of-the-map-exist": _paths_of_the_map_exist,
    "named-tests-exist": _named_tests_exist,
    "examples-are-compiled": _examples_are_compiled,
})
