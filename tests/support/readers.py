"""Programs that read disk images, each as a function of a path: what the disk is to it.

    for reader in readers.installed(): reading = reader.read("/dir/image.vhd", "/scratch")

Those of Debian 12's packages are on any machine that tools/setup made ready; tools/setup --readers
unpacks more below build/readers (or $HOTCELL_READERS).
"""

import dataclasses
import functools
import json
import os
import re
import shutil
import subprocess

from support import confined, programs

MIB = 1 << 20
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNPACKED = os.path.abspath(os.environ.get("HOTCELL_READERS", os.path.join(_ROOT, "build/readers")))

# Bigger disks are compared in size, and in what they begin with where a reader can be told to stop.
WHOLE_DISK = 64 * MIB
HEAD = 16 * MIB


@dataclasses.dataclass
class Reading:
    reader: str
    end: str = confined.REFUSED  # of the worst of its runs that opened the image
    format: str | None = None
    size: int | None = None  # of the disk, in bytes
    names: list = dataclasses.field(default_factory=list)  # other files that it says belong to it
    foreign: list = dataclasses.field(default_factory=list)  # what it asked for besides the image
    peak_kib: int = 0
    disk: str | None = None  # file with the disk's bytes, or the first HEAD of them
    text: str = ""  # its complaint

    def add(self, run):
        """Takes into account how a run went; returns whether it went well."""
        self.foreign += run.foreign
        self.peak_kib = max(self.peak_kib, run.peak_kib)
        self.end = run.end
        if run.end != confined.OK:
            self.text = (run.errors or run.output).decode(errors="replace").strip()[-300:]
        return run.end == confined.OK


@dataclasses.dataclass
class Reader:
    name: str
    read: object  # (path, scratch directory) -> Reading
    problem: str | None = None  # why it is not there


def _run(reading, command, path, disk, folders=(), own=(), **options):
    """Runs a program on the image `path`, from which it makes at most the file `disk`, in an empty
    directory."""
    work = disk + ".empty"
    os.makedirs(work, exist_ok=True)
    run = confined.run(command, work, own=[path, os.path.dirname(path), disk, os.path.dirname(disk),
                                           *own], folders=folders, **options)
    reading.add(run)
    return run


# ---- qemu-img -----------------------------------------------------------------------------------

def _other_names(info):
    """Files that `qemu-img info` says an image needs."""
    names = [info[key] for key in ("backing-filename", "full-backing-filename") if key in info]
    data = info.get("format-specific", {}).get("data", {})
    names += [data["data-file"]] if "data-file" in data else []
    names += [extent["filename"] for extent in data.get("extents", [])
              if os.path.basename(extent["filename"]) != os.path.basename(info["filename"])]
    return sorted(set(names))


def _read_by_qemu(name, command, folders, path, scratch, image_format=None):
    """`image_format`: what qemu-img is told, so that it does not look for itself."""
    reading = Reading(name)
    told = ["-f", image_format] if image_format else []
    environment = {"QEMU_MODULE_DIR": "/nonexistent"} if folders else None
    disk = os.path.join(scratch, name)
    run = _run(reading, [*command, "info", *told, "--output=json", path], path, disk, folders,
               environment=environment)
    if run.end != confined.OK:
        return reading
    info = json.loads(run.output.decode(errors="replace"))
    reading.format = info["format"]
    reading.size = info["virtual-size"]
    reading.names = _other_names(info)
    if reading.size <= WHOLE_DISK:
        convert = ["convert", *told, "-O", "raw", path, disk]
    else:
        convert = ["dd", *told, "-O", "raw", "bs=1M", f"count={HEAD // MIB}", f"if={path}",
                   f"of={disk}"]
    if _run(reading, [*command, *convert], path, disk, folders,
            environment=environment).end == confined.OK:
        reading.disk = disk
    return reading


# ---- 7-Zip --------------------------------------------------------------------------------------

