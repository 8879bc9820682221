"""The qemu-img command lines of programs that move images around, as their sources build them.

Each stands for the code in `source` (repository, then file), with the names of its files replaced by
those that make_inputs() makes. The programs of one entry run in order in one directory. `within` is what
the service puts before the command line: the program that limits the time and the memory of qemu-img, or
that makes it give way to others.
"""

import dataclasses
import os
import shutil

from support import content, programs


@dataclasses.dataclass
class CommandLine:
    name: str
    source: str
    commands: tuple  # each a tuple of arguments
    outputs: tuple = ()  # images that come out, compared with qemu-img and its info
    # What qemu-img has and hotcell refuses: a pattern of the error.
    refused: str | None = None
    needs_direct_io: bool = False
    within: tuple = ()


OSLO_LIMITER = "oslo_concurrency.prlimit"


# The start of a command line as processutils.execute(prlimit=...) of oslo.concurrency makes it.
def _oslo_limits(*limits):
    return ("/usr/bin/python3", "-m", OSLO_LIMITER, *limits, "--", "env", "LC_ALL=C", "LANG=C")


_NOVA_INFO = _oslo_limits("--as=1073741824", "--cpu=30")
_CINDER_INFO = _oslo_limits("--as=1073741824", "--cpu=60")
_GLANCE_INFO = _oslo_limits("--as=1073741824", "--cpu=2")
_IRONIC = _oslo_limits("--as=2147483648")
_CDI = ("prlimit", "--cpu=30", "--as=1073741824")
_VDSM_UNTRUSTED = ("prlimit", "--cpu=30", "--as=1073741824")
_VDSM_OPERATION = ("nice", "-n", "19", "ionice", "-c", "3")
_LXD_INFO = ("prlimit", "--cpu=2", "--as=1073741824")
_LIBGUESTFS_INFO = ("prlimit", "--as=1000000000", "--cpu=10")
_CDI_SOURCE = "kubevirt/containerized-data-importer pkg/image/qemu.go"


def _one(name, source, *arguments, **fields):
    return CommandLine(name, source, (arguments,), **fields)


