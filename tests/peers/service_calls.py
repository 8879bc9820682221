"""The calls of services' own functions that are compared: those of calls/PROGRAM_calls.py, by name.

A case of the suite is a few calls of one program, which takes longer to load than to run.
"""

import dataclasses


@dataclasses.dataclass
class Call:
    program: str
    name: str
    outputs: tuple = ()  # images that come out, compared with qemu-img's
    raises: str | None = None  # the exception that the function ends in, with either program
    # The command of qemu-img that hotcell has not yet, and refuses by its name.
    refused: str | None = None


def _calls(program, *calls):
    return [Call(program, name, **fields) for name, fields in calls]


_RAW = {"outputs": ("dst.raw",)}
_QCOW2 = {"outputs": ("dst.qcow2",)}
_VHD = {"outputs": ("dst.vhd",)}
_VMDK = {"outputs": ("dst.vmdk",)}

# What needs nothing but Debian's python3-oslo.concurrency.
SAMPLE = {
    "oslo": _calls(
        "oslo",
        ("info_within_nova_limits", {}),
        ("info_within_glance_limits", {}),
        ("convert", _RAW),
        ("convert_dirty", _RAW),
    ),
}

CALLS = {
    "nova.info": _calls(
        "nova",
        ("unprivileged_qemu_img_info", {}),
        ("privileged_qemu_img_info", {}),
        ("qemu_img_info", {}),
        ("qemu_img_info_vmdk", {}),
        ("qemu_img_info_dirty", {}),
        ("qemu_img_info_other_format", {"raises": "InvalidDiskInfo"}),
        ("qemu_img_info_none", {"raises": "DiskNotFound"}),
        ("get_disk_size", {}),
        ("get_disk_backing_file", {}),
    ),
    "nova.convert": _calls(
        "nova",
        ("convert_image", _RAW),
        ("convert_image_as_root", _RAW),
        ("convert_image_compressed", _QCOW2),
        ("convert_image_unsafe", _RAW),
        ("convert_image_other_format", {"raises": "ImageUnacceptable"}),
    ),
    "nova.fetch": _calls(
        "nova",
        ("fetch_to_raw_qcow2", _RAW),
        ("fetch_to_raw_vmdk", _RAW),
        ("fetch_to_raw_raw", _RAW),
        ("fetch_to_raw_dirty", _RAW),
        ("fetch_to_raw_backed", {"raises": "ImageUnacceptable"}),
        ("fetch_to_raw_backed_uninspected", {"raises": "ImageUnacceptable"}),
    ),
    "nova.create": _calls(
        "nova",
        ("create_image", _QCOW2),
        ("create_image_raw", _RAW),
        ("create_image_backed", _QCOW2),
        ("create_image_backed_by_raw", _QCOW2),
    ),
    "nova.extend": _calls(
        "nova",
        ("extend_raw", {"outputs": ("src.raw",)}),
        ("extend_qcow2", {"outputs": ("src.qcow2",)}),
    ),
    "nova.refused": _calls(
        "nova",
        ("rebase", {"refused": "rebase"}),
    ),
    "cinder.info": _calls(
        "cinder",
        ("get_qemu_img_version", {}),
        ("check_qemu_img_version", {}),
        ("qemu_img_info", {}),
        ("qemu_img_info_as_root", {}),
        ("qemu_img_info_shared", {}),
        ("qemu_img_info_raw", {}),
        ("qemu_img_info_backed", {}),
        ("remotefs_qemu_img_info", {}),
    ),
    "cinder.convert": _calls(
        "cinder",
        ("convert_image_to_raw", _RAW),
        ("convert_image_dirty", _RAW),
        ("convert_image_from_vmdk", _RAW),
        ("convert_image_to_vhd", _VHD),
        ("convert_image_to_fixed_vhd", _VHD),
        ("convert_image_compressed", _QCOW2),
        ("convert_image_other_format", {"raises": "ImageUnacceptable"}),
    ),
    "cinder.fetch": _calls(
        "cinder",
        ("fetch_verify_image", _QCOW2),
        ("fetch_to_raw_qcow2", _RAW),
        ("fetch_to_raw_vmdk", _RAW),
        ("fetch_to_raw_dirty", _RAW),
        ("fetch_to_raw_backed", {"raises": "Invalid"}),
        ("fetch_to_raw_too_large", {"raises": "ImageUnacceptable"}),
        ("fetch_to_vhd", _VHD),
    ),
    "cinder.upload": _calls(
        "cinder",
        ("upload_volume_qcow2", _QCOW2),
        ("upload_volume_vmdk", _VMDK),
        # Cinder asks for "-f vhd" here, a name that no qemu-img has.
        ("upload_volume_vhd", {"raises": "ProcessExecutionError"}),
        ("remotefs_create_qcow2_file", _QCOW2),
    ),
    "cinder.edit": _calls(
        "cinder",
        ("remotefs_rebase", {"outputs": ("overlay.qcow2",)}),
        ("resize_image", {"outputs": ("src.raw",)}),
    ),
    "cinder.refused": _calls(
        "cinder",
        ("remotefs_commit", {"refused": "commit"}),
    ),
    "glance.import": _calls(
        "glance",
        ("import_qcow2_as_raw", _RAW),
        ("import_raw_as_qcow2", _QCOW2),
        ("import_raw_as_vmdk", _VMDK),
        ("import_vmdk_as_raw", _RAW),
        ("import_dirty_qcow2_as_raw", _RAW),
        ("import_backed_qcow2_as_raw", {"raises": "RuntimeError"}),
        ("import_raw_called_qcow2", {"raises": "RuntimeError"}),
    ),
    "glance.tasks": _calls(
        "glance",
        ("introspect_qcow2", {}),
        ("introspect_vmdk", {}),
        ("introspect_dirty_qcow2", {}),
        ("convert_qcow2", _RAW),
        ("convert_dirty_qcow2", _RAW),
    ),
    "ironic": _calls(
        "ironic",
        ("convert_image", _RAW),
        ("convert_image_vmdk", _RAW),
        ("image_to_raw_qcow2", _RAW),
        ("image_to_raw_dirty", _RAW),
        ("image_to_raw_backed", {"raises": "InvalidImage"}),
    ),
    "ironic.lib": _calls(
        "ironic",
        ("lib_qemu_img_info", {}),
        ("lib_qemu_img_info_vmdk", {}),
        ("lib_get_image_mb", {}),
        ("lib_convert_image", _RAW),
        ("lib_convert_image_direct", _RAW),
        ("lib_populate_image", _RAW),
    ),
}
