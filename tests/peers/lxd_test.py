"""LXD makes a virtual machine of an image, and an image of the machine: once with qemu-img, once with
hotcell.

Its daemon is an ordinary process here, in namespaces of its own, with its files in the case's directory.
No machine is started.
"""

import contextlib
import os
import subprocess
import time

from peers import twice, unpacked
from support import harness, likeness, programs

_METADATA = "architecture: x86_64\ncreation_date: 1700000000\n"
# LXD moves the second partition table to the new end of the disk, and makes one with a random identity
# where there is none.
_PARTITIONS = b"""label: gpt
label-id: 00000000-0000-4000-8000-000000000001
start=2048, size=65536, uuid=00000000-0000-4000-8000-000000000002
"""
_START_SECONDS = 60
# What LXD 5.0.2 says when it missed what `qemu-img info` printed, which it does now and then, whoever
# printed it.
_MISSED_OUTPUT = b"unexpected end of JSON input"
_TRIES = 8
_CALL = "run"


@contextlib.contextmanager
def _daemon(directory, environment):
    with open(os.path.join(directory, "log"), "wb") as log:
        process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
             unpacked.program("usr/bin/lxd")],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.kill()
            process.wait()


def _log(directory):
    with open(os.path.join(directory, "log"), encoding="utf-8", errors="replace") as log:
        return log.read()


def _environment(directory, environment):
    # LXD offers virtual machines where it can load vhost_vsock, which they need once they run.
    tools = os.path.join(directory, "tools")
    os.mkdir(tools)
    with open(os.path.join(tools, "modprobe"), "w", encoding="utf-8") as modprobe:
        modprobe.write("#!/bin/sh\n")
    os.chmod(modprobe.name, 0o755)
    return {
        **environment, "LXD_DIR": os.path.join(directory, "lxd"), "HOME": directory,
        "LXD_OVMF_PATH": unpacked.program("usr/share/OVMF"),
        "LD_LIBRARY_PATH": unpacked.library_path(),
        "PATH": os.pathsep.join([tools, environment["PATH"],
                                 *(os.path.join(unpacked.ROOT, path)
                                   for path in ("usr/bin", "usr/sbin", "bin", "sbin"))])}


def _make_image(work):
    raw = os.path.join(work, "src.raw")
    subprocess.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", raw], input=_PARTITIONS,
                   check=True, stdout=subprocess.DEVNULL)
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, os.path.join(work, "gpt.qcow2"))


def _run(files, kept, environment):
    """Leaves the machine's disk as "disk.raw" and the disk of the image made of it as "image.qcow2"."""
    directory = os.path.join(files.directory, kept)
    os.mkdir(directory)
    os.mkdir(os.path.join(directory, "lxd"))
    environment = _environment(directory, environment)
    work = os.path.join(files.work, _CALL)

    def lxc(*arguments):
        return programs.run([unpacked.program("usr/bin/lxc"), *arguments], cwd=work, timeout=120,
                            env=environment)

    def must_lxc(*arguments):
        result = lxc(*arguments)
        harness.check(result.returncode == 0,
                      f"{kept}: lxc {arguments}: {result.stderr!r}\n{_log(directory)}")

    _make_image(work)
    with open(os.path.join(work, "metadata.yaml"), "w", encoding="utf-8") as metadata:
        metadata.write(_METADATA)
    programs.must(["tar", "cf", "metadata.tar", "metadata.yaml"], cwd=work)
    with _daemon(directory, environment):
        deadline = time.monotonic() + _START_SECONDS
        while lxc("query", "/1.0").returncode != 0:
            harness.check(time.monotonic() < deadline, f"LXD does not start:\n{_log(directory)}")
            time.sleep(0.2)
        must_lxc("storage", "create", "default", "dir")
        must_lxc("image", "import", "metadata.tar", "gpt.qcow2", "--alias", "imported")
        initialise = ("init", "imported", "machine", "--vm", "-s", "default")
        for _ in range(_TRIES):
            result = lxc(*initialise)
            if result.returncode == 0 or _MISSED_OUTPUT not in result.stderr:
                break
        harness.check(result.returncode == 0,
                      f"{kept}: lxc {initialise}: {result.stderr!r}\n{_log(directory)}")
        must_lxc("publish", "machine", "--alias", "published", "--compression", "none")
        must_lxc("image", "export", "published", "published")
    os.link(os.path.join(directory, "lxd", "storage-pools", "default", "virtual-machines", "machine",
                         "root.img"), os.path.join(work, "disk.raw"))
    programs.must(["tar", "xf", "published.tar", "rootfs.img"], cwd=work)
    os.rename(os.path.join(work, "rootfs.img"), os.path.join(work, "image.qcow2"))


def machine_of_an_image_and_back(directory):
    programs.require_kvm()
    programs.require_root()
    programs.require_program("qemu-img")
    unpacked.program("usr/bin/lxd")
    files = twice.Twice(directory, [_CALL])
    names = iter(("lxd-qemu-img", "lxd-hotcell"))
    files.run(lambda environment: _run(files, next(names), environment))
    their_files, our_files = (os.path.join(kept, _CALL) for kept in (files.theirs, files.ours))
    harness.check_equal(sorted(os.listdir(our_files)), sorted(os.listdir(their_files)), "files")
    for name in ("disk.raw", "image.qcow2"):
        likeness.check_same_image(name, their_files, our_files, "LXD")


if __name__ == "__main__":
    harness.main({"lxd": machine_of_an_image_and_back})
