"""Through a link named qemu-img: names, errors and spellings of options, beside qemu-img itself."""

import os
import re
import subprocess

from support import content, files, harness, programs, reference

MIB = 1 << 20


def _link():
    programs.require_kvm()
    programs.require_program("qemu-img")
    os.mkdir("link")
    os.symlink(programs.HOTCELL, "link/qemu-img")
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", content.pattern(), "a.qcow2")


def _ours(*arguments, **options):
    return programs.run(["link/qemu-img", *arguments], **options)


def _must(*arguments, **options):
    """Succeeds and says nothing on standard error. Returns standard output."""
    result = _ours(*arguments, **options)
    harness.check_equal(result.returncode, 0, f"{arguments}: exit status ({result.stderr!r})")
    harness.check_equal(result.stderr, b"", f"{arguments}: standard error")
    return result.stdout


def _check_same_error(*arguments):
    """Both fail alike, and the first words on standard error are the same."""
    ours = _ours(*arguments)
    theirs = programs.run(["qemu-img", *arguments])
    harness.check_equal(ours.returncode, theirs.returncode, f"{arguments}: exit status")
    harness.check(theirs.returncode != 0, f"{arguments}: qemu-img accepts it")
    wanted = theirs.stderr.rstrip(b"\n")
    reference.check_words(ours.stderr[:len(wanted)], wanted, f"{arguments}: first words of stderr")


def _protocols(_):
    """Nothing that names a protocol becomes a local file."""
    _link()
    before = sorted(os.listdir("."))
    for name in ("vm:disk.qcow2", "sheepdog:vol", ":x", "a b:c"):
        for arguments in (("info", name), ("check", name), ("map", name), ("measure", name),
                          ("convert", name, "out"), ("convert", "a.qcow2", name),
                          ("dd", f"if={name}", "of=out"), ("dd", "if=a.qcow2", f"of={name}"),
                          ("compare", name, "a.qcow2"), ("create", name, "1M")):
            _check_same_error(*arguments)
    for name in ("nbd:localhost:10809", "nbd://localhost/disk", "rbd:vm-101-disk-0",
                 "vitastor:image=vm1", "https://localhost/disk"):
        protocol = name.partition(":")[0]
        for command in (["convert", "-O", "raw", "a.qcow2", name], ["create", name, "1M"],
                        ["info", name],
                        ["create", "-f", "qcow2", "-b", name, "-F", "raw", "out", "1M"],
                        ["create", "-u", "-f", "qcow2", "-b", name, "-F", "raw", "out", "1M"]):
            result = _ours(*command)
            harness.check_equal(result.returncode, 1, f"{command}: exit status")
            harness.check(f"Unknown protocol '{protocol}'".encode() in result.stderr,
                          f"{command}: {result.stderr!r}")
            result = programs.hotcell(*command)
            harness.check_equal(result.returncode, 1, f"{command}: exit status")
            harness.check(f"the protocol '{protocol}' is not done".encode() in result.stderr,
                          f"{command}: {result.stderr!r}")
    harness.check_equal(sorted(os.listdir(".")), before, "files")


def _colons(_):
    """A file with a colon in its name is reached as qemu-img reaches it, and by its name."""
    _link()
    os.rename("a.qcow2", "vm:disk.qcow2")
    for name in ("file:vm:disk.qcow2", "./vm:disk.qcow2"):
        harness.check_equal(_must("info", "-U", name).split(b"\n")[1:],
                            programs.qemu_info_text("-U", name).split(b"\n")[1:], name)
    _must("convert", "-O", "raw", "file:vm:disk.qcow2", "file:out.raw")
    harness.check(files.first_difference("out.raw", content.pattern()) is None, "out.raw")
    harness.check_equal(_must("compare", "file:out.raw", "./vm:disk.qcow2"),
                        b"Images are identical.\n", "compare")
    programs.must_hotcell("convert", "-O", "raw", "vm:disk.qcow2", "vm:out.raw")
    harness.check(os.path.exists("vm:out.raw"), "hotcell takes other colons for part of a name")
    _must("create", "-q", "-f", "qcow2", "-b", "file:out.raw", "-F", "raw", "over.qcow2")
    harness.check_equal(programs.qemu_info("over.qcow2")["backing-filename"], "file:out.raw",
                        "the name in the image")
    programs.qemu_img("compare", "over.qcow2", "out.raw")


