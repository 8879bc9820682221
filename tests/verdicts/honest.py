"""The honest corpus: every way to write an image, with everything that is on disks. All are safe
but those named here."""

import itertools
import os
import tempfile

from support import content, harness
from verdicts import contents, judge, writers

# Images that are rightly not safe: (writer, disk, reason); None is any.
EXCEPTIONS = [
    *[(name, disk, "qemu-img opens a file that begins with a LUKS header as LUKS")
      for name, writer in writers.WRITERS.items() if writer.begins_with_disk
      for disk in contents.LUKS_DISKS],
]
# Files that begin with the disk are what they are said to be: inspect is told the format where it
# has to choose between what begins the file and what ends it, or between a disk and a disc.
_TOLD_FORMAT = {"raw": contents.PLAIN_ISOS, "vpc": (*contents.PLAIN_ISOS, *contents.PARTITIONED),
                "dmg": (*contents.PLAIN_ISOS, *contents.PARTITIONED)}
# Contents that each writer is tried with in a short run, besides some in turn.
_ALWAYS = ("gpt",)


def exception(writer, disk):
    for one_writer, one_disk, reason in EXCEPTIONS:
        if one_writer in (None, writer) and one_disk in (None, disk):
            return reason
    return None


def pairs(default_only=False):
    """(writer, disk) of all images."""
    return [(writer, disk) for writer, disk in itertools.product(writers.WRITERS,
                                                                 contents.CONTENTS)
            if not default_only or writers.WRITERS[writer].default]


def sample():
    """Pairs in which each writer of the default packages and each content comes: raw disks with all
    contents, the other writers with some, in turn."""
    names = [name for name in contents.CONTENTS if name not in _ALWAYS]
    chosen = [("cp", disk) for disk in contents.CONTENTS]
    turn = itertools.cycle(names)
    for name, writer in writers.WRITERS.items():
        if writer.default and name != "cp":
            chosen += [(name, disk) for disk in (*_ALWAYS, next(turn), next(turn))]
    return chosen


class Corpus:
    """Makes images; each disk is made once for all tests of a build."""

    def __init__(self):
        self._disks = {}

    def disk(self, name):
        """Path of a raw disk; raises harness.Skip where it cannot be made."""
        if name not in self._disks:
            try:
                self._disks[name] = content.cached(f"disk-{name}.img", contents.CONTENTS[name])
            except harness.Skip as reason:
                self._disks[name] = reason
        if isinstance(self._disks[name], harness.Skip):
            raise self._disks[name]
        return self._disks[name]

    def image(self, writer, disk_name, path):
        """Writes an image, or raises harness.Skip."""
        disk = self.disk(disk_name)
        if os.path.getsize(disk) > writers.WRITERS[writer].biggest:
            raise harness.Skip("the disk is too big for it")
        writers.WRITERS[writer].write(disk, path)


def judge_image(corpus, writer, disk_name, with_readers=()):
    """(judge.Judgement or None, why the image was skipped): the verdict and the readers' views."""
    one = writers.WRITERS[writer]
    with tempfile.TemporaryDirectory(prefix="hotcell-honest.") as folder:
        path = os.path.join(folder, f"image.{one.extension}")
        try:
            corpus.image(writer, disk_name, path)
        except harness.Skip as reason:
            return None, str(reason)
        options = ["--allow-format=qed"] if one.format == "qed" else []
        if one.begins_with_disk and disk_name in _TOLD_FORMAT[one.format]:
            options = ["-f", one.format]
        scratch = os.path.join(folder, "scratch")
        os.mkdir(scratch)
        return judge.judge(path, scratch, with_readers, options, nested=False), None


def alarm(judgement, writer, disk_name):
    """What is wrong with a verdict on an honest image, or None."""
    verdict = judgement.verdicts[True]
    if verdict.safe or exception(writer, disk_name):
        return None
    return f"not safe as {verdict.format}: {', '.join(verdict.reasons)}"
