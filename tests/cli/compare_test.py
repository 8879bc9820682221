"""hotcell compare beside qemu-img compare: text, exit status, and what only hotcell says."""

import json
import os
import struct

from support import content, harness, programs

MIB = 1 << 20

# Ways to store a disk: format and convert's options.
_WAYS = [("raw", []), ("qcow2", []), ("qcow2", ["-c"]), ("qcow2", ["-c", "-o", "cluster_size=2M"]),
         ("qcow2", ["-o", "cluster_size=512"]), ("vmdk", []), ("vdi", []), ("vhdx", []),
         ("qcow", []), ("vmdk", ["-o", "subformat=streamOptimized"])]


def _raw(name, *patches):
    """A disk of text and holes, with a byte changed at each offset."""
    programs.must(["cp", "--sparse=always", content.pattern(), name])
    with open(name, "r+b") as disk:
        for offset in patches:
            disk.seek(offset)
            byte = disk.read(1)
            disk.seek(offset)
            disk.write(bytes([byte[0] ^ 255]))
    return name


def _both(*arguments):
    """Checks that both programs say the same. Returns the exit status."""
    ours = programs.hotcell("compare", *arguments)
    theirs = programs.run(["qemu-img", "compare", *arguments])
    harness.check_equal(ours.stdout, theirs.stdout, f"{arguments}: standard output")
    harness.check_equal(ours.returncode, theirs.returncode, f"{arguments}: exit status "
                        f"({ours.stderr!r})")
    return ours.returncode


