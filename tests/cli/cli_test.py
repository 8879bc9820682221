"""The command as a new user meets it: typos, missing things, odd names, a machine without KVM."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys

from support import content, files, harness, namespaces, programs

MIB = 1 << 20
_COMPLETIONS = os.path.join(os.path.dirname(os.path.dirname(programs.HOTCELL)), "share")
_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]


def _image(directory, name="image.qcow2"):
    path = os.path.join(directory, name)
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", content.pattern(), path)
    return path


def check_error(result, *patterns, status=1):
    """One line on standard error that begins with the program's name and matches each pattern."""
    text = result.stderr
    harness.check_equal(result.returncode, status, f"exit status ({text!r})")
    harness.check(text.count(b"\n") == 1 and text.endswith(b"\n"), f"not one line: {text!r}")
    line = text[:-1].decode("utf-8")
    harness.check(line.isprintable() and line.startswith("hotcell"), f"{text!r}")
    for pattern in patterns:
        harness.check(re.search(pattern, line, re.IGNORECASE),
                      f"the error does not speak of /{pattern}/: {line}")


# ---- Without a job ------------------------------------------------------------------------------

def _help(_):
    for arguments in (["--help"], ["convert", "--help"], ["create", "--help"], ["dd", "--help"], ["map", "--help"],
                      ["measure", "--help"], ["rebase", "--help"], ["resize", "--help"], ["snapshot", "--help"], ["info", "--help"], ["run", "--help"],
                      ["policy", "--help"], ["doctor", "--help"]):
        text = programs.must_hotcell(*arguments).decode()
        harness.check("hotcell" in text and len(text.splitlines()) >= 5,
                      f"{arguments}: {text!r}")
    text = programs.must_hotcell("convert", "--help").decode()
    for option in ("-f", "-O", "-o", "-c", "-p", "-S", "-n", "-q", "-W", "-m", "-t", "-T", "-l",
                   "--follow-references", "--backing"):
        harness.check(re.search(rf"(^|\W){re.escape(option)}\b", text),
                      f"convert --help does not mention {option}")


def _policy(_):
    text = programs.must_hotcell("policy").decode()
    policy = json.loads(programs.must_hotcell("policy", "--output=json"))
    for table in policy["tables"]:
        harness.check(table["rules"], f"{table['name']} has no rule")
        for rule in table["rules"]:
            harness.check(rule["call"] in text and rule["caller"] and rule["reason"], f"{rule}")
    for layer in policy["layers"]:
        harness.check(f"  {layer['name']} " in text, f"{layer['name']} is not in the table")
        for name in ("hotcell.bash", "_hotcell", "hotcell.fish"):
            with open(os.path.join(_COMPLETIONS, name), encoding="utf-8") as completion:
                harness.check(re.search(rf"(?<![\w-]){layer['name']}(?![\w-])",
                                        completion.read()),
                              f"{name} does not complete {layer['name']}")
    harness.check(max(map(len, text.splitlines())) <= 100, "wider than 100 columns")
    check_error(programs.hotcell("policy", "--outptu=json"), "outptu", "--output")
    check_error(programs.hotcell("policy", "--output=xml"), "xml", "human or json")
    check_error(programs.hotcell("policy", "seccomp"), "unexpected operand", "seccomp")


def _version(_):
    text = programs.must_hotcell("--version").decode()
    harness.check(re.search(r"^hotcell.* \d+\.\d+\.\d+", text), text)


def _no_arguments(_):
    result = programs.hotcell()
    harness.check(result.returncode != 0, "exit status 0")
    harness.check(b"--help" in result.stderr, f"{result.stderr!r} does not point to --help")


def _typos(_):
    check_error(programs.hotcell("convrt", "a", "b"), "convrt", "convert")
    check_error(programs.hotcell("convert", "--follow-reference=.", "a", "b"),
                "follow-reference", "--follow-references")
    check_error(programs.hotcell("convert", "-Z", "a", "b"), "-Z")
    check_error(programs.hotcell("convert", "-m", "many", "a", "b"), "many")
    check_error(programs.hotcell("convert", "-S", "4q", "a", "b"), "4q")
    check_error(programs.hotcell("convert", "-f"), "-f")


