"""resize beside qemu-img, called by its name: the same text, the same disks."""

import hashlib
import os
import shutil
import signal
import subprocess
import time

from support import harness, image_locks, programs, reference

_MIB = 1 << 20
# What qemu-img says in its own words, and hotcell in others.
_OTHER_WORDS = (b"expects a non-negative number", b"Not enough arguments", b"Unknown driver")

_RAW = (
    ["disk", "2M"], ["-f", "raw", "disk", "3M"], ["-f", "raw", "disk", "1M"],
    ["-f", "raw", "--shrink", "disk", "1M"], ["-f", "raw", "disk", "+1M"],
    ["-f", "raw", "disk", "-1M"], ["-f", "raw", "--shrink", "disk", "-1M"],
    ["--shrink", "-f", "raw", "disk", "--", "-512k"], ["-f", "raw", "--shrink", "disk", "-9M"],
    ["-q", "-f", "raw", "disk", "3M"], ["-q", "-f", "raw", "disk", "1M"],
    ["-f", "raw", "--preallocation=falloc", "disk", "4M"],
    ["-f", "raw", "--preallocation=full", "disk", "5M"],
    ["-f", "raw", "--preallocation=metadata", "disk", "6M"],
    ["-f", "raw", "--preallocation=nosuch", "disk", "6M"],
    ["-f", "raw", "--preallocation=off", "disk", "6M"],
    ["-f", "raw", "--preallocation=full", "--shrink", "disk", "5M"],
    ["-f", "raw", "--shrink", "disk", "0"], ["-f", "raw", "disk", "+100"],
    ["-f", "raw", "disk", "+0"], ["-f", "raw", "disk", "9E"], ["-f", "raw", "disk", "1", "2"],
    ["-f", "raw", "--shrink", "disk", "1.5K"], ["-f", "raw", "nosuch", "1M"],
    ["--image-opts", "driver=raw,file.filename=disk", "7M"],
    ["--image-opts", "-f", "raw", "driver=raw,file.filename=disk", "7M"],
    ["disk"], [], ["-f", "raw", "disk", "no-size"], ["-f", "nosuch", "disk", "1M"],
)
_QCOW2 = (
    ["image", "100M"], ["-f", "qcow2", "image", "+28M"], ["-f", "qcow2", "image", "1G"],
    ["-f", "qcow2", "image", "+1"], ["-f", "qcow2", "image", "64M"],
    ["-f", "qcow2", "--preallocation=metadata", "image", "+4M"],
    ["-f", "qcow2", "--preallocation=falloc", "image", "+4M"],
    ["-f", "qcow2", "--preallocation=full", "image", "+4M"], ["-q", "image", "2G"],
)


def _link():
    os.symlink(programs.HOTCELL, "qemu-img")
    return os.path.join(os.getcwd(), "qemu-img")


def _both(directories, link, arguments):
    """Runs a command line in both; returns what qemu-img and what hotcell came to."""
    theirs, ours = directories
    wanted = programs.run(["qemu-img", "resize", *arguments], cwd=theirs)
    found = programs.run([link, "resize", *arguments], cwd=ours)
    harness.check_equal(found.returncode, wanted.returncode, f"{arguments}: {found.stderr!r}")
    harness.check_equal(found.stdout, wanted.stdout, f"{arguments}")
    if any(words in wanted.stderr for words in _OTHER_WORDS):
        harness.check(found.stderr, f"{arguments}: fails and does not say why")
    else:
        reference.check_words(found.stderr, wanted.stderr, f"{arguments}: stderr")
    return wanted, found


def _directories(prepare):
    os.mkdir("theirs")
    prepare("theirs")
    shutil.copytree("theirs", "ours")
    return "theirs", "ours"


