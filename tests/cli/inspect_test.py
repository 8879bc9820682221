"""hotcell inspect: verdicts on images of every kind, by the schema that programs rely on."""

import json
import os

from hostile.images import vhdxfile
from support import content, harness, programs

_SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "schema",
                       "inspect.json")
KIB = 1 << 10
MIB = 1 << 20


def _validator():
    try:
        import jsonschema  # pylint: disable=import-outside-toplevel
    except ImportError as error:
        raise harness.Skip("python3-jsonschema is not installed") from error
    with open(_SCHEMA, encoding="utf-8") as schema:
        document = json.load(schema)
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def _inspect(path, *arguments):
    """Returns the verdict, which has to follow the schema and agree with the exit status."""
    programs.require_kvm()
    result = programs.hotcell("inspect", "--output=json", *arguments, path)
    harness.check(result.returncode in (0, 2), f"{path}: exit {result.returncode}, "
                  f"{result.stderr!r}")
    document = json.loads(result.stdout)
    _validator().validate(document)
    verdict = document["inspect"]
    harness.check_equal(verdict["safe"], result.returncode == 0, f"{path}: safe")
    harness.check_equal(verdict["safe"], not verdict["reasons"], f"{path}: reasons and safe")
    return verdict


def _check_unsafe(path, code, *arguments):
    verdict = _inspect(path, *arguments)
    harness.check(code in [reason["code"] for reason in verdict["reasons"]],
                  f"{path}: no reason {code}: {verdict['reasons']}")
    return verdict


def _check_safe(path, *arguments):
    verdict = _inspect(path, *arguments)
    harness.check(verdict["safe"], f"{path}: {verdict['reasons']}")
    return verdict


def _patch(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def _sound(_):
    programs.require_program("qemu-img")
    for name, options in (("raw", []), ("qcow2", []), ("qcow2", ["-c"]), ("qcow", []), ("vdi", []),
                          ("vhdx", []), ("vpc", []), ("vpc", ["-o", "subformat=fixed"]),
                          ("vmdk", []), ("vmdk", ["-o", "subformat=streamOptimized"])):
        image = f"image.{name}"
        programs.qemu_img("convert", "-f", "raw", "-O", name, *options, content.pattern(), image)
        verdict = _check_safe(image)
        harness.check_equal(verdict["format"], name, f"{name}: format")
        harness.check_equal(verdict["file-size"], os.stat(image).st_size, f"{name}: file size")


def _references(_):
    programs.require_program("qemu-img")
    for name in ("/etc/passwd", "json:{\"driver\":\"file\"}", "nbd://example.com"):
        programs.qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", name, "-F", "raw", "top.qcow2",
                          "1M")
        verdict = _check_unsafe("top.qcow2", "reference")
        harness.check_equal(verdict["image"]["references"], [{"kind": "backing-file", "name": name}],
                            "references")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-o", "data_file=data.raw", "data.qcow2", "1M")
    _check_unsafe("data.qcow2", "reference")
    programs.qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", "flat.vmdk",
                      "1M")
    _check_unsafe("flat.vmdk", "reference")
    _check_unsafe("flat.vmdk", "vmdk-type")


def _two_formats(_):
    """A file that one program takes for one format and another for another."""
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "vdi", "both.vdi", "1M")
    _patch("both.vdi", 0, b"QFI\xfb\0\0\0\3")
    _check_unsafe("both.vdi", "ambiguous-format", "-f", "vdi")
    programs.qemu_img("create", "-q", "-f", "qcow2", "said-raw", "1M")
    _check_unsafe("said-raw", "ambiguous-format", "-f", "raw")


def _foreign_signatures(_):
    programs.require_program("qemu-img")
    for offset, mark in ((32769, b"CD001"), (512, b"KDMV"), (512, b"EFI PART"), (4096, b"QFI\xfb")):
        programs.qemu_img("create", "-q", "-f", "qcow2", "marked.qcow2", "1M")
        _patch("marked.qcow2", offset, mark)
        _check_unsafe("marked.qcow2", "foreign-signature")
    for mark in (b"\x1f\x8b\x08\0", b"\x7fELF\2\1\1\0", b"PK\3\4", b"LUKS\xba\xbe\0\1"):
        with open("disk.raw", "wb") as disk:
            disk.write(mark.ljust(MIB, b"\0"))
        _check_unsafe("disk.raw", "foreign-signature", "-f", "raw")


