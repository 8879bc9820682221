"""Calls of Cinder's own functions."""

import shutil

from cinder import objects
from cinder import service  # pylint: disable=unused-import  (registers options)
from cinder import utils
from cinder.image import image_utils
from oslo_config import cfg

import recorder
import services

objects.register_all()
from cinder.volume.drivers import remotefs  # pylint: disable=wrong-import-position

CONF = cfg.CONF
CONF([], project="cinder", default_config_files=[])

_MIB = 1 << 20


def _prepare():
    CONF.set_override("image_conversion_dir", services.place("conversion"))


class _Glance:
    """The image service, as image_utils calls it."""

    temp_images = None

    def __init__(self, name, disk_format):
        self._name = name
        self._disk_format = disk_format

    def show(self, _context, _image_id):
        return {"disk_format": self._disk_format, "container_format": "bare",
                "size": 64 * _MIB}

    def download(self, _context, _image_id, file):
        with open(services.place(self._name), "rb") as image:
            shutil.copyfileobj(image, file)

    def update(self, _context, _image_id, _metadata, file, **_options):
        with open(services.place(self._name), "wb") as image:
            while chunk := file.read(_MIB):
                image.write(chunk)


class _Context:
    """A request's context: who asked, of which only the names are read."""

    user_id = "user"
    project_id = "project"


class _FileSystemDriver(remotefs.RemoteFSSnapDriverBase):
    """The driver of volumes that are files, without a share to mount."""

    _VALID_IMAGE_EXTENSIONS = ["qcow2", "raw"]

    def __init__(self):  # pylint: disable=super-init-not-called
        self._execute = utils.execute
        self._execute_as_root = False


def _fetch(function, name, disk_format, **options):
    return function(_Context(), _Glance(name, disk_format), "image-id", **options)


def _fetch_to_raw(name, disk_format, size=1):
    return _fetch(image_utils.fetch_to_raw, name, disk_format, dest=services.place("dst.raw"),
                  blocksize="1M", size=size, run_as_root=False)


def _upload(name, volume_format, disk_format, target):
    metadata = {"id": "image-id", "disk_format": disk_format, "container_format": "bare"}
    return image_utils.upload_volume(_Context(), _Glance(target, disk_format), metadata,
                                     services.place(name), volume_format, run_as_root=False)


def _info(name, **options):
    return image_utils.qemu_img_info(services.place(name), run_as_root=False, **options)


def _convert(source, target, out_format, **options):
    return image_utils.convert_image(services.place(source), services.place(target), out_format,
                                     run_as_root=False, **options)


# pylint: disable=protected-access
recorder.main({
    "get_qemu_img_version": image_utils.get_qemu_img_version,
    "check_qemu_img_version": lambda: image_utils.check_qemu_img_version("2.10"),
    "qemu_img_info": lambda: _info("src.qcow2"),
    "qemu_img_info_as_root": lambda: image_utils.qemu_img_info(services.place("src.qcow2")),
    "qemu_img_info_shared": lambda: _info("src.qcow2", force_share=True),
    "qemu_img_info_raw": lambda: _info("src.raw"),
    "qemu_img_info_backed": lambda: _info("overlay.qcow2", allow_qcow2_backing_file=True),
    "convert_image_to_raw": lambda: _convert("src.qcow2", "dst.raw", "raw", src_format="qcow2"),
    "convert_image_dirty": lambda: _convert("dirty.qcow2", "dst.raw", "raw", src_format="qcow2"),
    "convert_image_from_vmdk": lambda: _convert("stream.vmdk", "dst.raw", "raw",
                                                src_format="vmdk"),
    "convert_image_to_vhd": lambda: _convert("src.raw", "dst.vhd", "vhd", src_format="raw"),
    "convert_image_to_fixed_vhd": lambda: _convert("src.raw", "dst.vhd", "vpc",
                                                   out_subformat="fixed", src_format="raw"),
    "convert_image_compressed": lambda: _convert("src.raw", "dst.qcow2", "qcow2",
                                                 src_format="raw", compress=True),
    "convert_image_other_format": lambda: _convert("src.raw", "dst.raw", "raw",
                                                   src_format="qcow2"),
    "fetch_verify_image": lambda: _fetch(image_utils.fetch_verify_image, "src.qcow2", "qcow2",
                                         dest=services.place("dst.qcow2")),
    "fetch_to_raw_qcow2": lambda: _fetch_to_raw("src.qcow2", "qcow2"),
    "fetch_to_raw_vmdk": lambda: _fetch_to_raw("stream.vmdk", "vmdk"),
    "fetch_to_raw_dirty": lambda: _fetch_to_raw("dirty.qcow2", "qcow2"),
    "fetch_to_raw_backed": lambda: _fetch_to_raw("overlay.qcow2", "qcow2"),
    "fetch_to_raw_too_large": lambda: _fetch_to_raw("src.qcow2", "qcow2", size=0),
    "fetch_to_vhd": lambda: _fetch(
        image_utils.fetch_to_vhd, "src.qcow2", "qcow2", dest=services.place("dst.vhd"),
        blocksize="1M", volume_subformat="dynamic", run_as_root=False),
    "upload_volume_qcow2": lambda: _upload("src.raw", "raw", "qcow2", "dst.qcow2"),
    "upload_volume_vmdk": lambda: _upload("src.raw", "raw", "vmdk", "dst.vmdk"),
    "upload_volume_vhd": lambda: _upload("src.raw", "raw", "vhd", "dst.vhd"),
    "remotefs_qemu_img_info": lambda: _FileSystemDriver()._qemu_img_info_base(
        services.place("overlay.qcow2"), "base", services.place()),
    "remotefs_create_qcow2_file": lambda: _FileSystemDriver()._create_qcow2_file(
        services.place("dst.qcow2"), 1),
    "remotefs_rebase": lambda: _FileSystemDriver()._rebase_img(
        services.place("overlay.qcow2"), "other.qcow2", "qcow2"),
    "remotefs_commit": lambda: _FileSystemDriver()._img_commit(services.place("overlay.qcow2")),
    "resize_image": lambda: image_utils.resize_image(services.place("src.raw"), 1,
                                                     file_format="raw"),
}, _prepare)
