"""Calls of Nova's own functions."""

import shutil
from unittest import mock

import nova.conf
import nova.privsep
import nova.privsep.qemu
from nova.virt import images
from nova.virt.disk import api
from nova.virt.image import model
from nova.virt.libvirt import driver
from nova.virt.libvirt import utils

import recorder
import services

CONF = nova.conf.CONF
CONF([], project="nova", default_config_files=[])
# Privileged functions run in this process, and not in a daemon that sudo starts.
nova.privsep.sys_admin_pctxt.set_client_mode(False)


def _prepare():
    CONF.set_override("instances_path", services.place())


def _fetch_to_raw(name, disk_format, **workarounds):
    """Downloads an image from a Glance that is not there, checks and converts it."""
    for option, value in workarounds.items():
        CONF.set_override(option, value, group="workarounds")
    glance = mock.Mock()
    glance.download.side_effect = (
        lambda context, image, dest_path, trusted_certs: shutil.copyfile(name, dest_path))
    glance.get.return_value = {"disk_format": disk_format}
    with mock.patch.object(images, "IMAGE_API", glance):
        images.fetch_to_raw(None, "image-id", services.place("dst.raw"))


def _extend(name, image_format):
    image = model.LocalFileImage(services.place(name), image_format)
    return api.extend(image, 128 << 20)


recorder.main({
    "unprivileged_qemu_img_info": lambda: nova.privsep.qemu.unprivileged_qemu_img_info(
        services.place("src.qcow2"), format="qcow2"),
    "privileged_qemu_img_info": lambda: images.privileged_qemu_img_info(
        services.place("src.qcow2"), format="qcow2"),
    "qemu_img_info": lambda: images.qemu_img_info(services.place("src.qcow2")),
    "qemu_img_info_vmdk": lambda: images.qemu_img_info(services.place("stream.vmdk"), "vmdk"),
    "qemu_img_info_dirty": lambda: images.qemu_img_info(services.place("dirty.qcow2")),
    "qemu_img_info_other_format": lambda: images.qemu_img_info(services.place("src.raw"), "qcow2"),
    "qemu_img_info_none": lambda: nova.privsep.qemu.unprivileged_qemu_img_info(
        services.place("none.qcow2")),
    "get_disk_size": lambda: api.get_disk_size(services.place("stream.vmdk")),
    "get_disk_backing_file": lambda: utils.get_disk_backing_file(services.place("overlay.qcow2")),
    "convert_image": lambda: images.convert_image(
        services.place("src.qcow2"), services.place("dst.raw"), "qcow2", "raw"),
    "convert_image_as_root": lambda: images.convert_image(
        services.place("overlay.qcow2"), services.place("dst.raw"), "qcow2", "raw",
        run_as_root=True),
    "convert_image_compressed": lambda: images.convert_image(
        services.place("overlay.qcow2"), services.place("dst.qcow2"), "qcow2", "qcow2",
        compress=True),
    "convert_image_unsafe": lambda: images.convert_image_unsafe(
        services.place("src.qcow2"), services.place("dst.raw"), "raw"),
    "convert_image_other_format": lambda: images.convert_image(
        services.place("src.raw"), services.place("dst.raw"), "qcow2", "raw"),
    "fetch_to_raw_qcow2": lambda: _fetch_to_raw("src.qcow2", "qcow2"),
    "fetch_to_raw_vmdk": lambda: _fetch_to_raw("stream.vmdk", "vmdk"),
    "fetch_to_raw_raw": lambda: _fetch_to_raw("src.raw", "raw"),
    "fetch_to_raw_dirty": lambda: _fetch_to_raw("dirty.qcow2", "qcow2"),
    "fetch_to_raw_backed": lambda: _fetch_to_raw("overlay.qcow2", "qcow2"),
    "fetch_to_raw_backed_uninspected": lambda: _fetch_to_raw(
        "overlay.qcow2", "qcow2", disable_deep_image_inspection=True),
    "create_image": lambda: utils.create_image(services.place("dst.qcow2"), "qcow2", "64M"),
    "create_image_raw": lambda: utils.create_image(services.place("dst.raw"), "raw", 64 << 20),
    "create_image_backed": lambda: utils.create_image(
        services.place("dst.qcow2"), "qcow2", "64M", backing_file=services.place("base.qcow2")),
    "create_image_backed_by_raw": lambda: utils.create_image(
        services.place("dst.qcow2"), "qcow2", None, backing_file=services.place("src.raw")),
    "extend_raw": lambda: _extend("src.raw", "raw"),
    "extend_qcow2": lambda: _extend("src.qcow2", "qcow2"),
    "rebase": lambda: driver.LibvirtDriver._rebase_with_qemu_img(  # pylint: disable=protected-access
        services.place("overlay.qcow2"), services.place("other.qcow2")),
}, _prepare)