def _formats_of_files(_):
    """`file` and `host_device` are the bytes as they are."""
    _link()
    for name in ("file", "host_device"):
        _must("convert", "-f", name, "-O", "qcow2", content.pattern(), f"{name}.qcow2")
        _must("convert", "-f", "qcow2", "-O", name, f"{name}.qcow2", f"{name}.raw")
        harness.check(files.first_difference(f"{name}.raw", content.pattern()) is None, name)
        harness.check(b"virtual size: " in _must("info", "-f", name, "a.qcow2"), name)


def _zeroinit(_):
    """Proxmox's line: with -n the target is known to be zero, so zeroes are not written."""
    _link()
    disk = content.pattern()
    size = os.stat(disk).st_size
    _must("create", "-q", "-f", "raw", "d.raw", str(size))
    _must("convert", "-p", "-n", "-f", "qcow2", "-O", "raw", "a.qcow2", "zeroinit:d.raw")
    harness.check(files.first_difference("d.raw", disk) is None, "with -n")
    with open("full.raw", "wb") as file:
        file.write(b"\xff" * size)
    _must("convert", "-n", "-O", "raw", "a.qcow2", "zeroinit:full.raw")
    harness.check(files.first_difference("full.raw", disk) is not None, "its zeroes were written")
    _must("convert", "-O", "raw", "a.qcow2", "zeroinit:new.raw")
    harness.check(files.first_difference("new.raw", disk) is None, "without -n")


def _target_image_opts(_):
    _link()
    size = os.stat(content.pattern()).st_size
    _must("create", "-q", "-f", "raw", "d.raw", str(size))
    _must("convert", "-n", "--target-image-opts", "a.qcow2",
          "driver=raw,file.driver=file,file.filename=d.raw")
    harness.check(files.first_difference("d.raw", content.pattern()) is None, "raw")
    _must("create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", "d.qcow2", str(size))
    _must("convert", "-n", "--target-image-opts", "a.qcow2",
          "driver=qcow2,discard-no-unref=true,file.driver=file,file.filename=d.qcow2")
    harness.check_equal(programs.qemu_info("d.qcow2")["cluster-size"], 4096, "cluster size")
    programs.qemu_img("compare", "d.qcow2", "a.qcow2")
    _check_same_error("convert", "--target-image-opts", "a.qcow2", "driver=raw,file.filename=x")


def _numbers(_):
    """What is no number is told in qemu-img's words, both lines of them."""
    _link()
    for arguments in (("create", "x", "bogus"), ("create", "x", "4MB"), ("create", "x", "1,5G"),
                      ("create", "x", "16E"), ("create", "x", "9E"), ("measure", "--size", "x"),
                      ("convert", "-S", "bogus", "a.qcow2", "x"),
                      ("convert", "-S", "100", "a.qcow2", "x"),
                      ("convert", "-r", "bogus", "a.qcow2", "x"),
                      ("convert", "-m", "17", "a.qcow2", "x"),
                      ("convert", "-t", "bogus", "a.qcow2", "x"),
                      ("convert", "-T", "bogus", "a.qcow2", "x"),
                      ("check", "-T", "bogus", "a.qcow2"), ("map", "-s", "x", "a.qcow2"),
                      ("map", "-l", "x", "a.qcow2"), ("dd", "if=a.qcow2", "of=x", "bs=x"),
                      ("dd", "if=a.qcow2", "of=x", "bs=0"), ("dd", "if=a.qcow2", "of=x", "count=x"),
                      ("info", "--output", "bogus", "a.qcow2")):
        _check_same_error(*arguments)
    for size in ("+4M", " 4M", "0x400000"):
        reference.check_words(_must("create", "x", size), programs.qemu_img("create", "x", size),
                              f"size {size!r}")


def _reader_goes_away(_):
    """Progress that nobody reads any more is no error; through the link, nothing is."""
    _link()
    for command, expected in (
            (f"link/qemu-img convert -p -O raw a.qcow2 out.raw | true; exit ${{PIPESTATUS[0]}}", 0),
            (f"{programs.HOTCELL} convert -p -O raw a.qcow2 out.raw | true; "
             "exit ${PIPESTATUS[0]}", 0),
            ("link/qemu-img convert -p -O raw a.qcow2 out.raw >/dev/full", 0),
            ("link/qemu-img map --output=json a.qcow2 | true; exit ${PIPESTATUS[0]}", 0),
            ("link/qemu-img compare -p a.qcow2 a.qcow2 | true; exit ${PIPESTATUS[0]}", 0),
            ("link/qemu-img info a.qcow2 | true; exit ${PIPESTATUS[0]}", 0),
            ("link/qemu-img info a.qcow2 >/dev/full", 1),
            (f"{programs.HOTCELL} digest a.qcow2 >/dev/full", 1)):
        result = programs.run(["bash", "-c", command])
        harness.check_equal(result.returncode, expected, f"{command}: exit status")
        if expected == 0:
            harness.check_equal(result.stderr, b"", f"{command}: standard error")
            harness.check(files.first_difference("out.raw", content.pattern()) is None, command)