def _refused_commands(_):
    """Each is refused with its own reason, whichever way it is asked for."""
    reasons = set()
    for command in ("amend", "bench", "bitmap", "commit"):
        for arguments in ([command], [command, "--help"], ["help", command]):
            result = programs.hotcell(*arguments)
            check_error(result, f"the command '{command}' is not done; ")
        reasons.add(result.stderr.partition(b"; ")[2])
    harness.check_equal(len(reasons), 4, f"reasons: {reasons}")
    check_error(programs.hotcell("help", "conver"), "conver", "did you mean 'convert'")
    check_error(programs.hotcell("--trace", "help"), "option '--trace' is not supported")
    check_error(programs.hotcell("-T", "help"), "option '--trace' is not supported")


def _operands(directory):
    image = _image(directory)
    check_error(programs.hotcell("convert"), "usage|missing|operand|--help|needs|expects")
    check_error(programs.hotcell("convert", image), "usage|missing|target|--help|needs|expects")
    check_error(programs.hotcell("info"), "usage|missing|operand|--help|needs|expects")
    harness.check_equal(os.listdir(directory), ["image.qcow2"], "files")


# ---- Files --------------------------------------------------------------------------------------

def _missing_file(_):
    programs.require_kvm()
    check_error(programs.hotcell("info", "nosuch.qcow2"), "nosuch.qcow2", "No such file")
    check_error(programs.hotcell("convert", "-O", "raw", "nosuch.qcow2", "out"), "nosuch.qcow2",
                "No such file")
    harness.check_equal(os.listdir("."), [], "files")


def _directories(directory):
    programs.require_kvm()
    image = _image(directory)
    os.mkdir("folder")
    check_error(programs.hotcell("info", "folder"), "folder", "directory")
    check_error(programs.hotcell("convert", "-O", "raw", "folder", "out"), "folder", "directory")
    check_error(programs.hotcell("convert", "-O", "raw", image, "folder"), "folder", "directory|regular")
    check_error(programs.hotcell("convert", "-O", "raw", image, "missing/out"), "missing",
                "No such file")
    harness.check_equal(sorted(os.listdir(".")), ["folder", "image.qcow2"], "files")


def _special_files(directory):
    programs.require_kvm()
    image = _image(directory)
    os.mkfifo("fifo")
    check_error(programs.hotcell("info", "fifo"), "fifo", "regular|fifo|pipe")
    check_error(programs.hotcell("info", "/dev/zero"), "/dev/zero", "regular|device")
    check_error(programs.hotcell("convert", "-O", "raw", image, "fifo"), "fifo", "regular|pipe")
    harness.check(stat.S_ISFIFO(os.stat("fifo").st_mode), "the fifo was replaced")


def _same_file(directory):
    """Input and output the same file, by any name: refused, and the input is as it was."""
    programs.require_kvm()
    image = _image(directory)
    with open(image, "rb") as source:
        before = source.read()
    os.link(image, "hard-link")
    os.symlink(image, "symbolic-link")
    for target in (image, "./image.qcow2", "hard-link", "symbolic-link"):
        check_error(programs.hotcell("convert", "-O", "raw", image, target), "same")
        check_error(programs.hotcell("convert", "-n", "-O", "raw", image, target), "same")
        with open(image, "rb") as source:
            harness.check(source.read() == before, f"{target}: the input was changed")


def _target_kept_attributes(directory):
    """A replaced target keeps its permissions; a new one gets 0644 less the umask."""
    programs.require_kvm()
    image = _image(directory)
    with open("old.raw", "wb"):
        pass
    os.chmod("old.raw", 0o640)
    programs.must_hotcell("convert", "-O", "raw", image, "old.raw")
    harness.check_equal(stat.S_IMODE(os.stat("old.raw").st_mode), 0o640, "permissions, old")
    programs.must_hotcell("convert", "-O", "raw", image, "new.raw", preexec_fn=lambda: os.umask(
        0o027) and None)
    harness.check_equal(stat.S_IMODE(os.stat("new.raw").st_mode), 0o640, "permissions, new")