def _formats(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    size = os.stat(content.pattern()).st_size
    same = _raw("same.raw")
    last = _raw("last.raw", size - 1)
    for number, (name, options) in enumerate(_WAYS):
        image = f"image{number}"
        programs.qemu_img("convert", "-f", "raw", "-O", name, *options, same, image)
        harness.check_equal(_both("-f", "raw", "-F", name, same, image), 0, f"{name}: same")
        harness.check_equal(_both("-f", name, "-F", "raw", image, last), 1, f"{name}: different")
    harness.check_equal(_both("-f", "qcow2", "-F", "vmdk", "image2", "image9"), 0, "two compressed")


def _places(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    same = _raw("same.raw")
    for offset in (0, 511, 512, 65536, MIB - 1, MIB, 2 * MIB + 12345):
        _both("-f", "raw", "-F", "raw", same, _raw("other.raw", offset, 3 * MIB))


def _sizes(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    same = _raw("same.raw")
    longer = _raw("longer.raw")
    os.truncate(longer, os.stat(longer).st_size + 5 * MIB + 512)
    harness.check_equal(_both("-f", "raw", "-F", "raw", same, longer), 0, "zeroes beyond")
    harness.check_equal(_both("-s", "-f", "raw", "-F", "raw", same, longer), 1, "strict")
    with open(longer, "r+b") as disk:
        disk.seek(-1000, os.SEEK_END)
        disk.write(b"x")
    harness.check_equal(_both("-f", "raw", "-F", "raw", longer, same), 1, "data beyond")


def _strict(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    same = _raw("same.raw")
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", same, "one.qcow2")
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", same, "two.qcow2")
    harness.check_equal(_both("-s", "one.qcow2", "two.qcow2"), 0, "twins")
    programs.qemu_img("create", "-q", "-f", "qcow2", "empty.qcow2", "4M")
    programs.qemu_img("create", "-q", "-f", "qcow2", "zeroes.qcow2", "4M")
    programs.qemu_io("zeroes.qcow2", "write -z 1M 64k")
    harness.check_equal(_both("empty.qcow2", "zeroes.qcow2"), 0, "zeroes and holes")
    # qemu-img's status of a run also tells whether it reaches the end of the disk, so that its
    # offset is the start of the run before.
    result = programs.hotcell("compare", "-s", "empty.qcow2", "zeroes.qcow2")
    harness.check_equal((result.stdout, result.returncode),
                        (b"Strict mode: Offset 1048576 block status mismatch!\n", 1),
                        "zeroes and holes, strictly")


def _quiet_and_progress(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    same = _raw("same.raw")
    other = _raw("other.raw", 12345)
    harness.check_equal(_both("-q", same, other), 1, "quiet")
    text = programs.must_hotcell("compare", "-p", same, same)
    harness.check(text.startswith(b"    (0.00/100%)\r"), text)
    harness.check(text.endswith(b"    (100.00/100%)\rImages are identical.\n\n"), text)


def _overlays(directory):
    """Two images over bases of the same name, each beside its own."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    for name, patch in (("a", 5), ("b", 3 * MIB)):
        os.mkdir(name)
        _raw(f"{name}/base.raw", patch)
        programs.must(["qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw",
                       "top.qcow2"], cwd=os.path.join(directory, name))
    refused = programs.hotcell("compare", "a/top.qcow2", "b/top.qcow2")
    harness.check_equal(refused.returncode, 2, "not allowed: exit status")
    harness.check(b"--follow-references" in refused.stderr, refused.stderr)
    result = programs.hotcell("compare", "--follow-references=.", "a/top.qcow2", "b/top.qcow2")
    harness.check_equal((result.stdout, result.returncode),
                        (b"Content mismatch at offset 0!\n", 1), "allowed")


def _json(_):
    programs.require_kvm()
    same = _raw("same.raw")
    other = _raw("other.raw", MIB)
    size = os.stat(same).st_size
    result = programs.hotcell("compare", "--output=json", same, other)
    harness.check_equal(result.returncode, 1, "exit status")
    images = [{"filename": name, "format": "raw", "virtual-size": size} for name in (same, other)]
    harness.check_equal(json.loads(result.stdout)["compare"],
                        {"identical": False, "outcome": "content-mismatch", "offset": MIB,
                         "first": images[0], "second": images[1], "warnings": []}, "document")


def _garble_first_stream(image):
    """Overwrites the start of the first compressed cluster of a qcow2 image."""
    with open(image, "r+b") as file:
        data = file.read()
        l1_table = struct.unpack_from(">Q", data, 40)[0]
        table = struct.unpack_from(">Q", data, l1_table)[0] & 0x00fffffffffffe00
        entries = struct.unpack_from(">8192Q", data, table)
        stream = next(entry for entry in entries if entry >> 62 & 1) & (1 << 54) - 1
        file.seek(stream)
        file.write(b"\xff" * 16)


def _errors(_):
    """Every error has an exit status above 1, which is the one for images that differ."""
    programs.require_kvm()
    same = _raw("same.raw")
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", same, "cut.qcow2")
    os.truncate("cut.qcow2", os.stat("cut.qcow2").st_size - 128 * 1024)
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", "-c", same, "garbled.qcow2")
    _garble_first_stream("garbled.qcow2")
    for name in ("over1.qcow2", "over2.qcow2"):
        programs.qemu_img("create", "-q", "-f", "qcow2", "-b", same, "-F", "raw", name)
    for arguments, status, pattern in (
            ([same, "over1.qcow2"], 2, b"'over1.qcow2': the backing file 'same.raw'"),
            (["--backing", "nosuch=nosuch", "over2.qcow2", same], 2,
             b"'over2.qcow2': the backing file"),
            ([same], 2, b"SECOND"), ([same, "nosuch"], 2, b"nosuch"),
            (["-f", "qcow2", same, same], 2, b"qcow2"), (["--object", "x", same, same], 2, b"object"),
            ([same, "-T", "maybe", same], 2, b"cache mode"),
            ([same, "cut.qcow2"], 3, b"cut.qcow2.*past the end of the file"),
            (["garbled.qcow2", same], 4, b"garbled.qcow2.*compressed cluster")):
        result = programs.hotcell("compare", *arguments)
        harness.check_equal(result.returncode, status, f"{arguments}: exit status "
                            f"({result.stderr!r})")
        harness.check(all(part in result.stderr for part in pattern.split(b".*")), result.stderr)


if __name__ == "__main__":
    harness.main({"formats": _formats, "places": _places, "sizes": _sizes, "strict": _strict,
                  "quiet-and-progress": _quiet_and_progress, "overlays": _overlays, "json": _json,
                  "errors": _errors})
