"""Images that programs take differently or pay for, with the reasons that the verdict must have.

    case = CASES["vdi-map"]; case.build(path)
"""

import dataclasses
import hashlib
import struct
import subprocess

from hostile.images import bochsfile, cloopfile, parallelsfile, qcow2file, qcowfile, qedfile
from hostile.images import vdifile, vhdxfile

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40


@dataclasses.dataclass
class Case:
    format: str
    build: object  # path -> None
    reasons: frozenset  # that the verdict has at least, with the check and without; empty: safe
    # What qemu-img info is expected to take is what hotcell says, by a factor of two.
    measured: bool = False


CASES = {}


def case(name, *reasons, measured=False):
    """Registers a function path -> None under FORMAT-NAME."""
    def add(build):
        CASES[name] = Case(name.partition("-")[0], build, frozenset(reasons), measured)
        return build
    return add


def _qemu_img(*arguments):
    subprocess.run(["qemu-img", *arguments], check=True, stdout=subprocess.DEVNULL)


# ---- qcow2 --------------------------------------------------------------------------------------

@case("qcow2-plain")
def _qcow2_plain(path):
    qcow2file.Qcow2File().write(path)


@case("qcow2-by-qemu-img")
def _qcow2_by_qemu_img(path):
    _qemu_img("create", "-q", "-f", "qcow2", path, "1T")
    _qemu_img("snapshot", "-c", "one", path)
    _qemu_img("resize", "-q", path, "+1G")
    _qemu_img("bitmap", "--add", path, "first")
    _qemu_img("bitmap", "--add", "-g", "1M", path, "second")


@case("qcow2-of-60-tebibytes")
def _qcow2_large(path):
    _qemu_img("create", "-q", "-f", "qcow2", path, "60T")
    _qemu_img("bitmap", "--add", path, "first")


@case("qcow2-wide-clusters")
def _qcow2_wide(path):
    _qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=2M", path, "1G")


@case("qcow2-odd-size", "readers-differ")
def _qcow2_odd_size(path):
    qcow2file.Qcow2File(size=MIB - 24).write(path)


def _data_file(path, filler, name):
    image = qcow2file.Qcow2File(cluster_bits=21, data_clusters=0)
    image.header["incompatible"] = qcow2file.INCOMPATIBLE_DATA_FILE
    image.extensions = [(0x12345678, bytes(filler))]
    if name:
        image.extensions.append((qcow2file.EXTENSION_DATA_FILE, name))
    image.write(path)


@case("qcow2-data-file-behind-64-kibibytes", "reference")
def _qcow2_far_data_file(path):
    _data_file(path, 64 * KIB - 112 - 8, b"data")


@case("qcow2-data-file-at-the-end-of-the-cluster", "reference")
def _qcow2_last_data_file(path):
    _data_file(path, 2 * MIB - 112 - 8 - 24, b"data")


@case("qcow2-data-file-without-a-name", "reference")
def _qcow2_nameless_data_file(path):
    _data_file(path, 8, None)


@case("qcow2-tables-that-overlap", "not-understood")
def _qcow2_overlap(path):
    image = qcow2file.Qcow2File()
    image.header["refcount_table_offset"] = image.header["l1_offset"]
    image.write(path)


@case("qcow2-bits-without-a-meaning")
def _qcow2_bits(path):
    image = qcow2file.Qcow2File()
    image.header.update(autoclear=1 << 40, compatible=1 << 20)
    image.write(path)


@case("qcow2-raw-data-file-that-is-not-there", "not-understood")
def _qcow2_raw_bit(path):
    image = qcow2file.Qcow2File()
    image.header["autoclear"] = 2
    image.write(path)