def _odd_names(directory):
    programs.require_kvm()
    image = _image(directory)
    for name in ("-dash.qcow2", "with space.qcow2", "new\nline.qcow2", "a=b,c.qcow2",
                 "json:{}.qcow2", "nbd:x:1", "\x1b[31mred.qcow2"):
        os.rename(image, name)
        image = name
        programs.must_hotcell("convert", "-O", "raw", "--", image, "out.raw")
        difference = files.first_difference("out.raw", content.pattern())
        harness.check(difference is None, f"{name!r}: wrong at {difference}")
        os.unlink("out.raw")
        text = programs.must_hotcell("info", "--", image).decode()
        harness.check(all(line.isprintable() for line in text.split("\n")),
                      f"info of {name!r}: {text!r}")
        harness.check_equal(
            json.loads(programs.must_hotcell("info", "--output=json", "--", image))["filename"],
            image, "filename in JSON")
    check_error(programs.hotcell("info", "no\nsuch\x1b[31m"), "No such file")


def _closed_descriptors(directory):
    """Standard descriptors that are closed are not mistaken for the files opened in their place."""
    programs.require_kvm()
    image = _image(directory)
    script = f"exec '{programs.HOTCELL}' convert -p -O raw image.qcow2 out.raw 0<&- 1>&- 2>&-"
    programs.must(["sh", "-c", script])
    difference = files.first_difference("out.raw", content.pattern())
    harness.check(difference is None, f"wrong at {difference}")
    difference = files.first_difference(image, _image(directory, "again.qcow2"))
    harness.check(difference is None, f"the input was changed at {difference}")


# ---- Options ------------------------------------------------------------------------------------

def _formats(directory):
    programs.require_kvm()
    image = _image(directory)
    check_error(programs.hotcell("info", "-f", "qcow3", image), "qcow3")
    check_error(programs.hotcell("convert", "-f", "foo", "-O", "raw", image, "out"), "foo")
    check_error(programs.hotcell("convert", "-O", "foo", image, "out"), "foo")
    check_error(programs.hotcell("convert", "-c", "-O", "raw", image, "out"), "compress")
    for option in ("cluster_size=3k", "cluster_size=4M", "cluster_size=0", "cluster_size=x",
                   "nosuch=1", "compression_type=lzma", "preallocation=maybe"):
        check_error(programs.hotcell("convert", "-O", "qcow2", "-o", option, image, "out"),
                    option.partition("=")[0])
    harness.check_equal(os.listdir("."), ["image.qcow2"], "files")


def _progress(directory):
    programs.require_kvm()
    image = _image(directory)
    text = programs.must_hotcell("convert", "-p", "-O", "raw", image, "out.raw").decode()
    # What KubeVirt's importer looks for in qemu-img's output.
    harness.check(re.search(r"\((\d?\d\.\d\d)/100%\)", text), f"no progress: {text!r}")
    harness.check("(100.00/100%)" in text, f"does not reach 100: {text!r}")
    quiet = programs.hotcell("convert", "-q", "-O", "raw", image, "out.raw")
    harness.check_equal((quiet.returncode, quiet.stdout, quiet.stderr), (0, b"", b""), "-q")
    silent = programs.hotcell("convert", "-O", "raw", image, "out.raw")
    harness.check_equal((silent.returncode, silent.stdout, silent.stderr), (0, b"", b""),
                        "without -p")


def _progress_as_json(directory):
    """A line each on standard error, and the result on standard output."""
    programs.require_kvm()
    image = _image(directory)
    for arguments in (["convert", "-O", "raw", image, "out.raw"], ["compare", image, "out.raw"]):
        result = programs.hotcell(*arguments[:1], "-p", "--output=json", *arguments[1:])
        harness.check_equal(result.returncode, 0, f"{arguments}: exit status")
        harness.check(arguments[0] in json.loads(result.stdout), f"{arguments}: {result.stdout!r}")
        lines = [json.loads(line) for line in result.stderr.splitlines()]
        harness.check(lines and all(list(line) == ["progress"] for line in lines), f"{lines}")
        shown = [line["progress"] for line in lines]
        harness.check(shown == sorted(shown) and shown[0] == 0 and shown[-1] == 100, f"{shown}")