def _hash(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _raw(_):
    programs.require_kvm()
    programs.require_program("qemu-img")

    def prepare(directory):
        with open(os.path.join(directory, "disk"), "wb") as file:
            file.write(bytes(range(256)) * 4096)

    directories = _directories(prepare)
    link = _link()
    for arguments in _RAW:
        _both(directories, link, arguments)
        theirs, ours = (os.path.join(directory, "disk") for directory in directories)
        harness.check_equal(_hash(ours), _hash(theirs), f"the disk after {arguments}")
        harness.check_equal(os.stat(ours).st_blocks, os.stat(theirs).st_blocks,
                            f"allocated after {arguments}")


def _qcow2_images(directory):
    image = os.path.join(directory, "image")
    programs.qemu_img("create", "-q", "-f", "qcow2", image, "65M")
    programs.qemu_io(image, "write -P 1 0 5M", "write -P 2 64M 1M")
    programs.qemu_img("snapshot", "-c", "before", image)
    programs.qemu_io(image, "write -P 3 1M 1M")


def _qcow2(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    theirs, ours = directories = _directories(_qcow2_images)
    link = _link()
    for arguments in _QCOW2:
        _both(directories, link, arguments)
        programs.qemu_img("check", "-q", "-f", "qcow2", f"{ours}/image")
        programs.qemu_img("compare", "-q", "-f", "qcow2", "-F", "qcow2", f"{theirs}/image",
                          f"{ours}/image")
    for directory in directories:
        programs.qemu_img("convert", "-f", "qcow2", "-l", "before", "-O", "raw",
                          f"{directory}/image", f"{directory}/snapshot")
    harness.check_equal(_hash("ours/snapshot"), _hash("theirs/snapshot"), "the snapshot")


def _backing(_):
    """What a longer backing file holds beyond the end of the disk is not seen, whoever may look."""
    programs.require_kvm()
    with open("base", "wb") as file:
        file.write(b"x" * 4 * _MIB)
    for name in ("unknown", "known"):
        programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", name, "1M")
    programs.must_hotcell("resize", "unknown", "8M")
    programs.must_hotcell("resize", "--backing", "base=base", "known", "8M")
    with open("expected", "wb") as file:
        file.write(b"x" * _MIB)
        file.truncate(8 * _MIB)
    for name in ("unknown", "known"):
        programs.qemu_img("check", "-q", name)
        programs.qemu_img("compare", "-q", "-f", "qcow2", "-F", "raw", name, "expected")
    # The backing image is as long as the disk, so that nothing has to be marked.
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", "same", "4M")
    before = os.path.getsize("same")
    programs.must_hotcell("resize", "--follow-references=.", "same", "8M")
    harness.check_equal(os.path.getsize("same"), before, "size of the file")

    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "raw", "odd", "1000448")
    before = _hash("odd")
    result = programs.hotcell("resize", "odd", "8M")
    harness.check_equal(result.returncode, 1, "exit status")
    harness.check(b"--backing 'base=FILE'" in result.stderr, result.stderr)
    harness.check_equal(_hash("odd"), before, "the image that was refused")


def _refused(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    for image_format in ("vdi", "vmdk", "qcow", "vhdx"):
        programs.qemu_img("create", "-q", "-f", image_format, image_format, "1M")
    link = _link()
    for image_format in ("vdi", "vmdk", "qcow", "vhdx"):
        before = _hash(image_format)
        for arguments in (["2M"], ["--shrink", "512k"]):
            _both((".", "."), link, ["-f", image_format, *arguments[:-1], image_format,
                                     arguments[-1]])
        harness.check_equal(_hash(image_format), before, image_format)
    with open("disk", "wb") as file:
        file.truncate(_MIB)
    for arguments, said in ((["--limit", "virtual-size=2M", "-f", "raw", "disk", "3M"], b"limit"),
                            (["--object", "secret,id=s", "disk", "3M"], b"secrets"),
                            (["disk"], b"SIZE"), (["disk", "2M", "3M"], b"'3M'"),
                            (["/dev/null", "3M"], b"character device")):
        result = programs.hotcell("resize", *arguments)
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
        harness.check(said in result.stderr, f"{arguments}: {result.stderr!r}")
    harness.check_equal(os.path.getsize("disk"), _MIB, "size")


def _locked(_):
    """An image that another program uses is left alone, and in qemu-img's words."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "qcow2", "image", "1M")
    link = _link()
    # Somebody who lets nobody write; somebody who writes himself.
    for byte in (201, 101):
        fd = image_locks.lock("image", byte)
        wanted, _ = _both((".", "."), link, ["-f", "qcow2", "image", "2M"])
        harness.check(b'"write" lock' in wanted.stderr, wanted.stderr)
        result = programs.hotcell("resize", "image", "2M")
        harness.check_equal(result.returncode, 1, "exit status")
        harness.check(b"another process" in result.stderr, result.stderr)
        os.close(fd)
    programs.must_hotcell("resize", "image", "2M")


def _check_once_unlocked(path):
    """qemu-img's check. A child that has not become a worker yet holds the lock a little longer than
    its command."""
    for _ in range(200):
        check = programs.run(["qemu-img", "check", "-q", "-f", "qcow2", path])
        if b"Failed to get" not in check.stderr:
            break
        time.sleep(0.05)
    return check


def _killed(_):
    """Whenever the command is killed, the image is sound, and old or new."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "qcow2", "fresh", "64M")
    programs.qemu_io("fresh", "write -P 1 0 64M")
    programs.qemu_img("convert", "-f", "qcow2", "-O", "raw", "fresh", "old")
    shutil.copyfile("old", "new")
    os.truncate("new", 320 * _MIB)
    for milliseconds in (1, 5, 10, 20, 40, 80, 160, 320):
        shutil.copyfile("fresh", "image")
        # pylint: disable-next=consider-using-with
        process = subprocess.Popen([programs.HOTCELL, "resize", "-f", "qcow2",
                                    "--preallocation=full", "image", "320M"],
                                   stdout=subprocess.DEVNULL)
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGKILL)
        process.wait()
        check = _check_once_unlocked("image")
        harness.check(check.returncode in (0, 3), f"after {milliseconds} ms: {check.stderr!r}")
        size = programs.qemu_info("image")["virtual-size"]
        expected = {64 * _MIB: "old", 320 * _MIB: "new"}[size]
        programs.qemu_img("compare", "-q", "-f", "qcow2", "-F", "raw", "image", expected)


harness.main({
    "raw": _raw,
    "qcow2": _qcow2,
    "backing": _backing,
    "refused": _refused,
    "locked": _locked,
    "killed": _killed,
})