_SEVEN_ZIP_TYPES = {"QCOW": "qcow2", "VHD": "vpc", "VHDX": "vhdx", "VMDK": "vmdk", "VDI": "vdi",
                    "Dmg": "dmg"}
_FIELD = re.compile(rb"^(Type|Size|Version|Offset) = (.*?)\r?$", re.MULTILINE)
# It finds these in the middle of a file as well, as it would a file on a disk of any kind.
_AT_START = ("QCOW", "VHDX", "VMDK", "VDI")


def _read_by_seven_zip(path, scratch):
    reading = Reading("7zz")
    # An answer to the question for a password keeps it from asking.
    disk = os.path.join(scratch, "7zz")
    run = _run(reading, [programs.SEVEN_ZIP, "l", "-slt", "-p-", path], path, disk)
    fields = {}
    for key, value in _FIELD.findall(run.output):
        fields.setdefault(key.decode(), value.decode(errors="replace").strip())
    if fields.get("Type") not in _SEVEN_ZIP_TYPES or (
            fields["Type"] in _AT_START and fields.get("Offset", "0") != "0"):
        # Contents of a disk, or an archive: it does not take it for an image.
        reading.end = confined.REFUSED if run.end == confined.OK else run.end
        return reading
    kind = fields["Type"]
    reading.format = _SEVEN_ZIP_TYPES[kind]
    if kind == "QCOW" and fields.get("Version") == "1":
        reading.format = "qcow"
    # A DMG is an archive of partitions.
    if run.end != confined.OK or kind == "Dmg" or not fields.get("Size", "").isdigit():
        return reading
    reading.size = int(fields["Size"])
    if reading.size <= WHOLE_DISK:
        with open(disk, "wb") as out:
            run = _run(reading, [programs.SEVEN_ZIP, "x", f"-t{kind}", "-so", "-p-", path], path,
                       disk, output=out)
        if run.end == confined.OK:
            reading.disk = disk
    return reading


# ---- libyal -------------------------------------------------------------------------------------

_LIBYAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "libyal_reader.py")


def _read_by_libyal(path, scratch):
    reading = Reading("libyal")
    disk = os.path.join(scratch, "libyal")
    run = _run(reading, ["/usr/bin/python3", "-I", "-S", "-B", _LIBYAL, path, disk,
                         str(WHOLE_DISK), str(HEAD)], path, disk,
               folders=[os.path.dirname(_LIBYAL)],
               # libvmdk looks for an image of one file under the name that its text has, which is
               # that of an honest one before it was renamed.
               own=[os.path.join(os.path.dirname(path), "image.vmdk"),
                    # Where Python 3.13 looks for the lines of a library's error.
                    os.path.join(disk + ".empty", "<unknown>")])
    if run.output:
        answer = json.loads(run.output)
        reading.format = answer["format"]
        reading.size = answer["size"]
        reading.names = answer["names"]
        if run.end == confined.OK:
            reading.disk = disk
    return reading


# ---- VirtualBox ---------------------------------------------------------------------------------

_VBOX_BACKENDS = {"VDI": "vdi", "VMDK": "vmdk", "VHD": "vpc", "VHDX": "vhdx", "QED": "qed",
                  "Parallels": "parallels", "DMG": "dmg"}
_BACKEND = re.compile(rb"Backend=(\w+)")
_PARENT = re.compile(rb"uuidParent=\{([-0-9a-f]+)\}")
_CONVERTING = re.compile(rb"Converting image .* with size (\d+) bytes")


def _vbox_format(backend, path):
    """None where it goes by the name of the file."""
    with open(path, "rb") as image:
        start = image.read(16)
    if backend == "QCOW":
        return "qcow" if start[4:8] == b"\0\0\0\1" else "qcow2"
    if backend == "Parallels" and start != b"WithoutFreeSpace":
        return None
    return _VBOX_BACKENDS.get(backend)