# Writes 77 to the result port and an 'H' to the VGA page, and hangs.
_HANGS = (b"\xb0\x4d\xba\xff\x0e\xee\xbb\x00\xb8\x8e\xdb\xc7\x06\x00\x00\x48\x07\xeb\xfe")


def _run_shows_a_hang(_):
    """The end by a limit or a signal is shown as any other end is."""
    programs.require_kvm()
    with open("hangs.bin", "wb") as file:
        file.write(_HANGS)
    command = ["run", "--mode=real", "--load=0x1000", "--registers", "--vga", "--dirty-pages",
               "--stats", "hangs.bin"]
    late = programs.hotcell(*command, "--timeout=1")
    interrupted = programs.run(["timeout", "--signal=INT", "1", programs.HOTCELL, *command])
    for result, why in ((late, b"wall-time"), (interrupted, b"cancelled by SIGINT")):
        harness.check_equal(result.stdout.rstrip(), b"H", "the VGA page")
        for text in (b"port 0xeff: 77\n", b"registers after:\n", b"rip 0000000000001011",
                     b"dirty pages:\n", b"exits", why):
            harness.check(text in result.stderr, f"no {text!r} in {result.stderr!r}")
    harness.check_equal(late.returncode, 124, "exit status of the limit")
    harness.check(b"at 0x0:0x1011\n" in late.stderr, f"the place: {late.stderr!r}")
    result = programs.hotcell("run", "--mode=real", "--load=0x1000", "--timeout=1",
                              "--output=json", "hangs.bin")
    run = json.loads(result.stdout)["run"]
    harness.check_equal((run["reason"], run["result"], run["exit-status"]), ("stopped", 77, 124),
                        "JSON")


def _run_as_json(_):
    """What a guest left is one document; a file called json is named with its directory."""
    programs.require_kvm()
    with open("hello.bin", "wb") as program:
        # mov dx, 0x3f8; mov al, 'h'; out dx, al; mov al, 7; out 1, al
        program.write(b"\x66\xba\xf8\x03\xb0h\xee\xb0\x07\xe6\x01")
    result = programs.hotcell("run", "--output=json", "hello.bin")
    harness.check_equal(result.returncode, 7, f"exit status ({result.stderr!r})")
    run = json.loads(result.stdout)["run"]
    harness.check_equal((run["reason"], run["code"], run["exit-status"], run["serial-output"]),
                        ("exited", 7, 7, "h"), "run")
    harness.check_equal(int(run["registers"]["rax"], 16) & 0xff, 7, "al")
    harness.check(not os.path.exists("json"), "a file called json was made")
    result = programs.hotcell("run", "--output=json", "missing.bin")
    harness.check_equal((result.returncode, json.loads(result.stdout)["error"]["code"]),
                        (120, "not-found"), "a program that is not there")
    harness.check_equal(programs.hotcell("run", "hello.bin").stdout, b"h", "without --output")


def _require_direct(directory):
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_DIRECT, 0o600))
    except OSError as error:
        raise harness.Skip(f"no O_DIRECT on this file system: {error.strerror}") from error


def _accepted_flags(directory):
    """The options scripts give qemu-img."""
    programs.require_kvm()
    _require_direct(directory)
    image = _image(directory)
    programs.must_hotcell("convert", "-W", "-m", "8", "-t", "none", "-T", "none", "-S", "4k", "-f",
                          "qcow2", "-O", "raw", image, "out.raw")
    for mode in ("none", "writeback", "unsafe", "directsync", "writethrough"):
        programs.must_hotcell("convert", "-t", mode, "-T", "writeback", "-Oraw", image, "out.raw")
        difference = files.first_difference("out.raw", content.pattern())
        harness.check(difference is None, f"-t {mode}: wrong at {difference}")