def _disk_signatures(_):
    """What is on disks is no reason against a raw one."""
    with open("disk.raw", "wb") as disk:
        disk.truncate(MIB)
    _patch("disk.raw", 446, b"\x80\0\0\0\x83".ljust(16, b"\1") + bytes(48) + b"\x55\xaa")
    _patch("disk.raw", 32769, b"CD001")
    verdict = _inspect("disk.raw", "-f", "raw")
    names = [signature["name"] for signature in verdict["signatures"]]
    harness.check_equal(names, ["MBR partition table", "ISO 9660 file system"], "signatures")
    harness.check("foreign-signature" not in [reason["code"] for reason in verdict["reasons"]],
                  f"{verdict['reasons']}")


def _gpt(disk):
    entry = b"\0\0\2\0\xee\xff\xff\xff\1\0\0\0\xff\xff\0\0"
    _patch(disk, 446, entry.ljust(64, b"\0") + b"\x55\xaaEFI PART\0\0\1\0")
    _patch(disk, os.path.getsize(disk) - 512, b"EFI PART\0\0\1\0")


def _luks(disk, offset=0):
    _patch(disk, offset, b"LUKS\xba\xbe\0\2")


# What a disk may hold, by what is done to one of zeroes.
_DISKS = {
    "gpt": _gpt,
    "luks": _luks,
    "luks-at-34": lambda disk: (_gpt(disk), _luks(disk, 34 * 512)),
    "luks-at-63": lambda disk: (_gpt(disk), _luks(disk, 63 * 512)),
    "image-in-a-partition": lambda disk: (_gpt(disk), _patch(disk, 63 * 512, b"QFI\xfb\0\0\0\3")),
    "hybrid-disc": lambda disk: (_gpt(disk), _patch(disk, 32768, b"\1CD001\1")),
}

_IMAGES = (("qcow2", []), ("qcow2", ["-o", "cluster_size=512"]),
           ("qcow2", ["-o", "cluster_size=4096"]), ("qcow2", ["-c"]),
           ("qcow2", ["-o", "preallocation=full"]), ("qcow", []), ("vdi", []),
           ("vdi", ["-o", "static=on"]), ("vhdx", []), ("vhdx", ["-o", "subformat=fixed"]),
           ("vpc", []), ("vmdk", []), ("vmdk", ["-o", "subformat=streamOptimized"]),
           ("parallels", []))


def _disk(name, mark):
    with open(name, "wb") as disk:
        disk.write(b"data" * (MIB >> 2))
        disk.truncate(2 * MIB)
    mark(name)


def _honest_disks(_):
    """What is inside the disk is no mark of the file, wherever a format puts it."""
    programs.require_program("qemu-img")
    for name, mark in _DISKS.items():
        _disk("disk.raw", mark)
        if name != "luks":
            _check_safe("disk.raw")
        for image, options in _IMAGES:
            programs.qemu_img("convert", "-f", "raw", "-O", image, *options, "disk.raw", "image")
            verdict = _inspect("image", *(["--no-check"] if name == "gpt" else []))
            harness.check(verdict["safe"], f"{name}, {image} {options}: {verdict['reasons']}")
    _disk("disk.raw", _DISKS["gpt"])
    for image in ("qcow2", "vdi", "vhdx", "vmdk", "vpc", "parallels"):
        programs.must_hotcell("convert", "-f", "raw", "-O", image, "disk.raw", "own")
        _check_safe("own")


def _foreign_marks_on_raw_disks(_):
    """What a reader looks for where it is stays a reason, whatever else the disk holds."""
    for mark in (_luks, lambda disk: _patch(disk, 0, b"PK\3\4")):
        _disk("disk.raw", _DISKS["gpt"])
        mark("disk.raw")
        _check_unsafe("disk.raw", "foreign-signature")
    _disk("disc.iso", lambda disk: _patch(disk, 32768, b"\1CD001\1"))
    _check_unsafe("disc.iso", "cannot-open")
    _check_safe("disc.iso", "-f", "raw")