COMMAND_LINES = (
    # Nova, and Ironic, which took the code over.
    _one("nova-info", "openstack/nova nova/privsep/qemu.py",
         "info", "src.qcow2", "--force-share", "--output=json", "-f", "qcow2", within=_NOVA_INFO),
    _one("nova-info-probed", "openstack/nova nova/virt/images.py",
         "info", "src.qcow2", "--force-share", "--output=json", within=_NOVA_INFO),
    _one("nova-fetch-to-raw", "openstack/nova nova/privsep/qemu.py unprivileged_convert_image",
         "convert", "-t", "none", "-O", "raw", "-f", "qcow2", "src.qcow2", "dst.raw",
         outputs=("dst.raw",), needs_direct_io=True),
    _one("nova-fetch-to-raw-tmpfs", "openstack/nova nova/privsep/qemu.py",
         "convert", "-t", "writeback", "-O", "raw", "-f", "qcow2", "src.qcow2", "dst.raw",
         outputs=("dst.raw",)),
    _one("nova-snapshot-compressed", "openstack/nova nova/privsep/qemu.py",
         "convert", "-t", "writeback", "-O", "qcow2", "-f", "qcow2", "-c", "overlay.qcow2",
         "dst.qcow2", outputs=("dst.qcow2",)),
    _one("nova-cow-image", "openstack/nova nova/virt/libvirt/utils.py create_image",
         "create", "-f", "qcow2", "-o", "backing_file=base.qcow2,backing_fmt=qcow2", "dst.qcow2",
         "67108864", outputs=("dst.qcow2",)),
    # Glance
    _one("glance-info", "openstack/glance glance/async_/flows/plugins/image_conversion.py",
         "info", "-f", "qcow2", "--output=json", "src.qcow2", within=_GLANCE_INFO),
    _one("glance-info-vmdk", "openstack/glance glance/async_/flows/plugins/image_conversion.py",
         "info", "-f", "vmdk", "--output=json", "stream.vmdk", within=_GLANCE_INFO),
    _one("glance-convert", "openstack/glance glance/async_/flows/plugins/image_conversion.py",
         "convert", "-f", "qcow2", "-O", "raw", "src.qcow2", "dst.raw", outputs=("dst.raw",)),
    _one("glance-convert-vmdk", "openstack/glance glance/async_/flows/plugins/image_conversion.py",
         "convert", "-f", "raw", "-O", "vmdk", "src.raw", "dst.vmdk", outputs=("dst.vmdk",)),
    # Cinder
    _one("cinder-info", "openstack/cinder cinder/image/image_utils.py qemu_img_info",
         "info", "-f", "qcow2", "--output=json", "--force-share", "src.qcow2",
         within=_CINDER_INFO),
    _one("cinder-upload-vhd", "openstack/cinder cinder/image/image_utils.py _get_qemu_convert_cmd",
         "convert", "-O", "vpc", "-o", "subformat=dynamic", "-f", "raw", "src.raw", "dst.vhd",
         outputs=("dst.vhd",)),
    _one("cinder-download", "openstack/cinder cinder/image/image_utils.py _get_qemu_convert_cmd",
         "convert", "-O", "raw", "-t", "writeback", "-f", "qcow2", "src.qcow2", "dst.raw",
         outputs=("dst.raw",)),
    _one("cinder-upload-compressed", "openstack/cinder cinder/image/image_utils.py",
         "convert", "-O", "qcow2", "-c", "-f", "raw", "src.raw", "dst.qcow2",
         outputs=("dst.qcow2",)),
    # Ironic
    _one("ironic-convert", "openstack/ironic ironic/common/qemu_img.py convert_image",
         "convert", "-f", "qcow2", "-O", "raw", "src.qcow2", "dst.raw", outputs=("dst.raw",),
         within=_IRONIC),
    _one("ironic-populate", "openstack/ironic-lib ironic_lib/disk_utils.py populate_image",
         "convert", "-O", "raw", "-S", "0", "src.qcow2", "dst.raw", outputs=("dst.raw",),
         within=_IRONIC),
    # KubeVirt's Containerized Data Importer
    # The releases of today limit `info` only, and those up to 1.8 all.
    _one("cdi-info", f"{_CDI_SOURCE} Info",
         "info", "--output=json", "src.qcow2", within=_CDI),
    _one("cdi-info-vmdk", f"{_CDI_SOURCE} Info",
         "info", "--output=json", "stream.vmdk", within=_CDI),
    _one("cdi-convert", f"{_CDI_SOURCE} convertToRaw",
         "convert", "-t", "none", "-p", "-O", "raw", "src.qcow2", "dst.raw",
         outputs=("dst.raw",), needs_direct_io=True),
    *(_one(f"cdi-convert-{name}", f"{_CDI_SOURCE} convertPreallocationMethods",
           "convert", *options, "-t", "writeback", "-p", "-O", "raw", "src.qcow2", "dst.raw",
           outputs=("dst.raw",))
      for name, options in (("falloc", ("-o", "preallocation=falloc")),
                            ("full", ("-o", "preallocation=full")), ("zeroes", ("-S", "0")))),
    _one("cdi-blank", f"{_CDI_SOURCE} CreateBlankImage",
         "create", "-f", "raw", "dst.raw", "67108864", "-o", "preallocation=falloc",
         outputs=("dst.raw",)),
    CommandLine("cdi-import", f"{_CDI_SOURCE} Validate, ConvertToRawStream, Resize",
                (("info", "--output=json", "src.qcow2"),
                 ("convert", "-t", "writeback", "-p", "-O", "raw", "src.qcow2", "dst.raw"),
                 ("info", "--output=json", "dst.raw"),
                 ("resize", "-f", "raw", "dst.raw", "134217728")), outputs=("dst.raw",)),
    CommandLine("cdi-import-preallocated", f"{_CDI_SOURCE} resizePreallocationMethods",
                (("convert", "-o", "preallocation=falloc", "-t", "writeback", "-p", "-O", "raw",
                  "stream.vmdk", "dst.raw"),
                 ("resize", "--preallocation=falloc", "-f", "raw", "dst.raw", "134217728"),
                 ("resize", "--preallocation=full", "-f", "raw", "dst.raw", "150994944")),
                outputs=("dst.raw",)),
    CommandLine("cdi-import-within-limits",
                f"{_CDI_SOURCE} ConvertQcow2ToRaw, CreateBlankImage, Resize",
                (("convert", "-p", "-f", "qcow2", "-O", "raw", "src.qcow2", "dst.raw"),
                 ("resize", "-f", "raw", "dst.raw", "128M"),
                 ("create", "-f", "raw", "blank.raw", "64M"),
                 ("resize", "-f", "raw", "blank.raw", "1G")),
                outputs=("dst.raw", "blank.raw"), within=_CDI),
    # A warm import: the next snapshot of a virtual machine comes as an image on what is there.
    CommandLine("cdi-delta", f"{_CDI_SOURCE} Rebase",
                (("info", "--output=json", "overlay.qcow2"),
                 ("rebase", "-p", "-u", "-F", "raw", "-b", "src.raw", "overlay.qcow2"),
                 ("info", "--output=json", "overlay.qcow2")), outputs=("overlay.qcow2",)),
    _one("cdi-commit", f"{_CDI_SOURCE} Commit", "commit", "-p", "overlay.qcow2",
         refused="the command 'commit' is not done"),
    _one("cdi-nbd", f"{_CDI_SOURCE} ConvertToRawStream",
         "convert", "-t", "writeback", "-p", "-O", "raw",
         "nbd+unix:///?socket=/tmp/nbdkit.sock", "dst.raw",
         refused="Unknown protocol 'nbd\\+unix'"),
    # Proxmox
    _one("proxmox-create", "proxmox/pve-storage src/PVE/Storage/Common.pm qemu_img_create",
         "create", "-o", "preallocation=metadata", "-f", "qcow2", "dst.qcow2", "65536K",
         outputs=("dst.qcow2",)),
    _one("proxmox-create-backed",
         "proxmox/pve-storage src/PVE/Storage/Common.pm qemu_img_create_qcow2_backed",
         "create", "-F", "qcow2", "-b", "base.qcow2", "-f", "qcow2", "dst.qcow2", "-o",
         "extended_l2=on,cluster_size=128k", outputs=("dst.qcow2",)),
    _one("proxmox-info", "proxmox/pve-storage src/PVE/Storage/Common.pm qemu_img_info",
         "info", "--output=json", "src.qcow2", "-f", "qcow2"),
    _one("proxmox-info-chain", "proxmox/pve-storage src/PVE/Storage/Common.pm qemu_img_info",
         "info", "--output=json", "overlay.qcow2", "-f", "qcow2", "--backing-chain"),
    _one("proxmox-measure", "proxmox/pve-storage src/PVE/Storage/Common.pm qemu_img_measure",
         "measure", "--output=json", "--size", "65536K", "-O", "qcow2"),
    CommandLine("proxmox-clone", "proxmox/qemu-server src/PVE/QemuServer/QemuImage.pm convert",
                (("create", "-f", "raw", "dst.raw", "65536K"),
                 ("convert", "-p", "-n", "-f", "qcow2", "-O", "raw", "src.qcow2",
                  "zeroinit:dst.raw")),
                outputs=("dst.raw",)),
    CommandLine("proxmox-clone-to-qcow2",
                "proxmox/qemu-server src/PVE/QemuServer/QemuImage.pm convert",
                (("create", "-f", "qcow2", "dst.qcow2", "65536K"),
                 ("convert", "-p", "-n", "-f", "qcow2", "-O", "qcow2", "src.qcow2",
                  "zeroinit:dst.qcow2")),
                outputs=("dst.qcow2",)),
    CommandLine("proxmox-clone-no-unref",
                "proxmox/qemu-server src/PVE/QemuServer/QemuImage.pm convert",
                (("create", "-f", "qcow2", "dst.qcow2", "65536K"),
                 ("convert", "-p", "-n", "--target-image-opts", "-f", "raw", "src.raw",
                  "driver=qcow2,discard-no-unref=true,file.driver=file,file.filename=dst.qcow2")),
                outputs=("dst.qcow2",)),
    CommandLine("proxmox-clone-snapshot-limited",
                "proxmox/qemu-server src/PVE/QemuServer/QemuImage.pm convert",
                (("create", "-f", "raw", "dst.raw", "65536K"),
                 ("convert", "-p", "-n", "-l", "snapshot.name=before", "-T", "writeback", "-r",
                  "1048576K", "-f", "qcow2", "-O", "raw", "snapshots.qcow2", "dst.raw")),
                outputs=("dst.raw",)),
    CommandLine("proxmox-efidisk", "proxmox/qemu-server src/PVE/QemuServer.pm clone_disk",
                (("create", "-f", "raw", "dst.raw", "1M"),
                 ("dd", "-f", "raw", "-O", "raw", "bs=1048576", "count=1", "if=src.raw",
                  "of=dst.raw")),
                outputs=("dst.raw",)),
    # oVirt
    _one("vdsm-info", "oVirt/vdsm lib/vdsm/storage/qemuimg.py info",
         "info", "--output", "json", "-f", "qcow2", "-U", "src.qcow2"),
    _one("vdsm-info-untrusted", "oVirt/vdsm lib/vdsm/storage/qemuimg.py info",
         "info", "--output", "json", "-f", "qcow2", "src.qcow2", within=_VDSM_UNTRUSTED),
    _one("vdsm-measure", "oVirt/vdsm lib/vdsm/storage/qemuimg.py measure",
         "measure", "--output", "json", "-O", "qcow2",
         'json:{"file": {"driver": "file", "filename": "src.raw"}, "driver": "raw"}'),
    _one("vdsm-create", "oVirt/vdsm lib/vdsm/storage/qemuimg.py create",
         "create", "-f", "qcow2", "-o", "compat=1.1", "-b", "base.qcow2", "-F", "qcow2",
         "dst.qcow2", outputs=("dst.qcow2",), within=_VDSM_OPERATION),
    _one("vdsm-create-unsafe", "oVirt/vdsm lib/vdsm/storage/qemuimg.py create",
         "create", "-f", "qcow2", "-o", "compat=1.1", "-b", "not-there.qcow2", "-F", "qcow2",
         "-u", "dst.qcow2", "67108864", within=_VDSM_OPERATION),
    _one("vdsm-check", "oVirt/vdsm lib/vdsm/storage/qemuimg.py check",
         "check", "--output", "json", "-f", "qcow2", "src.qcow2"),
    _one("vdsm-convert", "oVirt/vdsm lib/vdsm/storage/qemuimg.py convert",
         "convert", "-p", "-t", "none", "-T", "none", "-f", "raw", "-O", "qcow2", "-o",
         "compat=1.1", "src.raw", "dst.qcow2", outputs=("dst.qcow2",), needs_direct_io=True,
         within=_VDSM_OPERATION),
    _one("vdsm-convert-backed", "oVirt/vdsm lib/vdsm/storage/qemuimg.py convert",
         "convert", "-p", "-t", "none", "-T", "none", "-f", "qcow2", "-O", "qcow2", "-o",
         "compat=1.1,backing_file=base.qcow2,backing_fmt=qcow2", "-W", "overlay.qcow2",
         "dst.qcow2", outputs=("dst.qcow2",), needs_direct_io=True, within=_VDSM_OPERATION),
    _one("vdsm-map", "oVirt/vdsm lib/vdsm/storage/qemuimg.py map",
         "map", "--output", "json", "overlay.qcow2"),
    _one("vdsm-compare", "oVirt/vdsm lib/vdsm/storage/qemuimg.py compare",
         "compare", "-p", "-f", "qcow2", "-F", "raw", "src.qcow2", "src.raw",
         within=_VDSM_OPERATION),
    _one("vdsm-bitmaps", "oVirt/vdsm lib/vdsm/storage/qemuimg.py convert",
         "convert", "-p", "-f", "qcow2", "-O", "qcow2", "--bitmaps", "src.qcow2", "dst.qcow2",
         refused="bitmaps", within=_VDSM_OPERATION),
    _one("vdsm-resize", "oVirt/vdsm lib/vdsm/storage/qemuimg.py resize",
         "resize", "-f", "qcow2", "src.qcow2", "134217728", outputs=("src.qcow2",)),
    # LXD, and Incus, which grew from it.
    _one("lxd-info", "canonical/lxd lxd/storage/utils.go qemuImageInfo",
         "info", "src.qcow2", "--output", "json", within=_LXD_INFO),
    _one("lxd-convert", "canonical/lxd lxd/storage/utils.go ImageUnpack",
         "convert", "-p", "-f", "qcow2", "-O", "raw", "-t", "writeback", "-T", "none", "src.qcow2",
         "dst.raw", outputs=("dst.raw",), needs_direct_io=True, within=("nice", "-n19")),
    # Packer
    _one("packer-create", "hashicorp/packer-plugin-qemu builder/qemu/step_create_disk.go",
         "create", "-f", "qcow2", "dst.qcow2", "64M", outputs=("dst.qcow2",)),
    _one("packer-create-backed", "hashicorp/packer-plugin-qemu builder/qemu/step_create_disk.go",
         "create", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "dst.qcow2", "64M",
         outputs=("dst.qcow2",)),
    _one("packer-compact", "hashicorp/packer-plugin-qemu builder/qemu/step_convert_disk.go",
         "convert", "-c", "-O", "qcow2", "src.qcow2", "dst.qcow2", outputs=("dst.qcow2",)),
    # osbuild
    _one("osbuild-qcow2", "osbuild/osbuild stages/org.osbuild.qemu",
         "convert", "-O", "qcow2", "-c", "-o", "compat=1.1", "src.raw", "dst.qcow2",
         outputs=("dst.qcow2",)),
    _one("osbuild-vmdk", "osbuild/osbuild stages/org.osbuild.qemu",
         "convert", "-O", "vmdk", "-c", "-o",
         "adapter_type=lsilogic,compat6,subformat=streamOptimized", "-m", "8", "src.raw",
         "dst.vmdk", outputs=("dst.vmdk",)),
    _one("osbuild-vpc", "osbuild/osbuild stages/org.osbuild.qemu",
         "convert", "-O", "vpc", "-o", "subformat=fixed,force_size", "src.raw", "dst.vhd",
         outputs=("dst.vhd",)),
    _one("osbuild-vdi", "osbuild/osbuild stages/org.osbuild.qemu",
         "convert", "-O", "vdi", "src.raw", "dst.vdi", outputs=("dst.vdi",)),
    _one("osbuild-vhdx", "osbuild/osbuild stages/org.osbuild.qemu",
         "convert", "-O", "vhdx", "src.raw", "dst.vhdx", outputs=("dst.vhdx",)),
    # libguestfs and virt-v2v
    _one("libguestfs-info", "libguestfs/libguestfs lib/info.c get_json_output",
         "info", "-U", "--output", "json", "./src.qcow2", within=_LIBGUESTFS_INFO),
    CommandLine("virt-v2v-raw", "libguestfs/virt-v2v v2v/v2v.ml",
                (("create", "-f", "raw", "-o", "preallocation=off", "dst.raw", "67108864"),
                 ("convert", "-p", "-n", "-f", "qcow2", "-O", "raw", "overlay.qcow2", "dst.raw")),
                outputs=("dst.raw",)),
)

_SIZE = 64 << 20


def make_inputs(directory):
    """What the command lines read: images of the same contents in several formats."""
    place = lambda name: os.path.join(directory, name)  # pylint: disable=unnecessary-lambda-assignment
    raw = place("src.raw")
    shutil.copyfile(content.pattern(), raw)
    os.truncate(raw, _SIZE)
    convert = ("convert", "-f", "raw", "-O")
    programs.qemu_img(*convert, "qcow2", raw, place("src.qcow2"))
    programs.qemu_img(*convert, "qcow2", raw, place("base.qcow2"))
    programs.qemu_img(*convert, "vmdk", "-o", "subformat=streamOptimized", raw,
                      place("stream.vmdk"))
    programs.qemu_img(*convert, "qcow2", raw, place("snapshots.qcow2"))
    programs.qemu_img("snapshot", "-c", "before", place("snapshots.qcow2"))
    programs.qemu_io(place("snapshots.qcow2"), "write -P 7 1M 64k")
    programs.qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2",
                      place("overlay.qcow2"))
    programs.qemu_io(place("overlay.qcow2"), "write -P 9 3M 128k", "write -z 8M 64k")
