"""Verdicts of inspect against other readers: a sample of images made to get wrong ones, and the
honest corpus. tools/verdicts makes as many more as there is time for."""

import concurrent.futures
import os
import shutil

from hostile.images import qcow2file
from support import confined, files, harness, programs, readers
from verdicts import common_kinds, generator, honest, judge, run
from verdicts.kind import KINDS

_SEED = 1
_HONEST_GROUPS = 4
_JOBS = 2


def _require(*names):
    programs.require_kvm()
    for name in ("strace", "prlimit", *names):
        programs.require_program(name)


def _generated(image_format):
    _require("qemu-img")
    names = generator.names(_SEED, image_format=image_format)
    tally = run.run(names, _JOBS, default_readers=True)
    print(tally.summary())
    harness.check(not tally.wrong, "\n".join(tally.wrong))


def _honest(group):
    _require("qemu-img")
    corpus = honest.Corpus()
    pairs = honest.sample()[group::_HONEST_GROUPS]
    wrong = []
    judged = 0
    with concurrent.futures.ThreadPoolExecutor(_JOBS) as pool:
        answers = pool.map(lambda pair: honest.judge_image(corpus, *pair), pairs)
        for pair, (judgement, why_not) in zip(pairs, answers):
            if judgement is None:
                print(f"skipped: {pair}: {why_not}")
                continue
            judged += 1
            alarm = honest.alarm(judgement, *pair)
            if alarm:
                wrong.append(f"{' of '.join(pair)}: {alarm}")
    harness.check(judged > len(pairs) // 2, f"only {judged} of {len(pairs)} images were made")
    harness.check(not wrong, "\n".join(wrong))


# ---- What the judge sees ------------------------------------------------------------------------

def _reading(reader_name, path, directory):
    for reader in readers.every():
        if reader.name.startswith(reader_name):
            if reader.problem is not None:
                raise harness.Skip(reader.problem)
            return reader.read(path, directory)
    raise harness.Skip(f"no {reader_name}")


def _with_backing_file(directory, name):
    image = qcow2file.Qcow2File()
    image.backing_name = name
    path = os.path.join(directory, "image.qcow2")
    image.write(path)
    return path


def _sees_files(directory):
    path = _with_backing_file(directory, b"canary.raw")
    reading = _reading("qemu-img", path, directory)
    harness.check(any("canary.raw" in text for text in reading.foreign), reading)
    harness.check("canary.raw" in reading.names, reading)


def _sees_connections(directory):
    path = _with_backing_file(directory, b"nbd://127.0.0.1:9/x")
    reading = _reading("qemu-img", path, directory)
    harness.check(any(text.startswith("connect(") for text in reading.foreign), reading)


def _sees_memory(directory):
    """The memory is the process's own, and an allocation that fails under the limit is seen."""
    for size, end in ((400 << 20, confined.OK), (2 << 30, confined.REFUSED)):
        result = confined.run(["/usr/bin/python3", "-I", "-S", "-c", f"b'x' * {size}"], directory)
        harness.check_equal(result.end, end, f"{size} bytes")
    harness.check_equal(confined.run(["sh", "-c", "echo cannot allocate memory >&2; exit 1"],
                                     directory).end, confined.MEMORY, "a failed allocation")
    result = confined.run(["/usr/bin/python3", "-I", "-S", "-c", f"b'x' * {400 << 20}"], directory)
    harness.check(result.peak_kib > 400 << 10, f"{result.peak_kib} KiB")


def _sees_ends(directory):
    for text, end in (("exit 0", confined.OK), ("exit 1", confined.REFUSED),
                      ("kill -SEGV $$", confined.CRASH), ("kill -ABRT $$", confined.CRASH)):
        harness.check_equal(confined.run(["sh", "-c", text], directory).end, end, text)
    harness.check_equal(confined.run(["sleep", "60"], directory, seconds=1).end, confined.HANG,
                        "sleep")


def _sees_other_disks(directory):
    """Readings that differ in one thing are findings of that kind, and the same one is none."""
    verdict = judge.Verdict(True, "vdi", 1 << 20, [], [])
    disks = {}
    for name, data in (("one", bytes(1 << 20)),
                       ("two", bytes(4096) + b"x" + bytes((1 << 20) - 4097))):
        disks[name] = os.path.join(directory, name)
        with open(disks[name], "wb") as out:
            out.write(data)

    def kinds(**fields):
        same = {"end": confined.OK, "format": "vdi", "size": 1 << 20, "disk": disks["one"]}
        reading = readers.Reading("reader", **{**same, **fields})
        return [finding.kind for finding in judge.compare(reading, verdict, disks["one"])]

    harness.check_equal(kinds(), [], "the same disk")
    harness.check_equal(kinds(format="raw"), ["format"], "another format")
    harness.check_equal(kinds(size=2 << 20), ["size"], "another size")
    harness.check_equal(kinds(disk=disks["two"]), ["bytes"], "other bytes")
    harness.check_equal(kinds(end=confined.CRASH, format=None), ["crash"], "a crash")
    harness.check_equal(kinds(names=["base"]), ["names"], "a name")
    harness.check_equal(kinds(foreign=["openat of /base"]), ["opens"], "a file")
    harness.check_equal(kinds(peak_kib=1 << 30), ["memory"], "memory")
    harness.check_equal(kinds(end=confined.REFUSED, format=None, size=None, disk=None), [],
                        "a refusal")


def _a_name_is_one_image(directory):
    """But for those nested by qemu-img, which gives some formats identifiers by chance."""
    for key, kind in KINDS.items():
        if kind.name == "nested":
            continue
        one, two = (generator.make(f"{key}.7", os.path.join(directory, key, which))
                    for which in ("one", "two"))
        difference = files.first_difference(one, two)
        harness.check(difference is None, f"{key}: differs from itself at byte {difference}")
        shutil.rmtree(os.path.join(directory, key))


def _sound_images_are_safe(directory):
    """What the generator starts from: else nothing that it makes of them would mean anything."""
    _require("qemu-img")
    for image_format in common_kinds.SOUND:
        path = os.path.join(directory, KINDS[f"{image_format}.fields"].file_name())
        common_kinds.write_sound(image_format, generator.chance_of(image_format), path)
        options = ("--allow-format=qed",) if image_format == "qed" else ()
        judgement = judge.judge(path, directory, readers.installed(True), options)
        harness.check(judgement.verdicts[True].safe,
                      f"{image_format}: {judgement.verdicts[True].reasons}")
        harness.check_equal(list(map(str, judgement.findings)), [], image_format)


generator.load()

CASES = {
    "sees-files": _sees_files, "sees-connections": _sees_connections, "sees-memory": _sees_memory,
    "sees-ends": _sees_ends, "sees-other-disks": _sees_other_disks,
    "same-images": _a_name_is_one_image, "sound-images": _sound_images_are_safe,
    **{f"generated-{image_format}": lambda _, image_format=image_format: _generated(image_format)
       for image_format in sorted({kind.format for kind in KINDS.values()})},
    **{f"honest-{group + 1}": lambda _, group=group: _honest(group)
       for group in range(_HONEST_GROUPS)},
}

if __name__ == "__main__":
    harness.main(CASES)