def _nested_images(_):
    """A disk whose raw copy would be opened as an image."""
    programs.require_program("qemu-img")
    for inner in ("qcow2", "qcow", "vdi", "vhdx", "vmdk", "parallels", "vpc"):
        programs.qemu_img("create", "-q", "-f", inner, "disk.raw", "1M")
        os.truncate("disk.raw", 4 * MIB)
        for image, options in _IMAGES if inner == "qcow2" else _IMAGES[3:4]:
            programs.qemu_img("convert", "-f", "raw", "-O", image, *options, "disk.raw", "image")
            for check in ([], ["--no-check"]):
                verdict = _check_unsafe("image", "nested-image", *check)
                texts = [reason["text"] for reason in verdict["reasons"]]
                harness.check(any(f"as a {inner} image does" in text for text in texts),
                              f"{inner} in {image}: {texts}")
    programs.qemu_img("create", "-q", "-f", "vpc", "-o", "subformat=fixed", "disk.raw", "2M")
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "image")
    verdict = _check_unsafe("image", "nested-image")
    harness.check("ends as a vpc image does" in str(verdict["reasons"]), verdict["reasons"])


def _nested_images_in_snapshots(_):
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "qcow2", "disk.raw", "1M")
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "image")
    programs.qemu_img("snapshot", "-c", "before", "image")
    programs.qemu_io("image", "write -z 0 64k")
    verdict = _check_unsafe("image", "nested-image")
    harness.check_equal([reason["text"].split(": the disk")[0] for reason in verdict["reasons"]],
                        ["snapshot 'before'"], "whose disk")


def _damage(_):
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "qcow2", "image.qcow2", "1M")
    programs.qemu_io("image.qcow2", "write 0 128k")
    _patch("image.qcow2", 0x40000, b"\x80\0\0\0\0\x05\x10\0")  # an L2 entry within a cluster
    _check_unsafe("image.qcow2", "corrupt")
    os.truncate("image.qcow2", 40)
    _check_unsafe("image.qcow2", "cannot-open", "-f", "qcow2")


def _log_to_be_replayed(_):
    """A VHDX that was not closed is not damaged, but other programs read another disk."""
    image = vhdxfile.VhdxFile()
    sector = image.bat_sector({0: image.end | vhdxfile.FULLY_PRESENT})
    image.put(image.end, vhdxfile.pattern(9))
    image.end += vhdxfile.MIB
    image.set_log(vhdxfile.LogEntry(1, flushed=image.end, last=image.end)
                  .data(vhdxfile.BAT, sector))
    image.write("image.vhdx")
    for check in ([], ["--no-check"]):
        verdict = _inspect("image.vhdx", *check)
        harness.check_equal([reason["code"] for reason in verdict["reasons"]], ["readers-differ"],
                            "reasons")
        harness.check("its log has to be replayed" in verdict["reasons"][0]["text"],
                      verdict["reasons"])
        harness.check("dirty" in [anomaly["code"] for anomaly in verdict["anomalies"]],
                      verdict["anomalies"])


def _unknown_features(_):
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "qcow2", "image.qcow2", "1M")
    _patch("image.qcow2", 72, b"\x80")
    _check_unsafe("image.qcow2", "cannot-open")


def _encrypted(_):
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "--object", "secret,id=s,data=geheim", "-f", "qcow2", "-o",
                      "encrypt.format=aes,encrypt.key-secret=s",
                      "image.qcow2", "1M")
    _check_unsafe("image.qcow2", "encrypted")


def _policy(_):
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "qcow2", "image.qcow2", "10G")
    _check_safe("image.qcow2")
    _check_safe("image.qcow2", "--max-virtual-size", "10G", "--allow-format", "raw,qcow2")
    _check_unsafe("image.qcow2", "too-big", "--max-virtual-size", "10239M")
    _check_unsafe("image.qcow2", "expansion", "--max-expansion", "1000")
    _check_unsafe("image.qcow2", "format-not-allowed", "--allow-format", "raw,vmdk")
    programs.qemu_img("create", "-q", "-f", "qed", "image.qed", "1M")
    verdict = _check_unsafe("image.qed", "format-not-allowed")
    text = "format qed is given up by QEMU; --allow-format=qed allows it"
    harness.check(text in [reason["text"] for reason in verdict["reasons"]], text)
    result = programs.hotcell("convert", "--inspect", "-O", "raw", "image.qed", "out.raw")
    harness.check(text.encode() in result.stderr, result.stderr)
    _check_safe("image.qed", "--allow-format=qed")


