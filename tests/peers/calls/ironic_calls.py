"""Calls of Ironic's own functions, and of those of ironic-lib, which its agent runs."""

import shutil
from unittest import mock

from ironic.common import images
from ironic.common import qemu_img
from ironic.conf import CONF
from ironic_lib import disk_utils

import recorder
import services

CONF([], project="ironic", default_config_files=[])


def _image_to_raw(name):
    shutil.copyfile(services.place(name), services.place("dst.raw.part"))
    # How much memory this machine has left is not what is compared.
    with mock.patch("ironic.common.utils.is_memory_insufficient", return_value=False):
        return images.image_to_raw("image-id", services.place("dst.raw"),
                                   services.place("dst.raw.part"))


def _convert(function, source, **options):
    return function(services.place(source), services.place("dst.raw"), "raw", **options)


recorder.main({
    "lib_qemu_img_info": lambda: disk_utils.qemu_img_info(services.place("src.qcow2")),
    "lib_qemu_img_info_vmdk": lambda: disk_utils.qemu_img_info(services.place("stream.vmdk")),
    "lib_get_image_mb": lambda: disk_utils.get_image_mb(services.place("stream.vmdk")),
    "lib_convert_image": lambda: _convert(disk_utils.convert_image, "src.qcow2"),
    "lib_convert_image_direct": lambda: _convert(
        disk_utils.convert_image, "src.qcow2", cache="directsync", out_of_order=True,
        sparse_size="0"),
    "lib_populate_image": lambda: disk_utils.populate_image(services.place("src.qcow2"),
                                                            services.place("dst.raw")),
    "convert_image": lambda: _convert(qemu_img.convert_image, "src.qcow2"),
    "convert_image_vmdk": lambda: _convert(qemu_img.convert_image, "stream.vmdk",
                                           source_format="vmdk"),
    "image_to_raw_qcow2": lambda: _image_to_raw("src.qcow2"),
    "image_to_raw_dirty": lambda: _image_to_raw("dirty.qcow2"),
    "image_to_raw_backed": lambda: _image_to_raw("overlay.qcow2"),
})
