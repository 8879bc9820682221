"""snapshot beside qemu-img, called by its name: the same text."""

import os

from support import harness, programs, reference


def _as_qemu_img():
    os.symlink(programs.HOTCELL, "qemu-img")
    return os.path.join(os.getcwd(), "qemu-img")


def _images():
    for name in ("none", "some", "backed"):
        programs.qemu_img("create", "-q", "-f", "qcow2", name, "1M")
    for snapshot in ("one", "with spaces", "n" * 40, "tab\there"):
        programs.qemu_img("snapshot", "-c", snapshot, "some")
    programs.qemu_img("snapshot", "-d", "with spaces", "some")
    programs.qemu_img("snapshot", "-c", "old", "backed")
    programs.qemu_img("rebase", "-u", "-b", "some", "-F", "qcow2", "backed")
    programs.qemu_img("create", "-q", "-f", "vdi", "vdi", "1M")
    with open("raw", "wb") as file:
        file.truncate(1 << 20)


def _list(_):
    programs.require_kvm()
    programs.require_program("qemu-img")
    _images()
    link = _as_qemu_img()
    for arguments in (["-l", "none"], ["-l", "some"], ["-l", "backed"], ["-q", "-U", "-l", "some"],
                      ["some", "-l"], ["some"], ["-l", "raw"], ["-l", "vdi"], [], ["-l"],
                      ["-l", "some", "none"], ["-l", "nosuch"],
                      ["-l", "--image-opts", "driver=qcow2,file.filename=some"]):
        if arguments == ["some"] and not reference.is_here():
            continue  # later releases list then as well
        wanted = programs.run(["qemu-img", "snapshot", *arguments])
        found = programs.run([link, "snapshot", *arguments])
        harness.check_equal(found.returncode, wanted.returncode, f"{arguments}: exit status")
        # Names are escaped before they are shown.
        stdout = wanted.stdout.replace(b"tab\there      ", b"tab\\there     ")
        reference.check_words(found.stdout, stdout, f"{arguments}")
        if wanted.stderr and arguments and arguments != ["-l"] and len(arguments) < 3:
            reference.check_words(found.stderr, wanted.stderr, f"{arguments}: stderr")
        elif not wanted.stderr:
            harness.check_equal(found.stderr, b"", f"{arguments}: stderr")


def _list_by_default(_):
    """Under its own name there is nothing else that it could do."""
    programs.require_kvm()
    _images()
    harness.check_equal(programs.must_hotcell("snapshot", "some"),
                        programs.must_hotcell("snapshot", "-l", "some"), "without -l")


def _refused(_):
    programs.require_kvm()
    _images()
    with open("some", "rb") as file:
        before = file.read()
    for arguments, said in ((["-c", "new", "some"], b"not made"),
                            (["-a", "one", "some"], b"convert -l"),
                            (["-d", "one", "some"], b"not deleted")):
        result = programs.hotcell("snapshot", *arguments)
        harness.check_equal(result.returncode, 1, f"{arguments}: exit status")
        harness.check(said in result.stderr, f"{arguments}: {result.stderr!r}")
    with open("some", "rb") as file:
        harness.check(file.read() == before, "the image was changed")


harness.main({
    "list": _list,
    "list-by-default": _list_by_default,
    "refused": _refused,
})