def _convert(*arguments):
    result = programs.hotcell("convert", "--inspect", "--output=json", *arguments)
    return result, json.loads(result.stdout)


def _before_a_conversion(_):
    """convert --inspect: the verdict first, the output only if it is good."""
    programs.require_kvm()
    programs.require_program("qemu-img")
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", content.pattern(), "image.qcow2")
    result, document = _convert("--allow-format=qcow2", "image.qcow2", "out.raw")
    harness.check_equal(result.returncode, 0, f"safe: exit status, {result.stderr!r}")
    harness.check_equal(sorted(document), ["convert", "inspect"], "safe: document")
    harness.check(document["inspect"]["safe"], "safe: verdict")
    with open(content.pattern(), "rb") as disk, open("out.raw", "rb") as out:
        harness.check(disk.read() == out.read(), "safe: the output is the disk")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-F", "raw", "-b", content.pattern(),
                      "top.qcow2")
    with open("out.raw", "wb") as out:
        out.write(b"old")
    for arguments, code in ((["--allow-format=raw", "image.qcow2"], "format-not-allowed"),
                            (["--max-virtual-size=1M", "--no-check", "image.qcow2"], "too-big"),
                            (["-n", "--max-virtual-size=1M", "image.qcow2"], "too-big"),
                            (["--follow-references=/", "top.qcow2"], "reference")):
        result, document = _convert(*arguments, "out.raw")
        harness.check_equal(result.returncode, 2, f"{arguments}: exit status, {result.stderr!r}")
        _validator().validate(document)
        harness.check_equal([reason["code"] for reason in document["inspect"]["reasons"]], [code],
                            f"{arguments}: reasons")
        harness.check(b"the image is not safe: " in result.stderr, result.stderr)
        with open("out.raw", "rb") as out:
            harness.check_equal(out.read(), b"old", f"{arguments}: output")
    for arguments in (["--no-check", "image.qcow2", "new"], ["--inspect", "a", "b", "new"]):
        harness.check_equal(programs.hotcell("convert", *arguments).returncode, 1, f"{arguments}")
    harness.check(not os.path.exists("new"), "a command line that makes no sense left a file")


def _human(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "/etc/passwd", "-F", "raw",
                      "top.qcow2", "1M")
    result = programs.hotcell("inspect", "top.qcow2")
    harness.check_equal(result.returncode, 2, "exit status")
    lines = result.stdout.decode().splitlines()
    harness.check_equal(lines[-1], "safe: false", "last line")
    harness.check("unsafe: it names another file, '/etc/passwd'" in lines, lines)
    harness.check_equal(programs.hotcell("inspect", "-q", "top.qcow2").stdout, b"", "-q: output")


def _errors(_):
    programs.require_kvm()
    for arguments, pattern in ((["nosuch"], b"nosuch"), ([], b"FILE"), (["-f", "x", "a"], b"x"),
                               (["--allow-format=qcow3", "a"], b"qcow3")):
        result = programs.hotcell("inspect", "--output=json", *arguments)
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
        harness.check(pattern in result.stderr, result.stderr)
        _validator().validate(json.loads(result.stdout))


if __name__ == "__main__":
    harness.main({"sound": _sound, "references": _references, "two-formats": _two_formats,
                  "foreign-signatures": _foreign_signatures, "disk-signatures": _disk_signatures,
                  "honest-disks": _honest_disks,
                  "foreign-marks-on-raw-disks": _foreign_marks_on_raw_disks,
                  "nested-images": _nested_images,
                  "nested-images-in-snapshots": _nested_images_in_snapshots,
                  "damage": _damage, "log-to-be-replayed": _log_to_be_replayed,
                  "unknown-features": _unknown_features,
                  "encrypted": _encrypted, "policy": _policy,
                  "before-a-conversion": _before_a_conversion, "human": _human, "errors": _errors})
