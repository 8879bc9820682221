"""Judges the verdicts of hotcell on images that were made to get wrong ones.

    tools/verdicts --seed 1 --count 1000            # 1000 images of all kinds
    tools/verdicts --seed 1 --count 100 --format qcow2 --kind bitmaps
    tools/verdicts qcow2.bitmaps.1-0-17             # one image, by name
    tools/verdicts --keep DIRECTORY NAME            # and leave it there
    tools/verdicts FILE...                          # files of yours
    tools/verdicts --list                           # kinds of images
    tools/verdicts --honest                         # instead, the honest corpus, all of it

Prints each image of which a reader makes something else than a safe disk, and ends with 1 if there
was one. HOTCELL names the program (build/release/bin/hotcell).
"""

import argparse
import collections
import concurrent.futures
import os
import shutil
import sys
import tempfile

from support import readers
from verdicts import generator, honest, judge, known
from verdicts.kind import KINDS


def _without_known(name, judgement):
    judgement.findings = [finding for finding in judgement.findings
                          if not known.is_known(name, finding, judgement.verdicts[True])]
    return judgement


def judge_name(name, keep=None, default_readers=False):
    """(name, Judgement or None, text of an error) of one image."""
    directory = os.path.join(keep, name) if keep else tempfile.mkdtemp(prefix="hotcell-verdict.")
    scratch = tempfile.mkdtemp(prefix="hotcell-scratch.")
    try:
        if os.path.exists(name):
            path, tables, options = os.path.abspath(name), False, ()
        else:
            path = generator.make(name, directory)
            kind, _ = generator.parse(name)
            tables = kind.tables
            options = ("--allow-format=qed",) if kind.format == "qed" else ()
        return name, _without_known(name, judge.judge(
            path, scratch, readers.installed(default_readers), options, tables)), None
    except Exception as error:  # pylint: disable=broad-exception-caught
        return name, None, f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


_CORPUS = honest.Corpus()


def judge_honest(name, default_readers=False):
    """Judges an image of the honest corpus: WRITER of DISK."""
    writer, _, disk = name.rpartition(" of ")
    try:
        judgement, _ = honest.judge_image(_CORPUS, writer, disk,
                                                readers.installed(default_readers))
    except Exception as error:  # pylint: disable=broad-exception-caught
        return name, None, f"{type(error).__name__}: {error}"
    if judgement is None:
        return name, judge.Judgement({True: judge.UNSAFE, False: judge.UNSAFE}), None
    return name, _without_known(name, judgement), honest.alarm(judgement, writer, disk)


class Tally:
    """What came of a run, to be printed."""

    def __init__(self):
        self.count = collections.Counter()
        self.by_kind = collections.defaultdict(collections.Counter)
        self.wrong = []  # texts

    def add(self, name, judgement, error):
        kind = name.rpartition(".")[0]
        self.count["images"] += 1
        self.by_kind[kind]["images"] += 1
        if error is not None:
            self.count["errors"] += 1
            self.wrong.append(f"{name}: {error}")
            return
        if judgement.safe:
            self.count["safe"] += 1
            self.by_kind[kind]["safe"] += 1
            self.count["opened"] += bool(judgement.opened_by)
        if judgement.findings:
            self.count["lies"] += 1
            self.by_kind[kind]["lies"] += 1
            safe = [option for checked, option in ((True, "safe"), (False, "safe with --no-check"))
                    if judgement.verdicts[checked].safe]
            self.wrong.append("\n".join([f"{name}: {', '.join(safe)}",
                                         *(f"    {text}" for text in judgement.findings)]))

    def print_kinds(self):
        for kind, count in sorted(self.by_kind.items()):
            print(f"{kind:32} {count['images']:6} images {count['safe']:6} safe "
                  f"{count['lies']:6} lies")

    def summary(self):
        return (f"{self.count['images']} images, {self.count['safe']} called safe, "
                f"{self.count['opened']} of which a reader opens, {self.count['lies']} lies, "
                f"{self.count['errors']} errors")


def run(names, jobs, keep=None, default_readers=False, show=None):
    """Judges images, some at the same time. `show`: is called with each text."""
    tally = Tally()

    def judge_one(name):
        if " of " in name:
            return judge_honest(name, default_readers)
        return judge_name(name, keep, default_readers)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for result in pool.map(judge_one, names):
            tally.add(*result)
            while show and len(tally.wrong) > tally.count["shown"]:
                show(tally.wrong[tally.count["shown"]])
                tally.count["shown"] += 1
    return tally


def _arguments():
    parser = argparse.ArgumentParser(prog="tools/verdicts", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of an image, or a file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--format", help="only images of it")
    parser.add_argument("--kind", help="only images of it")
    parser.add_argument("--keep", metavar="DIRECTORY", help="leave the images there")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--default-readers", action="store_true",
                        help="without those of tools/setup --readers")
    parser.add_argument("--honest", action="store_true",
                        help="judge the honest corpus instead: no alarm, and no reader disagrees")
    parser.add_argument("--list", action="store_true", help="print the kinds of images")
    parser.add_argument("--kinds", action="store_true", help="print what came of each kind")
    return parser.parse_intermixed_args()


def main():
    generator.load()
    arguments = _arguments()
    if arguments.list:
        print("\n".join(sorted(KINDS)))
        return
    for reader in readers.every():
        print(f"{reader.name}: {reader.problem or 'reads'}")
    if arguments.honest:
        arguments.names = [" of ".join(pair) for pair in honest.pairs(arguments.default_readers)]
    names = arguments.names or generator.names(arguments.seed, arguments.count, arguments.format,
                                               arguments.kind)
    tally = run(names, arguments.jobs, arguments.keep, arguments.default_readers,
                lambda text: print(text, flush=True))
    if arguments.kinds:
        tally.print_kinds()
    print(tally.summary())
    sys.exit(1 if tally.wrong or not names else 0)


if __name__ == "__main__":
    main()
