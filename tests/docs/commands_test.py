"""The commands that README and compatibility.md show do what these say, run one after the other in a
directory that has the files they name."""

import os
import re
import shlex
import subprocess

from support import harness, programs

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_BUILD = os.path.dirname(os.path.dirname(programs.HOTCELL))
_MIB = 1 << 20
# Commands that are not run: they build, or run everything.
_LEFT_OUT = ("tools/demo", "tools/test", "cmake")


def _text(name):
    with open(os.path.join(_ROOT, name), encoding="utf-8") as file:
        return file.read()


def _blocks(text):
    """Runs of lines that are indented as code."""
    return [re.sub(r"(?m)^    ", "", block) for block in
            re.findall(r"(?m)^\n((?:    .*\n)+)", text)]


def _commands(text):
    """Lines of code blocks that are commands of ours; where there is a prompt, what follows it."""
    for block in _blocks(text):
        lines = block.splitlines()
        if lines[0].startswith("$ "):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        for line in lines:
            line = line.split("  #")[0].rstrip()
            if re.match(r"(hotcell|tools/|cmake|ln) ?", line):
                yield line


def _make_files(directory):
    """What the examples name: uploads, a disk, an overlay on its base, an image with a foreign base."""
    programs.require_program("qemu-img")
    images = os.path.join(directory, "images")
    os.mkdir(images)
    with open("disk.raw", "wb") as disk:
        disk.write(os.urandom(_MIB))
        disk.truncate(8 * _MIB)
    programs.qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", "disk.raw", "upload.qcow2")
    for name in ("upload", "disk.qcow2"):
        programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", "disk.raw", name)
    base = os.path.join(images, "debian-12.qcow2")
    programs.qemu_img("convert", "-f", "raw", "-O", "qcow2", "disk.raw", base)
    os.link(base, os.path.join(images, "base.qcow2"))
    # Named `base.qcow2` as the example says, and found as that below /images.
    programs.qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2",
                      os.path.join(images, "overlay.qcow2"), str(8 * _MIB))
    os.symlink(os.path.join(images, "overlay.qcow2"), "overlay.qcow2")
    programs.qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw",
                      "evil.qcow2", "4096")


def _run(command, directory):
    """Runs a command of a document here."""
    command = command.replace("/images", f"{directory}/images")
    command = command.replace("build/release/", f"{_BUILD}/")
    command = command.replace("/usr/bin/hotcell", programs.HOTCELL)
    command = command.replace("/usr/local/bin/", f"{directory}/bin/")
    environment = {**os.environ, "PATH": f"{directory}/bin:{os.environ['PATH']}"}
    return subprocess.run(["bash", "-c", command], env=environment, cwd=directory, check=False,
                          timeout=programs.TIMEOUT_SECONDS, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _prepare(directory):
    os.mkdir(f"{directory}/bin")
    os.symlink(programs.HOTCELL, f"{directory}/bin/hotcell")
    os.symlink(f"{programs.HOTCELL}-worker", f"{directory}/bin/hotcell-worker")
    _make_files(directory)


def _readme(directory):
    programs.require_kvm()
    _prepare(directory)
    commands = [command for command in _commands(_text("README.md"))
                if not command.startswith(_LEFT_OUT)]
    harness.check(len(commands) > 15, f"README has only {len(commands)} commands")
    for command in commands:
        result = _run(command, directory)
        # What this host cannot do is told as such, whatever the layer.
        may_lack = "--require" in command and b"confinement" in result.stderr
        want = 1 if "evil.qcow2" in command else 0
        harness.check(result.returncode == want or may_lack,
                      f"{command}: exit {result.returncode}\n{result.stderr.decode()}")


def _readme_refusal(directory):
    """The refusal is told in the words that README has."""
    programs.require_kvm()
    _prepare(directory)
    block = next(block for block in _blocks(_text("README.md")) if "evil.qcow2" in block)
    command, *words = block.removeprefix("$ ").splitlines()
    result = _run(command, directory)
    harness.check_equal(" ".join(result.stderr.decode().split()), " ".join(words), command)


def _compatibility(directory):
    """Its link is made, its configuration is one, and holds."""
    programs.require_kvm()
    _prepare(directory)
    text = _text("docs/compatibility.md")
    for command in _commands(text):
        result = _run(command, directory)
        harness.check_equal(result.returncode, 0, command)
    settings = next(block for block in _blocks(text) if "follow-references=" in block)
    os.makedirs("instances")
    with open("hotcell.conf", "w", encoding="utf-8") as file:
        file.write(settings.replace("/var/lib/nova/instances", f"{directory}/images"))
    os.environ["HOTCELL_CONFIG"] = f"{directory}/hotcell.conf"
    for command in ("qemu-img convert -O raw images/overlay.qcow2 out.raw",
                    "qemu-img compare out.raw disk.raw"):
        result = _run(command, directory)
        harness.check_equal((result.returncode, result.stderr), (0, b""), command)


def _refused(directory):
    """Commands and options of the table of what is not done are refused, and named."""
    _prepare(directory)
    table = re.search(r"(?s)## Not done, and refused by name\n(.*?)\n## ",
                      _text("docs/compatibility.md")).group(1)
    tried = 0
    for row in re.findall(r"(?m)^\| ([^|]+) \|", table):
        if " of " in row:  # done, but for some images
            continue
        for name in re.findall(r"`([^`]+)`", row):
            words = shlex.split(name)
            if re.fullmatch(r"[a-z]+", words[0]):
                command = f"hotcell {name} upload.qcow2"
            elif re.fullmatch(r"--[a-z-]+", name) and name not in ("--image-opts",):
                command = f"hotcell convert {name}=x upload.qcow2 out.raw"
            else:
                continue
            result = _run(command, directory)
            harness.check(result.returncode == 1 and words[0].encode() in result.stderr,
                          f"{command}: exit {result.returncode}\n{result.stderr.decode()}")
            tried += 1
    harness.check(tried > 2, f"the table has only {tried} commands and options")


harness.main({
    "readme": _readme,
    "readme-refusal": _readme_refusal,
    "compatibility": _compatibility,
    "refused": _refused,
})