def _long_names(_):
    """Those of QEMU 10 and 11 beside the letters."""
    _link()
    programs.qemu_img("convert", "-O", "raw", "a.qcow2", "base.raw")
    size = str(os.stat("base.raw").st_size)
    _must("convert", "--source-format=qcow2", "--target-format=qcow2", "--source-cache=none",
          "--target-cache=writeback", "--target-format-options", "cluster_size=4k",
          "--sparse-size=64k", "--parallel=4", "--compress", "--oob-writes", "--rate-limit=1G",
          "--rate=1G", "--quiet", "a.qcow2", "out.qcow2")
    programs.qemu_img("compare", "out.qcow2", "a.qcow2")
    harness.check_equal(programs.qemu_info("out.qcow2")["cluster-size"], 4096, "cluster size")
    _must("convert", "--copy-range-offloading", "--no-create", "a.qcow2", "base.raw")
    for option in ("-b", "-B", "--backing"):
        _must("convert", option, "base.raw", "--backing-format=raw", "-O", "qcow2", "a.qcow2",
              "over.qcow2")
        harness.check_equal(programs.qemu_info("over.qcow2")["backing-filename"], "base.raw",
                            option)
    # The equals sign tells qemu-img's --backing from hotcell's option of that name.
    _must("convert", "--backing", "base.raw=base.raw", "-O", "raw", "over.qcow2", "flat.raw")
    harness.check(files.first_difference("flat.raw", content.pattern()) is None, "flat.raw")
    _must("create", "--format=qcow2", "--options=cluster_size=4k", "--quiet", "--backing=base.raw",
          "--backing-format=raw", "--backing-unsafe", "made.qcow2", size)
    _must("create", "-q", "-f", "qcow2", "-b", "base.raw", "-B", "raw", "made.qcow2")
    harness.check_equal(programs.qemu_info("made.qcow2")["backing-filename-format"], "raw",
                        "create -B")
    _must("compare", "--a-format=qcow2", "--b-format=raw", "--cache=none", "--quiet", "a.qcow2",
          "base.raw")
    harness.check(b"(100.00/100%)" in _must("compare", "--progress", "a.qcow2", "base.raw"),
                  "compare --progress")
    result = _ours("compare", "--strict", "a.qcow2", "base.raw")
    harness.check(b"Strict mode" in result.stdout or result.returncode == 0, result)
    harness.check_equal(_must("measure", "-s", "64M", "--target-format=qcow2",
                              "--options=cluster_size=4k"),
                        programs.qemu_img("measure", "--size", "64M", "-O", "qcow2", "-o",
                                          "cluster_size=4k"), "measure")
    _must("measure", "--format=qcow2", "--target-format=raw", "a.qcow2")
    _must("check", "--cache=none", "a.qcow2")
    harness.check_equal(_must("info", "--cache=none", "-t", "none", "-U", "a.qcow2"),
                        programs.qemu_info_text("-U", "a.qcow2"), "info --cache")
    _must("dd", "--format=qcow2", "--output-format=raw", "if=a.qcow2", "of=out.raw")
    for arguments in (("-T", "help", "info", "a.qcow2"), ("--trace", "help", "info", "a.qcow2"),
                      ("info", "--limits", "a.qcow2"), ("convert", "--prog", "a.qcow2", "x")):
        result = _ours(*arguments)
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
        harness.check(b"option '-" in result.stderr, f"{arguments}: {result.stderr!r}")


def _options_of_formats(_):
    """help among other options, and a size that convert does not heed."""
    _link()
    harness.check(b"cluster_size" in _must("convert", "-O", "qcow2", "-o", "cluster_size=4k,help",
                                           "a.qcow2", "out"), "help among others")
    harness.check(not os.path.exists("out"), "an image was made")
    _must("convert", "-O", "qcow2", "-o", "size=1M", "a.qcow2", "out.qcow2")
    programs.qemu_img("compare", "a.qcow2", "out.qcow2")
    harness.check_equal(programs.qemu_info("out.qcow2")["virtual-size"],
                        programs.qemu_info("a.qcow2")["virtual-size"], "size")


