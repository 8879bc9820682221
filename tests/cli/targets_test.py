"""Where commands write: files that are replaced or written as they are, links, other users' files."""

import json
import os
import stat
import subprocess

from support import content, files, harness, namespaces, programs

_STRANGER = 12345


def _image():
    programs.require_kvm()
    programs.must_hotcell("convert", "-f", "raw", "-O", "qcow2", content.pattern(), "image.qcow2")
    return "image.qcow2"


def _check_refused(text, *arguments, **options):
    result = programs.hotcell(*arguments, **options)
    harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
    harness.check(text in result.stderr.decode(), f"{arguments}: {result.stderr!r}")


def _check_raw(path, what):
    difference = files.first_difference(path, content.pattern())
    harness.check(difference is None, f"{what}: wrong at {difference}")


def _descriptors(directory):
    """A descriptor's name is the open file itself: deleted, in memory, or at its path."""
    image = _image()
    deleted = os.open("deleted", os.O_CREAT | os.O_RDWR)
    os.unlink("deleted")
    kept = os.open("kept", os.O_CREAT | os.O_RDWR)
    inode = os.stat("kept").st_ino
    for what, fd in (("deleted", deleted), ("memory", os.memfd_create("disk")), ("kept", kept)):
        for form in ("/dev/fd/{}", "/proc/self/fd/{}"):
            os.write(fd, b"old" * 1000)
            programs.must_hotcell("convert", "-O", "raw", image, form.format(fd), pass_fds=[fd])
            _check_raw(f"/proc/self/fd/{fd}", f"{what} as {form}")
    harness.check_equal(os.stat("kept").st_ino, inode, "the open file keeps its place")
    harness.check_equal(sorted(os.listdir(directory)), ["image.qcow2", "kept"], "files left")


def _standard_output(_):
    """An image on standard output is the image and nothing else, whatever there is to say."""
    image = _image()
    link = os.path.abspath("qemu-img")
    os.symlink(programs.HOTCELL, link)
    convert = ["convert", "-O", "raw", image, "/dev/stdout"]
    cases = (([], ["-p"], b"/100%)"), ([], ["--stats"], b"written:"),
             ([], ["--output=json"], b'"virtual-size"'),
             ([], ["-p", "--stats", "--output=json"], b'"virtual-size"'), ([link], ["-p"], b""))
    for program, options, said in cases:
        for to_pipe in (False, True):
            command = [*(program or [programs.HOTCELL]), convert[0], *options, *convert[1:]]
            with open("out.raw", "wb+") as out:
                result = programs.run(command, stdout=subprocess.PIPE if to_pipe else out)
                if to_pipe:
                    out.write(result.stdout)
            harness.check_equal(result.returncode, 0, f"{command}: {result.stderr}")
            _check_raw("out.raw", f"{command}, pipe: {to_pipe}")
            harness.check(said in result.stderr, f"{command}: {result.stderr}")
            harness.check(not program or to_pipe or not result.stderr, "the link's standard error")
    for image_format, size in (("raw", 1 << 20), ("qcow2", None)):
        command = ["create", "-f", image_format, "/dev/stdout", "1M"]
        with open("made", "wb+") as out:
            result = programs.run([programs.HOTCELL, *command], stdout=out)
        harness.check_equal(result.returncode, 0, f"{command}: {result.stderr}")
        harness.check(b"Formatting '/dev/stdout'" in result.stderr, result.stderr)
        info = json.loads(programs.must_hotcell("info", "--output=json", "made"))
        harness.check_equal((info["format"], info["virtual-size"]), (image_format, 1 << 20), "made")
        harness.check(size is None or os.stat("made").st_size == size, "size")


def _mounted_over(_):
    """A file that is mounted over its name, as containers are given files, is written."""
    programs.require_root()
    image = _image()
    for name in ("outside", "inside"):
        with open(name, "wb"):
            pass
    script = f"mount --bind outside inside && exec {programs.HOTCELL} convert -O raw {image} inside"
    programs.must(["unshare", "--mount", "sh", "-c", script])
    _check_raw("outside", "the mounted file")
    harness.check_equal(os.stat("inside").st_size, 0, "the file below the mount")


def _directories(_):
    """A directory that one may not write to, and one that one may not list."""
    programs.require_root()
    programs.require_others_may_run()
    image = _image()
    # The device, for everybody: whoever else the machine lets use it.
    os.mknod("kvm", stat.S_IFCHR | 0o666, os.stat("/dev/kvm").st_rdev)
    os.chmod("kvm", 0o666)
    os.mkdir("locked", 0o755)
    with open("locked/out.raw", "wb"):
        pass
    os.chown("locked/out.raw", _STRANGER, _STRANGER)
    os.mkdir("drop", 0o733)
    os.chmod("drop", 0o733)
    for target in ("locked/out.raw", "drop/out.raw"):
        programs.must_hotcell("convert", "--kvm=./kvm", "-O", "raw", image, target,
                              user=_STRANGER, group=_STRANGER, extra_groups=[])
        _check_raw(target, target)


def _others_files(_):
    """What another user put into a directory for all is neither followed nor written."""
    programs.require_root()
    image = _image()
    os.mkdir("public")
    os.chmod("public", 0o1777)
    with open("precious", "wb") as file:
        file.write(b"precious")
    for to in ("../precious", "../new"):
        os.symlink(to, "public/link")
        os.lchown("public/link", _STRANGER, _STRANGER)
        _check_refused("another user's symbolic link", "convert", "-O", "raw", image, "public/link")
        os.unlink("public/link")
    with open("precious", "rb") as file:
        harness.check_equal(file.read(), b"precious", "the file behind the link")
    harness.check(not os.path.exists("new"), "a file was made behind a dangling link")
    with open("public/file", "wb"):
        pass
    os.chmod("public/file", 0o666)
    os.chown("public/file", _STRANGER, _STRANGER)
    _check_refused("another user's file", "convert", "-O", "raw", image, "public/file")
    harness.check_equal(os.stat("public/file").st_size, 0, "the other user's file")