def _evict(path):
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _copy_offload(directory):
    programs.require_kvm()
    image = _image(directory)
    for cache in ("writeback", "none"):
        if cache == "none":
            _require_direct(directory)
        for source_format, source in (("raw", content.pattern()), ("qcow2", image)):
            for target_format in ("raw", "qcow2"):
                programs.must_hotcell("convert", "-C", "-t", cache, "-T", cache, "-f",
                                      source_format, "-O", target_format, source, "out")
                programs.qemu_img("compare", "-f", "raw", "-F", target_format, content.pattern(),
                                  "out")
    size = os.stat(image).st_size
    check_error(programs.hotcell("convert", "-C", "--limit", "bytes-read=2M", image, "limited"),
                "bytes-read")
    check_error(programs.hotcell("convert", "-C", "--limit", "output-bytes=2M", image, "limited"),
                "output-bytes")
    harness.check(size > 2 * MIB and not os.path.exists("limited"), "limited was made")


def _cached_pages(path):
    return int(programs.must(["fincore", "-n", "-b", "-o", "PAGES", path]))


def _direct(directory):
    """-t none and -T none pass by the page cache."""
    programs.require_kvm()
    programs.require_program("fincore")
    _require_direct(directory)
    if programs.must(["stat", "-f", "-c", "%T", directory]).strip() == b"tmpfs":
        raise harness.Skip("a tmpfs is its own cache")
    source = os.path.join(directory, "source.raw")
    shutil.copyfile(content.pattern(), source)
    with open(source, "ab") as file:
        file.write(os.urandom(4 * MIB + 512))  # the last page is not whole
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", source, "source.qcow2")
    programs.qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", source, "small.qcow2")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "small.qcow2", "-F", "qcow2",
                      "top.qcow2")
    inputs = ["source.raw", "source.qcow2", "small.qcow2", "top.qcow2"]
    for name in inputs:
        programs.must(["sync", name])
        _evict(name)
    programs.must_hotcell("convert", "-f", "raw", "-O", "raw", "source.raw", "cached")
    harness.check(_cached_pages("cached") > 0, "no page of a cached output is in the cache")
    programs.must(["cmp", "cached", "source.raw"])
    _evict("source.raw")
    for mode in ("none", "directsync"):
        for source_format, name, arguments in (
                ("raw", "source.raw", ["-O", "raw"]), ("raw", "source.raw", ["-O", "qcow2", "-c"]),
                ("raw", "source.raw", ["-O", "raw", "-S", "0"]),
                ("raw", "source.raw", ["-O", "qcow2"]), ("qcow2", "source.qcow2", ["-O", "raw"]),
                ("qcow2", "small.qcow2", ["-O", "raw"]),
                ("qcow2", "top.qcow2", ["-O", "raw", "--follow-references=."])):
            what = f"{mode}, {name}, {arguments}"
            result = programs.hotcell("convert", "-t", mode, "-T", mode, "-f", source_format,
                                      *arguments, name, "out")
            harness.check_equal(result.returncode, 0, f"{what}: {result.stderr}")
            harness.check_equal(_cached_pages("out"), 0, f"{what}: cached pages of the output")
            for read in inputs:
                harness.check_equal(_cached_pages(read), 0, f"{what}: cached pages of {read}")
            programs.qemu_img("compare", "-f", "raw", "-F", arguments[1], "cached", "out")


def _no_direct(directory):
    """File systems without O_DIRECT: an error, and no file."""
    programs.require_kvm()
    image = _image(directory)
    remedy = "does not support O_DIRECT.*use -{} writeback"
    check_error(programs.hotcell("convert", "-T", "none", "-f", "raw", "/proc/version", "out"),
                "/proc/version", remedy.format("T"))
    namespaces.enter()
    os.mkdir("ram")
    programs.must(["mount", "-t", "ramfs", "ramfs", "ram"])
    for mode in ("none", "directsync"):
        check_error(programs.hotcell("convert", "-t", mode, image, "ram/out"), "ram/out",
                    remedy.format("t"))
    harness.check_equal(os.listdir("ram"), [], "files")
    programs.must_hotcell("convert", "-t", "writeback", image, "ram/out")


def _error_as_json(directory):
    programs.require_kvm()
    del directory
    result = programs.hotcell("info", "--output=json", "nosuch.qcow2")
    error = json.loads(result.stdout)["error"]
    harness.check("nosuch.qcow2" in error["message"] and error["code"], f"{error}")


def _info_text(directory):
    programs.require_kvm()
    image = _image(directory)
    ours = programs.must_hotcell("info", image).decode().splitlines()
    theirs = programs.qemu_info_text(image).decode().splitlines()
    for line in theirs:
        harness.check(line in ours, f"info lacks qemu-img's line {line!r}: {ours}")