def add_bitmaps(image, count, granularity_bits=16, flags=0, entries=1, entry=0):
    """Bitmaps that share one table of equal entries, after all else of the image."""
    cluster = image.cluster_size
    table = 16 * cluster
    directory = table + -(-8 * entries // cluster) * cluster
    content = b""
    for number in range(count):
        name = f"{number:05d}".encode()
        content += struct.pack(">QIIBBHI", table, entries, flags, 1, granularity_bits, len(name), 0)
        content += name + b"\0" * (-(24 + len(name)) % 8)
    image.header["autoclear"] = 1
    image.refcounts.update({16: count, 17: 1})
    image.extensions.append((qcow2file.EXTENSION_BITMAPS,
                             struct.pack(">IIQQ", count, 0, len(content), directory)))
    image.put(table, struct.pack(">Q", entry) * entries)
    image.put(directory, content)


@case("qcow2-bitmap-of-a-tebibyte")
def _qcow2_small_bitmap(path):
    image = qcow2file.Qcow2File(size=TIB, data_clusters=0)
    add_bitmaps(image, 1, entries=32, entry=1)
    image.write(path)


@case("qcow2-two-bitmaps-all-ones", measured=True)
def _qcow2_medium_bitmaps(path):
    image = qcow2file.Qcow2File(size=256 * GIB, data_clusters=0)
    add_bitmaps(image, 2, granularity_bits=9, entries=1024, entry=1)
    image.write(path)


@case("qcow2-five-bitmaps-all-ones", "reader-memory")
def _qcow2_large_bitmaps(path):
    image = qcow2file.Qcow2File(size=256 * GIB, data_clusters=0)
    add_bitmaps(image, 5, granularity_bits=9, entries=1024, entry=1)
    image.write(path)


@case("qcow2-bitmap-in-use", "reader-memory", "not-understood")
def _qcow2_bitmap_in_use(path):
    image = qcow2file.Qcow2File(size=16 * TIB, data_clusters=0)
    add_bitmaps(image, 1, granularity_bits=9, flags=1)
    image.write(path)


@case("qcow2-bitmaps-by-the-thousand", "not-understood")
def _qcow2_many_bitmaps(path):
    image = qcow2file.Qcow2File()
    add_bitmaps(image, 5000)
    image.write(path)


@case("qcow2-snapshots-by-the-thousand", "not-understood")
def _qcow2_many_snapshots(path):
    image = qcow2file.Qcow2File()
    image.header.update(snapshot_count=65536, snapshots_offset=16 * image.cluster_size)
    image.put(16 * image.cluster_size, bytes(65536 * 40))
    image.write(path)


@case("qcow2-l1-table", "corrupt", measured=True)
def _qcow2_l1(path):
    image = qcow2file.Qcow2File(data_clusters=0)
    # The L1 table is behind all else, in a hole.
    image.header.update(l1_size=32 * MIB // 8, l1_offset=8 * image.cluster_size)
    image.length = image.header["l1_offset"] + 32 * MIB
    image.refcounts = {}
    image.write(path)


# ---- qcow ---------------------------------------------------------------------------------------

@case("qcow-plain")
def _qcow_plain(path):
    qcowfile.QcowFile().write(path)


@case("qcow-odd-size", "readers-differ")
def _qcow_odd_size(path):
    qcowfile.QcowFile(size=MIB - 24).write(path)


@case("qcow-l1-table-past-the-end", "not-understood")
def _qcow_l1_past(path):
    image = qcowfile.QcowFile()
    image.header["l1_offset"] = 64 * KIB
    image.write(path)


@case("qcow-l1-table", measured=True)
def _qcow_l1(path):
    image = qcowfile.QcowFile(size=8 * TIB)
    image.header["l1_offset"] = MIB
    image.l1 = []
    image.length = 40 * MIB
    image.write(path)


# ---- VHDX ---------------------------------------------------------------------------------------

@case("vhdx-plain")
def _vhdx_plain(path):
    vhdxfile.VhdxFile().write(path)


@case("vhdx-by-qemu-img")
def _vhdx_by_qemu_img(path):
    _qemu_img("create", "-q", "-f", "vhdx", path, "16M")


@case("vhdx-log-to-replay", "readers-differ")
def _vhdx_log(path):
    image = vhdxfile.VhdxFile()
    image.set_log(vhdxfile.LogEntry(5, last=image.end).data(
        vhdxfile.BAT, image.bat_sector({0: vhdxfile.ZERO})))
    image.write(path)


@case("vhdx-region-tables-that-differ", "readers-differ")
def _vhdx_region_tables(path):
    image = vhdxfile.VhdxFile()
    image.second_regions = [[vhdxfile.BAT_REGION, image.end, MIB, 1], image.regions[1]]
    image.put(image.end, bytes(MIB))
    image.end += MIB
    image.write(path)


@case("vhdx-first-region-table-damaged", "readers-differ")
def _vhdx_first_region_table(path):
    image = vhdxfile.VhdxFile()
    image.region_changes = [1, 0]
    image.write(path)


@case("vhdx-header-of-another-log", "readers-differ")
def _vhdx_headers(path):
    image = vhdxfile.VhdxFile()
    image.header.update(log_length=0, log_offset=0)
    image.second.update(log_length=MIB, log_offset=vhdxfile.LOG)
    image.write(path)


@case("vhdx-item-of-other-flags", "not-understood")
def _vhdx_item_flags(path):
    image = vhdxfile.VhdxFile()

    def change(items):
        items[1][3] = 4
        return items
    image.items = change
    image.write(path)


def _vhdx_bat(path, size):
    image = vhdxfile.VhdxFile(present=())
    image.regions[0] = [vhdxfile.BAT_REGION, vhdxfile.BLOCKS, size, 1]
    image.put(vhdxfile.BLOCKS, struct.pack("<4Q", *[vhdxfile.ZERO] * 4))
    image.end = vhdxfile.BLOCKS + size
    image.write(path)


@case("vhdx-table", measured=True)
def _vhdx_medium_bat(path):
    _vhdx_bat(path, 64 * MIB)


@case("vhdx-table-too-large", "reader-memory")
def _vhdx_large_bat(path):
    _vhdx_bat(path, 512 * MIB)


# ---- VDI ----------------------------------------------------------------------------------------

@case("vdi-plain")
def _vdi_plain(path):
    vdifile.VdiFile().write(path)


@case("vdi-header-of-another-length")
def _vdi_header(path):
    image = vdifile.VdiFile()
    image.header["header_size"] = 0x180
    image.write(path)


@case("vdi-odd-size", "readers-differ")
def _vdi_odd_size(path):
    image = vdifile.VdiFile()
    image.header["disk_size"] -= 24
    image.write(path)


def _vdi_map(path, blocks):
    """A map of `blocks` entries, in a hole behind the first."""
    image = vdifile.VdiFile()
    image.header.update(blocks_in_image=blocks, offset_data=512 + 4 * blocks)
    image.regions = []
    image.length = 512 + 4 * blocks + MIB
    image.write(path)


@case("vdi-map", "corrupt", measured=True)
def _vdi_medium_map(path):
    _vdi_map(path, 16 << 20)


@case("vdi-map-too-large", "reader-memory")
def _vdi_large_map(path):
    _vdi_map(path, 80 << 20)


# ---- Parallels ----------------------------------------------------------------------------------

@case("parallels-plain")
def _parallels_plain(path):
    parallelsfile.ParallelsFile().write(path)


@case("parallels-data-area-in-the-header", "readers-differ")
def _parallels_data_area(path):
    image = parallelsfile.ParallelsFile()
    image.header["data_off"] = 1
    image.write(path)


@case("parallels-cluster-before-the-data-area", "readers-differ")
def _parallels_cluster(path):
    image = parallelsfile.ParallelsFile()
    image.header["data_off"] = 2 * parallelsfile.TRACKS
    image.write(path)


def _parallels_bitmaps(path, size, count, granularity=1):
    """Bitmaps of `count` UUIDs, all ones, for a disk of `size` bytes."""
    tracks = 2048
    cluster = tracks * 512
    clusters = size // cluster
    image = parallelsfile.ParallelsFile()
    image.header.update(tracks=tracks, nb_bat_entries=clusters, nb_sectors=size // 512,
                        data_off=-(-(64 + 4 * clusters) // cluster) * tracks)
    image.bat = [0]
    entries = -(-size // 512 // max(granularity, 1) // 8 // cluster)
    features = b""
    for number in range(count):
        data = struct.pack("<Q16sII", size // 512, bytes([number]) * 16, granularity, entries)
        features += parallelsfile.feature(parallelsfile.DIRTY_BITMAP, 0,
                                          data + struct.pack("<Q", 1) * entries)
    features = (features + parallelsfile.feature(0)).ljust(cluster - 24, b"\0")
    extension = struct.pack("<Q", parallelsfile.EXTENSION_MAGIC) + hashlib.md5(features).digest()
    image.header["ext_off"] = image.header["data_off"]
    image.regions = [(image.header["data_off"] * 512, extension + features)]
    image.length = image.header["data_off"] * 512 + cluster
    image.write(path)


@case("parallels-bitmap")
def _parallels_bitmap(path):
    _parallels_bitmaps(path, GIB, 1, granularity=128)


@case("parallels-two-bitmaps-all-ones", measured=True)
def _parallels_two_bitmaps(path):
    _parallels_bitmaps(path, 256 * GIB, 2)


@case("parallels-five-bitmaps-all-ones", "reader-memory")
def _parallels_five_bitmaps(path):
    _parallels_bitmaps(path, 256 * GIB, 5)


@case("parallels-bitmap-that-aborts", "not-understood")
def _parallels_bad_granularity(path):
    _parallels_bitmaps(path, GIB, 1, granularity=3)


@case("parallels-table", measured=True)
def _parallels_table(path):
    image = parallelsfile.ParallelsFile()
    entries = 16 << 20
    image.header.update(nb_bat_entries=entries, data_off=(64 * MIB + 64 * KIB) // 512)
    image.bat = [0]
    image.regions = []
    image.length = 65 * MIB
    image.write(path)


# ---- QED, Bochs, cloop --------------------------------------------------------------------------

@case("qed-plain")
def _qed_plain(path):
    qedfile.QedFile().write(path)


@case("qed-backing-file-without-a-name", "reference")
def _qed_nameless(path):
    image = qedfile.QedFile()
    image.header.update(features=qedfile.BACKING_FILE, backing_filename_offset=64)
    image.write(path)


@case("qed-tables-too-large", "reader-memory")
def _qed_tables(path):
    """Fifty L2 tables of 16 MiB, which QEMU keeps as it reads them."""
    image = qedfile.QedFile(size=100 * TIB)
    image.header.update(cluster_size=MIB, table_size=16, l1_table_offset=MIB)
    image.l1 = image.l2 = {}
    image.regions = []
    image.length = 17 * MIB
    image.write(path)


@case("bochs-plain")
def _bochs_plain(path):
    bochsfile.BochsFile().write(path)


@case("bochs-odd-size", "readers-differ")
def _bochs_odd_size(path):
    image = bochsfile.BochsFile()
    image.header["disk"] -= 24
    image.write(path)


@case("cloop-plain")
def _cloop_plain(path):
    cloopfile.CloopFile().write(path)


@case("cloop-last-block-past-the-end", "not-understood")
def _cloop_last(path):
    image = cloopfile.CloopFile()
    image.offsets = image.true_offsets()
    image.offsets[-1] += 1
    image.write(path)


@case("cloop-offsets", "check-failed", measured=True)
def _cloop_offsets(path):
    """Four million blocks, whose streams of a byte nobody unpacks to open the file."""
    blocks = 4 << 20
    first = cloopfile.OFFSETS + 8 * (blocks + 1)
    with open(path, "wb") as out:
        out.write(cloopfile.SCRIPT.ljust(128, b"\0")[:128])
        out.write(struct.pack(">II", 512, blocks))
        for begin in range(0, blocks + 1, 4096):
            numbers = range(begin, min(begin + 4096, blocks + 1))
            out.write(struct.pack(f">{len(numbers)}Q", *[first + number for number in numbers]))
        out.truncate(first + blocks)
