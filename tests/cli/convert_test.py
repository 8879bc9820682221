"""convert's options about several files and about the target, beside qemu-img."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# pylint: disable=wrong-import-position
from support import content, files, harness, programs

MIB = 1 << 20


def _same(ours, theirs):
    difference = files.first_difference(ours, theirs)
    harness.check(difference is None, f"{ours} differs from {theirs} at byte {difference}")


def _several_inputs(_):
    programs.require_kvm()
    programs.qemu_img("convert", "-f", "raw", "-O", "vmdk", content.pattern(), "a.vmdk")
    with open("b.raw", "wb") as second:
        second.write(b"second" * 1000)
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", "-c", content.pattern(), "c.qcow2")
    inputs = ["a.vmdk", "b.raw", "c.qcow2"]
    programs.qemu_img("convert", "-O", "raw", *inputs, "theirs")
    programs.must_hotcell("convert", "-O", "raw", *inputs, "ours")
    _same("ours", "theirs")
    result = programs.hotcell("convert", "-O", "raw", "a.vmdk", "nosuch", "c.qcow2", "none")
    harness.check_equal(result.returncode, 1, "exit status")
    harness.check(b"'nosuch'" in result.stderr, f"{result.stderr!r}")
    harness.check(not os.path.exists("none"), "a target is left")


def _backing_file(_):
    programs.require_kvm()
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", content.pattern(), "base.qcow2")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2")
    programs.qemu_io("top.qcow2", "write -P 7 1M 128k", "write -z 2M 64k")
    programs.must_hotcell("convert", "-O", "qcow2", "-B", "base.qcow2", "-F", "qcow2",
                          "top.qcow2", "ours.qcow2")
    programs.qemu_img("compare", "-s", "top.qcow2", "ours.qcow2")
    programs.qemu_img("check", "-q", "ours.qcow2")
    info = programs.qemu_info("ours.qcow2")
    harness.check_equal((info["backing-filename"], info["backing-filename-format"]),
                        ("base.qcow2", "qcow2"), "backing file")
    harness.check(os.path.getsize("ours.qcow2") < MIB, "what the backing file holds was copied")
    result = programs.hotcell("convert", "-O", "qcow2", "-B", "base.qcow2", "top.qcow2", "none")
    harness.check_equal(result.returncode, 1, "exit status without -F")
    harness.check(b"backing format" in result.stderr, f"{result.stderr!r}")


def _target_is_zero(_):
    programs.require_kvm()
    with open("target", "wb") as target:
        target.truncate(os.path.getsize(content.pattern()))
    programs.must_hotcell("convert", "-n", "--target-is-zero", "-f", "raw", "-O", "raw",
                          content.pattern(), "target")
    _same("target", content.pattern())
    result = programs.hotcell("convert", "--target-is-zero", "-O", "raw", content.pattern(), "x")
    harness.check_equal(result.returncode, 1, "exit status without -n")
    harness.check(b"-n" in result.stderr, f"{result.stderr!r}")


def _rate_limit(_):
    """The data come out the same; broker.OutputPaceTest is about the time."""
    programs.require_kvm()
    programs.must_hotcell("convert", "-r", "64M", "-f", "raw", "-O", "raw", content.pattern(), "ours")
    _same("ours", content.pattern())
    result = programs.hotcell("convert", "-r", "fast", "-O", "raw", content.pattern(), "x")
    harness.check_equal(result.returncode, 1, "exit status")
    harness.check(b"'fast'" in result.stderr, f"{result.stderr!r}")


def _json_output(_):
    programs.require_kvm()
    text = programs.must_hotcell("convert", "--output=json", "-f", "raw", "-O", "vdi",
                                 content.pattern(), "out.vdi")
    harness.check(isinstance(json.loads(text), dict), f"{text!r}")


CASES = {
    "several-inputs": _several_inputs,
    "backing-file": _backing_file,
    "target-is-zero": _target_is_zero,
    "rate-limit": _rate_limit,
    "json-output": _json_output,
}

if __name__ == "__main__":
    harness.main(CASES)