# ---- The machine --------------------------------------------------------------------------------

def _hidden_kvm(directory):
    image = _image(directory)
    namespaces.enter()
    namespaces.hide_kvm(os.path.join(directory, "dev"))
    for arguments in (["info", image], ["convert", "-O", "raw", image, "out"]):
        check_error(programs.hotcell(*arguments), "/dev/kvm", "No such file|does not exist",
                    "load kvm_intel", "nested", "container: --device /dev/kvm", status=126)
    harness.check(not os.path.exists("out"), "out was made")
    result = programs.hotcell("doctor")
    harness.check(result.returncode != 0, f"doctor: {result}")
    harness.check_equal(result.stdout.count(b"problem "), 1, f"problems: {result.stdout.decode()}")
    json.loads(programs.hotcell("doctor", "--output=json").stdout)


def _not_kvm(directory):
    """Something else is at /dev/kvm."""
    image = _image(directory)
    namespaces.enter()
    if not os.path.exists("/dev/kvm"):
        raise harness.Skip("/dev/kvm does not exist")
    programs.must(["mount", "--bind", "/dev/null", "/dev/kvm"])
    check_error(programs.hotcell("info", image), "/dev/kvm|kvm", status=126)
    harness.check(programs.hotcell("doctor").returncode != 0, "doctor is content")


def _for_nobody(directory, mode):
    """A directory that user nobody may write to, in a namespace with its own /dev/kvm."""
    programs.require_kvm()
    image = _image(directory)
    place = os.path.join(directory, "place")
    os.mkdir(place)
    for name in ("hotcell", "hotcell-worker"):
        shutil.copy2(os.path.join(os.path.dirname(programs.HOTCELL), name), place)
    shutil.copyfile(image, os.path.join(place, "image.qcow2"))
    os.chown(place, 65534, 65534)
    namespaces.enter()
    scratch = os.path.join(directory, "scratch")
    os.mkdir(scratch)
    namespaces.replace_kvm(scratch, mode)
    os.chdir(place)
    return [*_NOBODY, os.path.join(place, "hotcell")]


def _nobody_with_kvm(directory):
    hotcell = _for_nobody(directory, 0o666)
    programs.must([*hotcell, "convert", "-O", "raw", "image.qcow2", "out.raw"])
    difference = files.first_difference("out.raw", content.pattern())
    harness.check(difference is None, f"wrong at {difference}")
    harness.check_equal(os.stat("out.raw").st_uid, 65534, "owner of the output")
    programs.must([*hotcell, "doctor"])


def _nobody_with_kvm_by_acl(directory):
    """The access list of the device is that of a desktop, where logging in adds the user to it."""
    programs.require_program("setfacl")
    hotcell = _for_nobody(directory, 0o600)
    acl = programs.run(["setfacl", "-m", "u:65534:rw", "/dev/kvm"])
    if acl.returncode != 0:
        raise harness.Skip(f"no access lists here: {acl.stderr.decode().strip()}")
    programs.must([*hotcell, "convert", "-O", "raw", "image.qcow2", "out.raw"])


def _nobody_without_kvm(directory):
    hotcell = _for_nobody(directory, 0o600)
    check_error(programs.run([*hotcell, "info", "image.qcow2"]), "/dev/kvm", "Permission denied",
                "usermod -aG kvm", "container", status=126)
    harness.check(programs.run([*hotcell, "doctor"]).returncode != 0, "doctor is content")


def _nobody_may_not_read(directory):
    hotcell = _for_nobody(directory, 0o666)
    os.chmod("image.qcow2", 0o600)
    os.chown("image.qcow2", 0, 0)
    check_error(programs.run([*hotcell, "info", "image.qcow2"]), "image.qcow2",
                "Permission denied")
    os.chmod("image.qcow2", 0o644)
    os.mkdir("locked")
    check_error(programs.run([*hotcell, "convert", "-O", "raw", "image.qcow2", "locked/out"]),
                "locked", "Permission denied")


