"""Calls of Glance's own tasks."""

import shutil
from unittest import mock

from glance.async_.flows import convert
from glance.async_.flows import introspect
from glance.async_.flows.plugins import image_conversion
from glance.common import config
from glance.common import wsgi  # pylint: disable=unused-import  (registers options)
from oslo_config import cfg

import recorder
import services

CONF = cfg.CONF
config.parse_args(args=[], default_config_files=[])


def _prepare():
    CONF.set_override("work_dir", services.place(), group="task")


def _import(name, disk_format, target_format):
    """The step of an image's import that converts it. The image is a record of what is set."""
    shutil.copyfile(services.place(name), services.place("dst"))
    CONF.set_override("output_format", target_format, group="image_conversion")
    image = mock.Mock(image_disk_format=disk_format)
    wrapper = mock.MagicMock(image_id="image-id")
    wrapper.__enter__.return_value = image
    step = image_conversion._ConvertImage(  # pylint: disable=protected-access
        mock.Mock(), "task-id", "import", wrapper)
    path = step.execute("file://" + services.place("dst"))
    return [path, [call.kwargs for call in image.set_image_attribute.call_args_list]]


def _introspect(name):
    repository = mock.Mock()
    step = introspect._Introspect("task-id", "import", repository)  # pylint: disable=protected-access
    image = step.execute("image-id", "file://" + services.place(name))
    return [image.virtual_size, image.disk_format]


def _convert(name, disk_format):
    shutil.copyfile(services.place(name), services.place("dst.raw"))
    CONF.set_override("conversion_format", "raw", group="taskflow_executor")
    repository = mock.Mock()
    repository.get.return_value = mock.Mock(disk_format=disk_format)
    step = convert._Convert("task-id", "import", repository)  # pylint: disable=protected-access
    return step.execute("image-id", "file://" + services.place("dst.raw"))


recorder.main({
    "import_qcow2_as_raw": lambda: _import("src.qcow2", "qcow2", "raw"),
    "import_raw_as_qcow2": lambda: _import("src.raw", "raw", "qcow2"),
    "import_raw_as_vmdk": lambda: _import("src.raw", "raw", "vmdk"),
    "import_vmdk_as_raw": lambda: _import("stream.vmdk", "vmdk", "raw"),
    "import_dirty_qcow2_as_raw": lambda: _import("dirty.qcow2", "qcow2", "raw"),
    "import_backed_qcow2_as_raw": lambda: _import("overlay.qcow2", "qcow2", "raw"),
    "import_raw_called_qcow2": lambda: _import("src.raw", "qcow2", "raw"),
    "introspect_qcow2": lambda: _introspect("src.qcow2"),
    "introspect_vmdk": lambda: _introspect("stream.vmdk"),
    "introspect_dirty_qcow2": lambda: _introspect("dirty.qcow2"),
    "convert_qcow2": lambda: _convert("src.qcow2", "qcow2"),
    "convert_dirty_qcow2": lambda: _convert("dirty.qcow2", "qcow2"),
}, _prepare)
