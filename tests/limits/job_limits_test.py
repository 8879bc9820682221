"""The limits of a job (--limit): each is kept, and the error names it as the option does."""

import json
import os

from limits import jobs
from support import harness, programs

_MIB = 1 << 20
_TIB = 1 << 40


def _images():
    with open("disk.raw", "wb") as disk:
        disk.write(os.urandom(4 * _MIB))
    programs.must_hotcell("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "base.qcow2")
    programs.must_hotcell("create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "top.qcow2")


# Limit, command, a part of the error, exit status.
_REACHED = (
    ("wall-time=0.001", ["digest", "base.qcow2"], r"`wall-time`.*\(--timeout SECONDS\)", 124),
    ("output-bytes=1M", ["convert", "-O", "raw", "base.qcow2", "out"],
     r"`output-bytes`.*\(--limit output-bytes=SIZE\)", 1),
    ("bytes-written=1M", ["convert", "-O", "raw", "base.qcow2", "out"],
     r"writes more to 'out'.* `bytes-written` of 1048576 bytes.*\(--limit bytes-written=SIZE\)", 1),
    ("bytes-read=1M", ["digest", "base.qcow2"], r"`bytes-read`.*\(--limit bytes-read=SIZE\)", 1),
    ("virtual-size=1M", ["convert", "-O", "raw", "base.qcow2", "out"],
     r"\(--limit virtual-size=SIZE\)", 1),
    ("virtual-size=1M", ["create", "-f", "qcow2", "out", "2M"], r"\(--limit virtual-size=SIZE\)",
     1),
    ("report-bytes=10", ["info", "base.qcow2"], "`report-bytes` of 10", 1),
    ("report-bytes=10", ["inspect", "base.qcow2"], "`report-bytes`", 1),
    ("references=1", ["digest", "--follow-references=.", "over.qcow2"],
     r"`references`.*\(--limit references=COUNT\)", 1),
    ("chain-depth=1", ["digest", "--follow-references=.", "top.qcow2"],
     r"\(--limit chain-depth=COUNT\)", 1),
    ("chain-depth=1", ["info", "--backing-chain", "--follow-references=.", "top.qcow2"],
     r"\(--limit chain-depth=COUNT\)", 1),
)


def _named(_):
    programs.require_kvm()
    _images()
    programs.must_hotcell("create", "-f", "qcow2", "-b", "top.qcow2", "-F", "qcow2", "over.qcow2")
    for limit, command, pattern, status in _REACHED:
        result = programs.hotcell(*command, "--limit", limit)
        jobs.check_error(f"{limit}: {' '.join(command)}", result, pattern, status=status)
    result = programs.hotcell("info", "--output=json", "--limit", "report-bytes=10", "base.qcow2")
    error = json.loads(result.stdout)["error"]
    harness.check_equal(error["kind"], "limit", "the failure's kind")


def _honest(_):
    """What is written is less than the default allows, in whatever format and way."""
    programs.require_kvm()
    _images()
    for target in (["raw"], ["raw", "-S", "0"], ["qcow2"], ["qcow2", "-c"], ["qcow"], ["vdi"],
                   ["vmdk"], ["vmdk", "-o", "subformat=streamOptimized"], ["vpc"], ["qed"],
                   ["parallels"], ["qcow2", "-o", "cluster_size=512"], ["raw", "-t", "directsync"]):
        programs.must_hotcell("convert", "--limit", "output-bytes=16M", "-O", *target, "base.qcow2",
                              "out")
    with open("existing", "wb") as existing:
        existing.write(b"x" * 4 * _MIB)
    programs.must_hotcell("convert", "--limit", "output-bytes=4M", "-n", "-O", "raw", "base.qcow2", "existing")


def _big_disks(_):
    """64 TiB is a limit that can be raised, and the error says how."""
    programs.require_kvm()
    result = programs.hotcell("create", "-q", "-f", "qcow2", "big.qcow2", "100T")
    jobs.check_error("create", result, r"\(--limit virtual-size=SIZE\)")
    limit = ["--limit", "virtual-size=200T"]
    programs.must_hotcell("create", "-q", *limit, "-f", "qcow2", "big.qcow2", "100T")
    jobs.check_error("digest", programs.hotcell("digest", "big.qcow2"),
                     r"\(--limit virtual-size=SIZE\)")
    info = json.loads(programs.must_hotcell("info", "--output=json", *limit, "big.qcow2"))
    harness.check_equal(info["virtual-size"], 100 * _TIB, "the size")
    programs.must_hotcell("convert", *limit, "-O", "qcow2", "big.qcow2", "out")
    with open("machine.conf", "w", encoding="utf-8") as config:
        config.write("limit=virtual-size=200T\n")
    programs.must_hotcell("convert", "-O", "qcow2", "big.qcow2", "out",
                          env={**os.environ, "HOTCELL_CONFIG": "machine.conf"})


harness.main({"named": _named, "honest-writes": _honest, "big-disks": _big_disks})
