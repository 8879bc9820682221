"""Feeds every damaged or malicious image to hotcell: how it ends, what it leaves, what it opens."""

import os
import re
import sys
import time

from hostile.images import cases, qcow2file
from support import files, harness, programs, trace

# A hang is told from a slow machine generously; the time that is promised is printed beside what
# was measured, and a run on a quiet machine shows whether it holds.
_PROMISED_SECONDS = 2
_TIMEOUT_SECONDS = 20

_OLD_TARGET = b"the old target\n" * 1000
_LARGEST_COPY = 1 << 30  # bytes of a file that is edited


def _timed(arguments, what):
    begin = time.monotonic()
    result = programs.hotcell(*arguments, timeout=_TIMEOUT_SECONDS)
    elapsed = time.monotonic() - begin
    late = " LATE" if elapsed > _PROMISED_SECONDS else ""
    print(f"{what}: exit {result.returncode} after {elapsed:.2f} s{late}: "
          f"{result.stderr.decode(errors='backslashreplace').strip()}")
    return result


def _check_orderly_error(result, what, status=1):
    """The exit status (None: any error's), and one line of printable text on standard error."""
    if status is None:
        harness.check(0 < result.returncode < 64, f"{what}: exit status {result.returncode}")
    else:
        harness.check_equal(result.returncode, status, f"{what}: exit status")
    text = result.stderr
    harness.check(text.endswith(b"\n") and text.count(b"\n") == 1,
                  f"{what}: standard error is not one line: {text!r}")
    line = text[:-1].decode("utf-8")
    harness.check(line.isprintable(), f"{what}: unprintable characters: {text!r}")
    harness.check(text.startswith(b"hotcell: "), f"{what}: does not say who speaks: {text!r}")
    harness.check(not re.search(r"guest fault|page fault|panic|signal|violation|exception|"
                                r"internal error", line, re.IGNORECASE),
                  f"{what}: something crashed: {line}")
    return line


def _format_arguments(case):
    return [] if case.format is None else ["-f", case.format]


def _convert_arguments(case, target):
    return ["convert", *_format_arguments(case), "-O", case.target_format, *case.arguments,
            case.path, target]


def _check_same(case, target):
    if case.target_format == "qcow2":
        programs.must(["qemu-img", "check", "-q", "-f", "qcow2", target])
        programs.qemu_img("compare", "-f", case.format or case.reads_as, "-F", "qcow2", case.path, target)
        return
    reference = os.path.join(os.path.dirname(target), "reference.raw")
    source = case.path
    convert = ["qemu-img", "convert", "-f", case.format or case.reads_as, "-O", "raw"]
    if programs.run([*convert, source, reference]).returncode != 0:
        # qemu-img minds the damage and we need not: then it must have cost no data.
        source = case.undamaged
        if source is None:
            source = os.path.join(os.path.dirname(target), "undamaged.qcow2")
            qcow2file.Qcow2File().write(source)
        programs.must([*convert, source, reference])
    difference = files.first_difference(target, reference)
    harness.check(difference is None, f"convert: differs from qemu-img's at byte {difference}")


def _check_convert(case, directory):
    output = os.path.join(directory, "output")
    os.mkdir(output)
    target = os.path.join(output, "target")
    before = trace.snapshot(directory)
    result = _timed(_convert_arguments(case, target), "convert")
    if result.returncode == 0:
        harness.check(case.verdict.converts, "convert: succeeded")
        _check_same(case, target)
        for entry in os.listdir(output):
            os.unlink(os.path.join(output, entry))
    else:
        line = _check_orderly_error(result, "convert")
        harness.check(case.verdict.pattern is not None, f"convert: refused: {line}")
        harness.check(re.search(case.verdict.pattern, line, re.IGNORECASE),
                      f"convert: the error does not speak of /{case.verdict.pattern}/: {line}")
    harness.check_equal(trace.snapshot(directory), before, "convert: what is in the directory")
    return result.returncode


def _check_old_target(case, directory, status):
    """A conversion that fails leaves the target that was there."""
    if status == 0:
        return
    target = os.path.join(directory, "output", "target")
    with open(target, "wb") as old:
        old.write(_OLD_TARGET)
    result = programs.hotcell(*_convert_arguments(case, target), timeout=_TIMEOUT_SECONDS)
    harness.check_equal(result.returncode, 1, "convert over an old target: exit status")
    with open(target, "rb") as old:
        harness.check(old.read() == _OLD_TARGET, "the old target was changed")
    harness.check_equal(os.listdir(os.path.join(directory, "output")), ["target"],
                        "beside the old target")