def _extents_that_are_links(_):
    """Nobody typed the names of a VMDK's other files."""
    image = _image()
    with open("precious", "wb") as file:
        file.write(b"precious")
    os.symlink("precious", "disk-flat.vmdk")
    _check_refused("symbolic link", "convert", "-O", "vmdk", "-o", "subformat=monolithicFlat", image,
                   "disk.vmdk")
    with open("precious", "rb") as file:
        harness.check_equal(file.read(), b"precious", "the file behind the link")


def _attributes(_):
    """A file that is replaced hands on its ACL and attributes; a mask becomes nobody's rights."""
    image = _image()
    programs.require_program("setfacl")
    with open("old.raw", "wb"):
        pass
    os.chmod("old.raw", 0o600)
    os.setxattr("old.raw", "user.origin", b"upload 7")
    programs.must(["setfacl", "-m", f"u:{_STRANGER}:rw", "old.raw"])
    before = programs.must(["getfacl", "-n", "-p", "old.raw"])
    programs.must_hotcell("convert", "-O", "raw", image, "old.raw")
    _check_raw("old.raw", "the replaced file")
    harness.check_equal(programs.must(["getfacl", "-n", "-p", "old.raw"]), before, "ACL")
    harness.check_equal(os.getxattr("old.raw", "user.origin"), b"upload 7", "user.origin")


def _umasks(_):
    """A new file has 0644 less the umask, as qemu-img's."""
    image = _image()
    for mask in (0, 0o002, 0o027, 0o077):
        name = f"new-{mask:o}.raw"
        programs.must_hotcell("convert", "-O", "raw", image, name,
                              preexec_fn=lambda mask=mask: os.umask(mask) and None)
        harness.check_equal(stat.S_IMODE(os.stat(name).st_mode), 0o644 & ~mask, f"umask {mask:o}")


def _bases(_):
    """The target takes the place of no file that the image stands on."""
    image = _image()
    programs.require_program("qemu-img")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", image, "-F", "qcow2", "overlay.qcow2")
    os.link(image, "hard-link.qcow2")
    with open(image, "rb") as file:
        before = file.read()
    for target in (image, "hard-link.qcow2"):
        _check_refused("target is to take the file's place", "convert", "-O", "qcow2",
                       "--follow-references=.", "overlay.qcow2", target)
    with open(image, "rb") as file:
        harness.check(file.read() == before, "the base was changed")


def _names_of_files(_):
    """The name of a file is neither a description of another image nor an option."""
    image = _image()
    with open("secret", "wb") as file:
        file.write(b"secret")
    name = 'json:{"file.filename":"secret","driver":"raw"}'
    os.rename(image, name)
    for command in (["info"], ["inspect"], ["check"], ["map", "--output=json"], ["measure"],
                    ["digest"]):
        output = programs.must_hotcell(*command, name).decode()
        if command[0] in ("info", "inspect"):
            harness.check("file format: qcow2" in output, f"{command}: {output!r}")
    programs.must_hotcell("convert", "-O", "raw", name, "out.raw")
    _check_raw("out.raw", "the file of that name")
    os.symlink(programs.HOTCELL, "qemu-img")
    result = programs.run(["./qemu-img", "info", name])
    harness.check_equal(result.returncode, 1, "both a file and a description: exit status")
    harness.check(b"is the name of a file as well" in result.stderr, result.stderr)
    for option in ("--worker", "--kvm"):
        _check_refused("has no '/' in it", "info", f"{option}=.program", name)


def _room_for_pipes(_):
    """What goes into a pipe is complete before, or nothing; where it is until then is told."""
    image = _image()
    os.symlink(programs.HOTCELL, "qemu-img")
    namespaces.enter()
    os.mkdir("small")
    namespaces.mount_tmpfs("small", 64)
    elsewhere = b"TMPDIR can name another directory\n"
    for directory, said in (("small", b"No space left on device"), ("missing", b"No such file"),
                            ("/proc", b"cannot make a temporary file in '/proc'")):
        environment = {**os.environ, "TMPDIR": directory}
        for command in (["convert", "-O", "raw", image, "/dev/stdout"],
                        ["dd", f"if={image}", "of=/dev/stdout"]):
            result = programs.hotcell(*command, env=environment)
            harness.check_equal((result.returncode, result.stdout), (1, b""), f"{directory}")
            harness.check(said in result.stderr and directory.encode() in result.stderr and
                          result.stderr.endswith(elsewhere), f"{directory}: {result.stderr!r}")
    for program in (programs.HOTCELL, "./qemu-img"):
        programs.must(["bash", "-c", f"set -o pipefail; {program} convert -O raw {image} "
                       "/dev/stdout | cat > piped"], env={**os.environ, "TMPDIR": "."})
        _check_raw("piped", program)
        programs.must(["bash", "-c", f"{program} convert -O raw {image} >(cat > written) && "
                       "wait $!"])
        _check_raw("written", program)
    harness.check_equal(os.listdir("small"), [], "what is left")
    namespaces.unmount("small")


harness.main({
    "attributes": _attributes,
    "bases": _bases,
    "descriptors": _descriptors,
    "directories": _directories,
    "extents_that_are_links": _extents_that_are_links,
    "mounted_over": _mounted_over,
    "names_of_files": _names_of_files,
    "others_files": _others_files,
    "room_for_pipes": _room_for_pipes,
    "standard_output": _standard_output,
    "umasks": _umasks,
})
