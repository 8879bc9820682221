"""What all of OpenStack's services call qemu-img by: oslo.concurrency and oslo.utils."""

from oslo_concurrency import processutils
from oslo_utils import imageutils

import recorder
import services

_GIB = 1 << 30


def _info(name, cpu_time):
    """Describes an image as the services do, below the limits that they set."""
    limits = processutils.ProcessLimits(cpu_time=cpu_time, address_space=_GIB)
    output, _ = processutils.execute(
        "env", "LC_ALL=C", "LANG=C", "qemu-img", "info", services.place(name), "--force-share",
        "--output=json", prlimit=limits)
    return imageutils.QemuImgInfo(output, format="json")


def _convert(source, image_format, target):
    """Converts as Glance does: what is printed on standard error is a failure."""
    _, errors = processutils.trycmd("qemu-img", "convert", "-f", image_format, "-O", "raw",
                                    services.place(source), services.place(target))
    return errors


recorder.main({
    "info_within_nova_limits": lambda: _info("src.qcow2", cpu_time=30),
    "info_within_glance_limits": lambda: _info("stream.vmdk", cpu_time=2),
    "convert": lambda: _convert("src.qcow2", "qcow2", "dst.raw"),
    "convert_dirty": lambda: _convert("dirty.qcow2", "qcow2", "dst.raw"),
})