def _check_info(case):
    for arguments in (["info", *_format_arguments(case), case.path],
                      ["info", *_format_arguments(case), "--output=json", case.path]):
        result = _timed(arguments, " ".join(arguments[:-1]))
        if result.returncode == 0:
            harness.check(case.info in (None, "answers"), "info: succeeded")
            harness.check(result.stderr == b"" or result.stderr.count(b"\n") < 10,
                          f"info: {result.stderr!r}")
            text = result.stdout.decode("utf-8")
            harness.check(all(line.isprintable() for line in text.split("\n")),
                          f"info: unprintable characters: {text!r}")
            continue
        harness.check(case.info != "answers", f"info: refused: {result.stderr!r}")
        line = _check_orderly_error(result, "info")
        if case.info:
            harness.check(re.search(case.info, line, re.IGNORECASE),
                          f"info: the error does not speak of /{case.info}/: {line}")


def _check_opens(case, directory):
    output = os.path.join(directory, "traced")
    os.mkdir(output)
    target = os.path.join(output, "target")
    worker = os.path.join(os.path.dirname(programs.HOTCELL), "hotcell-worker")
    log = os.path.join(directory, "strace.log")
    for arguments, names in (
            (_convert_arguments(case, target), {case.path, target, output, *case.allowed}),
            (["info", *_format_arguments(case), case.path], {case.path})):
        # The tree is watched for seconds, not for the length of a bomb.
        _, entries = trace.run([programs.HOTCELL, *arguments], log, timeout=_TIMEOUT_SECONDS * 2)
        harness.check(entries, "strace saw nothing")
        if case.arguments and case.arguments[0].startswith("--follow-references="):
            names = names | {case.arguments[0].partition("=")[2]}
        trace.check_only(entries, names, set(case.attempted), worker)


def _check_others(case):
    """What the other commands make of it: an answer, or an error as orderly as convert's."""
    named = _format_arguments(case)
    for arguments, answers in (
            (["check", *named, case.path], {0, 2, 3, 63}),
            (["compare", *named, *(["-F", case.format] if named else []), case.path, case.path], {0}),
            # A disk of terabytes has as many zeroes to hash: who asks for that sets a limit.
            (["digest", "--timeout=2", *named, case.path], {0, 124}),
            (["inspect", *named, case.path], {0, 2}),
            (["map", *named, "--output=json", case.path], {0}),
            (["measure", *named, "-O", "qcow2", case.path], {0})):
        allowed = [argument for argument in case.arguments if argument.startswith("--")]
        result = _timed([arguments[0], *allowed, *arguments[1:]], arguments[0])
        if arguments[0] == "inspect" and not case.verdict.converts:
            # A gatekeeper is told not to let in what cannot be converted.
            harness.check_equal(result.returncode, 2, f"inspect: {result.stdout!r}")
        # A check that could not look at everything says so after what it found.
        found = arguments[0] == "check" and result.stderr.count(b"\n") > 1
        if result.returncode in answers or (found and result.returncode == 1):
            text = (result.stdout + result.stderr).decode("utf-8")
            harness.check(all(line.isprintable() for line in text.split("\n")),
                          f"{arguments[0]}: unprintable characters: {text!r}")
            continue
        line = _check_orderly_error(result, arguments[0], status=None)
        harness.check(line, f"{arguments[0]}: says nothing")


def _check_edits(case):
    """What is changed in place comes out sound, or is refused and stays as it is."""
    copy = f"{case.path}.edited"
    if os.path.getsize(case.path) > _LARGEST_COPY:
        return
    named = _format_arguments(case)
    for arguments in (["resize", *named, copy, "+1M"],
                      ["resize", *named, "--preallocation=full", copy, "+1M"],
                      ["rebase", "-u", "-b", "other.raw", "-F", "raw", *named, copy]):
        programs.must(["cp", "--sparse=always", case.path, copy])
        os.chmod(copy, 0o600)
        result = _timed([arguments[0], *arguments[1:]], arguments[0])
        if result.returncode == 0:
            check = programs.hotcell("check", "-q", *named, copy)
            before = programs.hotcell("check", "-q", *named, case.path)
            harness.check(check.returncode in (0, 3, 63) or arguments[0] == "rebase" or
                          check.returncode == before.returncode,
                          f"{arguments[0]}: damaged: {check.stderr!r}")
            continue
        result.stderr = b"".join(line for line in result.stderr.splitlines(keepends=True)
                                 if b": warning: " not in line)
        _check_orderly_error(result, arguments[0], status=None)
        harness.check(files.first_difference(case.path, copy) is None,
                      f"{arguments[0]}: refuses the image and changes it")
    os.unlink(copy)


def _hostile(name, directory):
    programs.require_kvm()
    programs.require_program("qemu-img")
    place = os.path.join(directory, "case")
    os.mkdir(place)
    os.chdir(place)
    case = cases.CASES[name](place)
    status = _check_convert(case, place)
    _check_old_target(case, place, status)
    _check_info(case)
    _check_others(case)
    _check_edits(case)
    _check_opens(case, place)


if __name__ == "__main__":
    # A run of one case, of which there are a thousand, does without the others.
    cases.load(sys.argv[1] if len(sys.argv) == 2 and sys.argv[1] != "--list" else None)
    harness.main({name: (lambda directory, name=name: _hostile(name, directory))
                  for name in cases.CASES})