def _read_by_vbox(command, folders, path, scratch):
    reading = Reading("vbox-img")
    disk = os.path.join(scratch, "vbox")
    run = _run(reading, [*command, "info", "--filename", path], path, disk, folders)
    backend = _BACKEND.search(run.output)
    if run.end == confined.OK and backend:
        reading.format = _vbox_format(backend[1].decode(), path)
    if reading.format is None:
        reading.end = confined.REFUSED if run.end == confined.OK else run.end
        return reading
    parent = _PARENT.search(run.output)
    if parent and parent[1].strip(b"-0"):
        reading.names = [f"parent {parent[1].decode()}"]
    run = _run(reading, [*command, "convert", "--srcfilename", path, "--dstfilename", disk,
                         "--dstformat", "RAW"], path, disk, folders)
    if reading.format == "parallels":
        return reading  # whose disk is to it as long as the file, whatever the header says
    size = _CONVERTING.search(run.output + run.errors)
    if size:
        reading.size = int(size[1])
    if run.end == confined.OK:
        reading.disk = disk
    return reading


# ---- All of them --------------------------------------------------------------------------------

def _unpacked(release, program):
    """(command, folders) of a program that tools/setup --readers unpacked, or None."""
    root = os.path.join(UNPACKED, release)
    path = os.path.join(root, program)
    if not os.path.exists(path):
        return None
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/usr/lib/virtualbox"
    return [f"{root}/usr/lib64/ld-linux-x86-64.so.2", "--library-path", libraries, path], [UNPACKED]


def _version(command):
    text = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True,
                          env={**os.environ, "QEMU_MODULE_DIR": "/nonexistent"}).stdout
    return re.search(r"\d+(\.\d+)?", text)[0]


def _qemu_readers():
    if shutil.which("qemu-img"):
        command = [shutil.which("qemu-img")]
        name = f"qemu-img-{_version(command)}"
        yield Reader(name, functools.partial(_read_by_qemu, name, command, []))
    else:
        yield Reader("qemu-img", None, "qemu-utils is not installed")
    for release in ("trixie", "sid"):
        found = _unpacked(release, "usr/bin/qemu-img")
        if found is None:
            yield Reader(f"qemu-img of {release}", None, "tools/setup --readers was not run")
            continue
        name = f"qemu-img-{_version(found[0])}"
        yield Reader(name, functools.partial(_read_by_qemu, name, *found))


def _libyal_problem():
    result = subprocess.run(["/usr/bin/python3", "-c", "import pyqcow, pyvhdi, pyvmdk"],
                            capture_output=True, check=False)
    return "python3-libqcow, -libvhdi or -libvmdk is not installed" if result.returncode else None


def probed_format(path):
    """What qemu-img takes a file of ours for, which needs no guard; None where it cannot tell."""
    result = subprocess.run(["qemu-img", "info", "--output=json", path], capture_output=True,
                            check=False)
    return json.loads(result.stdout)["format"] if result.returncode == 0 else None


@functools.lru_cache
def every():
    """All readers that there are, installed or not."""
    found = list(_qemu_readers())
    found.append(Reader("7zz", _read_by_seven_zip,
                        None if shutil.which(programs.SEVEN_ZIP) else "7zip is not installed"))
    found.append(Reader("libyal", _read_by_libyal, _libyal_problem()))
    vbox = _unpacked("sid", "usr/lib/virtualbox/vbox-img")
    found.append(Reader("vbox-img", functools.partial(_read_by_vbox, *vbox)) if vbox else
                 Reader("vbox-img", None, "tools/setup --readers was not run"))
    return found


def installed(default_only=False):
    """`default_only`: without those of tools/setup --readers."""
    return [reader for reader in every()
            if reader.problem is None and not (default_only and is_extra(reader))]


def is_extra(reader):
    """Whether tools/setup --readers unpacked it."""
    command = reader.read.args if isinstance(reader.read, functools.partial) else ()
    return any(UNPACKED in part for part in command if isinstance(part, list))
