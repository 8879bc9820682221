"""hotcell digest: the same disk, the same SHA-256, whatever holds it."""

import hashlib
import json
import os

from support import content, harness, programs

_WAYS = [("qcow2", []), ("qcow2", ["-c"]), ("qcow2", ["-c", "-o", "compression_type=zstd"]),
         ("qcow2", ["-o", "cluster_size=2M"]), ("vmdk", []), ("vdi", []), ("vhdx", []),
         ("vmdk", ["-o", "subformat=streamOptimized"]), ("qcow", [])]


def _expected(path):
    """The digest of the file as a disk, which has whole sectors."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    digest.update(bytes(-os.stat(path).st_size % 512))
    return digest.hexdigest()


def _formats(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    expected = _expected(content.pattern())
    for number, (name, options) in enumerate(_WAYS):
        image = f"image{number}"
        programs.qemu_img("convert", "-f", "raw", "-O", name, *options, content.pattern(), image)
        for lanes in ("1", "4"):
            harness.check_equal(
                programs.must_hotcell("digest", "-f", name, "--lanes", lanes, image).decode(),
                f"{expected}  {image}\n", f"{name} {options}, {lanes} lanes")


def _sizes(_):
    programs.require_kvm()
    for size in (0, 1, 511, 512, 513, (1 << 20) - 1, (3 << 20) + 7):
        with open("disk.raw", "wb") as disk:
            disk.write(bytes(range(1, 252)) * (size // 251) + bytes(size % 251))
        harness.check_equal(programs.must_hotcell("digest", "-f", "raw", "disk.raw").split()[0],
                            _expected("disk.raw").encode(), f"{size} bytes")


def _holes(_):
    programs.require_kvm()
    with open("disk.raw", "wb") as disk:
        disk.truncate(300 << 20)
        disk.seek(123456789)
        disk.write(b"in the middle")
    harness.check_equal(programs.must_hotcell("digest", "disk.raw").split()[0],
                        _expected("disk.raw").encode(), "digest")


def _sha256sum_reads_it(_):
    programs.require_kvm()
    names = ["plain", "with space", "back\\slash", "new\nline"]
    for name in names:
        with open(name, "wb") as disk:
            disk.write(name.encode().ljust(512, b"."))
    with open("sums", "wb") as sums:
        sums.write(programs.must_hotcell("digest", "-f", "raw", *names))
    programs.must(["sha256sum", "--check", "--strict", "--quiet", "sums"])


def _errors(_):
    """One image that cannot be read does not keep the others from being hashed."""
    programs.require_kvm()
    with open("disk.raw", "wb") as disk:
        disk.truncate(4096)
    result = programs.hotcell("digest", "nosuch", "disk.raw")
    harness.check_equal(result.returncode, 1, "exit status")
    harness.check(b"nosuch" in result.stderr, result.stderr)
    harness.check_equal(result.stdout.decode(), f"{_expected('disk.raw')}  disk.raw\n", "output")
    harness.check_equal(programs.hotcell("digest").returncode, 1, "no operands: exit status")


def _json(_):
    programs.require_kvm()
    with open("disk.raw", "wb") as disk:
        disk.write(b"x" * 1000)
    document = json.loads(programs.must_hotcell("digest", "--output=json", "disk.raw"))
    harness.check_equal(document, {"digests": [
        {"filename": "disk.raw", "format": "raw", "virtual-size": 1024,
         "sha256": _expected("disk.raw"), "warnings": []}]}, "document")


if __name__ == "__main__":
    harness.main({"formats": _formats, "sizes": _sizes, "holes": _holes,
                  "sha256sum-reads-it": _sha256sum_reads_it, "errors": _errors, "json": _json})