def _lists_of_options(_):
    """-o help has qemu-img's form, and names that qemu-img has too."""
    _link()
    for image_format in ("raw", "qcow2", "qcow", "vmdk", "vdi", "vpc", "vhdx", "qed", "parallels"):
        listed = {}
        for program, run in (("ours", _must), ("theirs", programs.qemu_img)):
            text = run("convert", "-O", image_format, "-o", "help", "a.qcow2", "out").decode()
            lines = text.splitlines()
            harness.check_equal(lines[0], "Supported options:", f"{program}: {image_format}")
            harness.check(all(re.match(r"  [a-z0-9_.-]+=<.*> +- .", line) for line in lines[1:]),
                          f"{program}: {text}")
            listed[program] = {line.partition("=")[0].strip() for line in lines[1:]}
        harness.check(listed["ours"] <= listed["theirs"],
                      f"{image_format}: {listed['ours'] - listed['theirs']}")
        harness.check("size" in listed["ours"], image_format)
        harness.check_equal("backing_file" in listed["ours"],
                            image_format == "qcow2", f"{image_format}: backing file")


def _descriptions(_):
    """compare takes descriptions in place of names, as the others do."""
    _link()
    programs.qemu_img("convert", "-O", "raw", "a.qcow2", "b.raw")
    described = 'json:{"driver":"qcow2","file":{"driver":"file","filename":"a.qcow2"}}'
    for arguments in (("--image-opts", "driver=qcow2,file.filename=a.qcow2",
                       "driver=raw,file.filename=b.raw"), (described, "b.raw")):
        harness.check_equal(_must("compare", *arguments), b"Images are identical.\n", arguments)
    programs.must_hotcell("compare", "--image-opts", "driver=qcow2,file.filename=a.qcow2",
                          "driver=raw,file.filename=b.raw")
    result = programs.hotcell("compare", described, "b.raw")
    harness.check_equal(result.returncode, 2, "json: under hotcell's own name")


def _texts(_):
    """info and map print names as they are, and no line that qemu-img has not."""
    _link()
    os.rename("a.qcow2", "it's")
    os.mkdir("sub")
    os.rename("it's", "sub/it's")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "it's", "-F", "qcow2", "sub/over")
    harness.check_equal(_must("map", "-U", "sub/it's"), programs.qemu_img("map", "-U", "sub/it's"),
                        "map")
    for directory in (".", os.path.abspath("sub")):
        harness.check_equal(_must("map", "-U", f"--follow-references={directory}", "sub/over"),
                            programs.qemu_img("map", "-U", "sub/over"), f"below {directory}")
    programs.qemu_img("create", "-q", "-f", "parallels", "i.hds", "8M")
    programs.qemu_io("i.hds", "write -q 0 64k", "abort", image_format="parallels", check_exit=False)
    harness.check_equal(_must("info", "i.hds"), programs.qemu_info_text("i.hds"), "info")
    harness.check(b"cleanly shut down: no" in programs.must_hotcell("info", "i.hds"),
                  "hotcell does not tell that the image was not closed")


def _pipes(_):
    """An image goes into a pipe when it is complete."""
    _link()
    for image_format in ("raw", "qcow2"):
        image = programs.must_hotcell("convert", "-p", "-O", image_format, "a.qcow2", "/dev/stdout")
        with open("piped", "wb") as file:
            file.write(image)
        programs.qemu_img("compare", "-F", image_format, "a.qcow2", "piped")
    os.mkfifo("fifo")
    with open("read", "wb") as read, subprocess.Popen(["cat", "fifo"], stdout=read) as reader:
        programs.must_hotcell("dd", "-O", "raw", "if=a.qcow2", "of=fifo")
        harness.check_equal(reader.wait(programs.TIMEOUT_SECONDS), 0, "cat")
    harness.check(files.first_difference("read", content.pattern()) is None, "through the FIFO")
    result = programs.run(["bash", "-c", f"{programs.HOTCELL} convert -O raw a.qcow2 /dev/stdout | "
                           "true; exit ${PIPESTATUS[0]}"])
    harness.check(result.returncode in (0, 1), result)
    harness.check(not os.path.exists("/dev/stdout-flat"), "files beside the pipe")


harness.main({
    "colons": _colons,
    "descriptions": _descriptions,
    "formats_of_files": _formats_of_files,
    "lists_of_options": _lists_of_options,
    "long_names": _long_names,
    "numbers": _numbers,
    "options_of_formats": _options_of_formats,
    "pipes": _pipes,
    "protocols": _protocols,
    "reader_goes_away": _reader_goes_away,
    "target_image_opts": _target_image_opts,
    "texts": _texts,
    "zeroinit": _zeroinit,
})
