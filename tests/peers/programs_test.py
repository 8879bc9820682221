"""Runs programs that call qemu-img: once the real one, once hotcell.

Their exit status, what they print on standard output and error, the files they leave and the images
among them are the same. None of them starts a virtual machine here.
"""

import dataclasses
import os
import re

from peers import twice, unpacked
from support import harness, likeness, programs


@dataclasses.dataclass
class Program:
    # The command line. Called with the directory of the case, where it may put files of its own.
    command: object
    outputs: tuple = ()
    # The commands of qemu-img that the program runs.
    runs: tuple = ("info",)


# ---- libguestfs: descriptions and new disks need no appliance ------------------------------------

_DESCRIBE = """
disk-format src.qcow2
disk-format src.raw
disk-format stream.vmdk
disk-format dirty.qcow2
disk-virtual-size stream.vmdk
disk-virtual-size overlay.qcow2
disk-has-backing-file overlay.qcow2
disk-has-backing-file src.qcow2
"""

_CREATE = """
disk-create plain.qcow2 qcow2 64M
disk-create dst.raw raw 64M
disk-create dst.qcow2 qcow2 64M preallocation:metadata compat:1.1 clustersize:131072
disk-create above.qcow2 qcow2 -1 backingfile:base.qcow2 backingformat:qcow2
disk-has-backing-file above.qcow2
"""


def _guestfish(script):
    def command(directory):
        path = os.path.join(directory, "script")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        return [unpacked.program("usr/bin/guestfish"), "-f", path]

    return command


# ---- virt-v2v: what the source is, before anything is converted ----------------------------------

_OVF = """<?xml version="1.0"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
    xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References><File ovf:href="disk1.vmdk" ovf:id="file1"/></References>
  <DiskSection><Info/>
    <Disk ovf:capacity="64" ovf:capacityAllocationUnits="byte * 2^20" ovf:diskId="vmdisk1"
      ovf:fileRef="file1"
      ovf:format="http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"/>
  </DiskSection>
  <VirtualSystem ovf:id="machine"><Info/><Name>machine</Name>
    <VirtualHardwareSection><Info/>
      <Item><rasd:InstanceID>1</rasd:InstanceID><rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>1</rasd:VirtualQuantity></Item>
      <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:InstanceID>2</rasd:InstanceID><rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>1024</rasd:VirtualQuantity></Item>
      <Item><rasd:InstanceID>3</rasd:InstanceID><rasd:ResourceType>6</rasd:ResourceType></Item>
      <Item><rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID><rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType></Item>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"""


def _ova_source(directory):
    """An appliance in one file, as it is exported. virt-v2v asks first whether qemu-img reads a disk
    within that file, and unpacks it where the answer is no."""
    with open(os.path.join(directory, "machine.ovf"), "w", encoding="utf-8") as file:
        file.write(_OVF)
    os.link(os.path.join(directory, "inputs", "stream.vmdk"),
            os.path.join(directory, "disk1.vmdk"))
    programs.must(["tar", "cf", "machine.ova", "machine.ovf", "disk1.vmdk"], cwd=directory)
    os.unlink(os.path.join(directory, "disk1.vmdk"))
    return [unpacked.program("usr/bin/virt-v2v"), "-q", "-i", "ova",
            os.path.join(directory, "machine.ova"), "--print-source"]


# ---- diskimage-builder: the last step, in which the disk becomes an image ------------------------

def _save_image(image_type, options, target):
    def command(_directory):
        library = unpacked.file_in_module("diskimage_builder/lib")
        return ["bash", "-ec",
                'source "$_LIB/common-functions"; source "$_LIB/img-functions"; '
                'compress_and_save_image "$1"', "bash", target], {
                    "_LIB": library, "TMP_IMAGE_PATH": "src.raw", "IMAGE_TYPE": image_type,
                    "COMPRESS_IMAGE": "true", "QEMU_IMG_OPTIONS": options, "DIB_CHECKSUM": "0"}

    return command


_PROGRAMS = {
    "guestfish.describe": Program(_guestfish(_DESCRIBE)),
    "guestfish.create": Program(_guestfish(_CREATE), ("dst.raw", "dst.qcow2", "plain.qcow2",
                                                      "above.qcow2"), runs=("create", "info")),
    "virt_v2v.ova_source": Program(_ova_source),
    "diskimage_builder.qcow2": Program(_save_image("qcow2", "", "dst.qcow2"), ("dst.qcow2",),
                                       runs=("convert",)),
    "diskimage_builder.qcow2_compat": Program(
        _save_image("qcow2", "compat=0.10", "dst.qcow2"), ("dst.qcow2",), runs=("convert",)),
    "diskimage_builder.vmdk": Program(
        _save_image("vmdk", "subformat=streamOptimized", "dst.vmdk"), ("dst.vmdk",),
        runs=("convert",)),
}
_CALL = "run"  # the name of the one directory below Twice.work


def _run(command, files, environment):
    arguments, variables = command if isinstance(command, tuple) else (command, {})
    environment = {
        **environment, **variables, "LD_LIBRARY_PATH": unpacked.library_path(),
        "PATH": os.pathsep.join([environment["PATH"], os.path.join(unpacked.ROOT, "usr/bin"),
                                 os.path.join(unpacked.ROOT, "usr/sbin")])}
    trace = os.path.join(files.directory, "trace")
    result = programs.run(
        ["strace", "-f", "-qq", "-s", "200", "-e", "trace=execve", "-o", trace, *arguments],
        cwd=os.path.join(files.work, _CALL), env=environment)
    with open(trace, encoding="utf-8", errors="replace") as file:
        return result, set(re.findall(r'execve\("[^"]*/qemu-img", \["qemu-img", "(\w+)"', file.read()))


def _files(directory):
    return sorted(os.listdir(directory))


def _check(program, directory):
    programs.require_kvm()
    programs.require_program("qemu-img")
    programs.require_program("strace")
    files = twice.Twice(directory, [_CALL])
    command = program.command(directory)
    (theirs, commands), (ours, our_commands) = files.run(
        lambda environment: _run(command, files, environment))
    harness.check_equal(commands, set(program.runs), "commands of qemu-img that are run")
    harness.check_equal(our_commands, commands, "commands that hotcell is called for")
    harness.check_equal(theirs.returncode, 0, f"with qemu-img: {theirs.stderr!r}")
    harness.check_equal(ours.returncode, 0, f"with hotcell: {ours.stderr!r}")
    harness.check_equal(ours.stderr, theirs.stderr, "standard error")
    harness.check_equal(ours.stdout, theirs.stdout, "standard output")
    their_files, our_files = (os.path.join(kept, _CALL) for kept in (files.theirs, files.ours))
    harness.check_equal(_files(our_files), _files(their_files), "files that are left")
    for name in program.outputs:
        likeness.check_same_image(name, their_files, our_files, name)


if __name__ == "__main__":
    harness.main({name: (lambda directory, program=program: _check(program, directory))
                  for name, program in _PROGRAMS.items()})