def _worker_missing(directory):
    image = _image(directory)
    shutil.copy2(programs.HOTCELL, "hotcell")
    check_error(programs.run([os.path.join(directory, "hotcell"), "info", image]),
                "hotcell-worker")


def _doctor(_):
    programs.require_kvm()
    text = programs.must_hotcell("doctor").decode()
    harness.check("kvm" in text.lower(), text)
    json.loads(programs.must_hotcell("doctor", "--output=json"))


def _listed_formats(directory):
    """Each format that doctor lists is read, and written if it says so, with each compression."""
    programs.require_kvm()
    image = _image(directory)
    formats = json.loads(programs.must_hotcell("doctor", "--output=json"))["formats"]
    harness.check({"raw", "qcow2"} <= {entry["name"] for entry in formats}, f"{formats}")
    for entry in formats:
        if not entry["writable"]:
            continue
        for options in [[], *(["-c", "-o", option] for option in entry["compressions"])]:
            programs.must_hotcell("convert", "-O", entry["name"], *options, image, "out")
            programs.must_hotcell("convert", "-f", entry["name"], "-O", "raw", "out", "out.raw")
            # A disk may be longer, by zeroes: VHD's are whole cylinders.
            os.truncate("out.raw", os.path.getsize(content.pattern()))
            difference = files.first_difference("out.raw", content.pattern())
            harness.check(difference is None, f"{entry} {options}: wrong at {difference}")


def _memory_limit(directory):
    """A machine with little memory to give: an error, not a crash."""
    programs.require_kvm()
    image = _image(directory)
    for kib in (20_000, 60_000):
        script = f"ulimit -v {kib}; exec '{programs.HOTCELL}' info image.qcow2"
        result = programs.run(["bash", "-c", script])
        if result.returncode != 0:
            check_error(result)
    harness.check_equal(os.listdir(directory), [os.path.basename(image)], "files")


def _at_once(directory):
    """Eight conversions at the same time do not disturb each other."""
    programs.require_kvm()
    image = _image(directory)
    # pylint: disable-next=consider-using-with
    running = [subprocess.Popen([programs.HOTCELL, "convert", "-O", "raw", image, f"out{number}"])
               for number in range(8)]
    for number, process in enumerate(running):
        harness.check_equal(process.wait(timeout=programs.TIMEOUT_SECONDS), 0, "exit status")
        difference = files.first_difference(f"out{number}", content.pattern())
        harness.check(difference is None, f"out{number}: wrong at {difference}")


# Those that need no /dev/kvm are registered apart.
WITHOUT_KVM = {
    "help": _help,
    "version": _version,
    "no-arguments": _no_arguments,
    "typos": _typos,
    "operands": _operands,
    "refused-commands": _refused_commands,
    "policy": _policy,
    "kvm-hidden": _hidden_kvm,
    "worker-missing": _worker_missing,
}
WITH_KVM = {
    "missing-file": _missing_file,
    "directories": _directories,
    "special-files": _special_files,
    "same-file": _same_file,
    "target-attributes": _target_kept_attributes,
    "odd-names": _odd_names,
    "closed-descriptors": _closed_descriptors,
    "formats-and-options": _formats,
    "progress": _progress,
    "progress-as-json": _progress_as_json,
    "run-as-json": _run_as_json,
    "run-shows-a-hang": _run_shows_a_hang,
    "accepted-flags": _accepted_flags,
    "copy-offload": _copy_offload,
    "direct": _direct,
    "no-direct": _no_direct,
    "error-as-json": _error_as_json,
    "info-text": _info_text,
    "kvm-is-something-else": _not_kvm,
    "nobody-with-kvm": _nobody_with_kvm,
    "nobody-with-kvm-by-acl": _nobody_with_kvm_by_acl,
    "nobody-without-kvm": _nobody_without_kvm,
    "nobody-may-not-read": _nobody_may_not_read,
    "doctor": _doctor,
    "listed-formats": _listed_formats,
    "memory-limit": _memory_limit,
    "eight-at-once": _at_once,
}

if __name__ == "__main__":
    # `cli.cli_test kvm|plain [--list|NAME...]`
    harness.main(WITH_KVM if sys.argv.pop(1) == "kvm" else WITHOUT_KVM)
