"""Compares big sparse files without reading their holes."""

import errno
import os

_CHUNK = 1 << 20


def _data_ranges(fd, size):
    """Yields (start, end) of each range of the file that is not a hole."""
    position = 0
    while position < size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        position = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, min(position, size)


def _first_difference_in(one, two, start, end):
    while start < end:
        length = min(_CHUNK, end - start)
        left = os.pread(one, length, start)
        right = os.pread(two, length, start)
        if left != right:
            for index, pair in enumerate(zip(left, right)):
                if pair[0] != pair[1]:
                    return start + index
            return start + min(len(left), len(right))
        start += length
    return None


def first_difference(one_path, two_path):
    """Offset of the first byte that differs, the smaller size when the sizes do, or None."""
    one = os.open(one_path, os.O_RDONLY)
    two = os.open(two_path, os.O_RDONLY)
    try:
        sizes = (os.fstat(one).st_size, os.fstat(two).st_size)
        size = min(sizes)
        found = [min(sizes)] if sizes[0] != sizes[1] else []
        for fd in (one, two):
            for start, end in _data_ranges(fd, size):
                difference = _first_difference_in(one, two, start, end)
                if difference is not None:
                    found.append(difference)
                    break
        return min(found) if found else None
    finally:
        os.close(one)
        os.close(two)


def allocated(path):
    """Bytes that the file occupies."""
    return os.stat(path).st_blocks * 512
