"""What an honest guest, worker or program would send: seeds.py TARGET DIRECTORY."""

import pathlib
import struct
import sys


def _varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _field(number, value):
    """A field of a protobuf message: an integer, or bytes, text or another message's fields."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, list):
        value = b"".join(value)
    if isinstance(value, str):
        value = value.encode()
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _message(*fields):
    return b"".join(_field(number, value) for number, value in fields)


# ---- ring: see Game in ring.cc ----

def _number(value):
    return b"\0" + bytes([value]) if value < 256 else b"\1" + struct.pack("<H", value)


def _request(opcode, slot, offset=None, length=None, buffer=None, flags=None, source=None):
    """A step that submits a request of lane 0."""
    out = bytes([0, opcode, slot])
    for number in (offset, length):
        out += b"" if number is None else _number(number)
    if buffer is not None:
        out += struct.pack("<h", buffer) + b"\5"
    if flags is not None:
        out += bytes([flags])
    if source is not None:
        out += bytes([source[0]]) + _number(source[1])
    return out


def _serve(count=8):
    return bytes([3, count])


def _ring():
    plain, generous = bytes(4), bytes([0, 0, 0, 3])
    yield plain + _request(1, 0, 0, 4096, 0) + _serve()
    yield plain + _request(2, 1, 512, 600, 0) + _request(5, 1) + _serve()
    yield (plain + _request(3, 1, 0, 5000) + _request(6, 1, 3000) + _request(4, 1, 0, 9000, 0)
           + _serve())
    yield plain + _request(8, 1, 100, 4096, source=(0, 50)) + _serve()
    yield generous + _request(9, 1, 0) + _request(9, 1, 1) + _request(2, 2, 0, 100, 64) + _serve()
    yield generous + bytes([10, 0, 0, 0]) + _serve() + _request(1, 2, 0, 600, 0) + _serve()
    yield generous + bytes([9, 1, 0, 0]) + _request(1, 0, 0, 16, 0) + _serve() + bytes([6])
    yield plain + (_request(1, 0, 0, 1, 0) * 100 + _serve(127) + bytes([6])) * 2
    yield bytes([15]) + generous[1:] + bytes(4) + (_request(1, 0, 0, 100, 0) + _serve(100)) * 9


# ---- control: see Talk in control.cc ----

def _control():
    confined = bytes([7, 0, 3, 1, 1, 0, 0, 2, 1, 0, 0, 14, 1, 0, 0])
    ready, start, read = bytes([7, 1]), bytes([5]), bytes([6, 1])
    trace = bytes([7, 3, 5]) + b"hello"
    finished = bytes([7, 4, 1, 1]) + bytes(4 + 4 + 1 + 8 + 4) + bytes([3]) + b"end"
    violation = bytes([7, 5]) + struct.pack("<iIb", 59, 0xC000003E, 2)
    failure = bytes([7, 6, 4]) + b"step" + struct.pack("<i", 13) + bytes([2]) + b"no"
    output = bytes([7, 2, 3]) + b"out"
    yield confined + read + ready + read + start + output + trace + read + finished + read
    yield confined + start + ready + finished + read
    yield confined + ready + start + (output + trace + read) * 80 + finished + read
    yield confined + violation + read
    yield confined + failure + read
    yield trace + read
    yield bytes([4, 3]) * 9 + read * 3


# ---- worker_frames ----

def _frame(message):
    return struct.pack("<I", len(message)) + message


def _worker_frames():
    payload = _message((1, 1), (2, 64 << 20), (3, 2), (4, 48 << 20), (10, 1 << 20), (11, 16 << 20),
                       (12, 1 << 20), (13, 1 << 20))
    program = _message((1, 2), (2, 16 << 20), (3, 1), (4, 8 << 20), (5, 1), (6, 1 << 20), (7, 4096))
    doorbells = _message((1, 1), (2, 64 << 20), (3, 1), (4, 8 << 20), (9, 1))
    real = _message((1, 3), (2, 4 << 20), (3, 1))
    start = _frame(_message((2, [_message((1, 0x10000), (2, 0x10010), (3, "typed"), (4, 1))])))
    stop = _frame(_message((3, [_message((1, 1))])))
    for setup in (payload, program, doorbells, real):
        yield _frame(_message((1, setup))) + start + stop
    yield _frame(_message((2, [_message((3, bytes(70000)))])))


# ---- report: the first byte tells which ----

_SNAPSHOT = _message((1, b"1"), (2, b"before"), (3, 100), (4, 1700000000), (6, 5 * 10**9),
                     (9, 1 << 30))
_QCOW2 = _message((1, "1.1"), (2, "zlib"), (4, 16), (7, b"data"), (8, 1), (10, "luks"),
                  (11, _message((1, b"bitmap"), (2, 65536), (3, "auto"))))
_VMDK = _message((1, 1), (2, 2), (3, "monolithicSparse"),
                 (4, _message((1, b"extent.vmdk"), (2, 1 << 20), (3, "SPARSE"), (4, 65536),
                              (5, 1))))
_REFERENCE = _message((1, 1), (2, b"base\xff.raw"), (3, b"raw"))
_INFO = _message((1, "qcow2"), (2, 1 << 30), (3, 65536), (4, 1), (5, 1), (6, b"base.raw"),
                 (7, b"raw"), (8, _SNAPSHOT), (9, _QCOW2), (11, "luks"), (12, _REFERENCE),
                 (13, "dynamic"),
                 (14, "compressed"), (15, "GPT"))
_ERROR = _message((1, 1), (2, b"the header is damaged"), (3, 0))
_CHECK = _message((1, "qcow2"), (3, 1), (4, 2), (5, 3), (6, _message((1, 2), (2, b"a cluster"))),
                  (7, 1 << 20), (8, 16), (9, 8), (10, 4), (11, 2))


def _report():
    reports = [
        [(1, _ERROR)],
        [(2, _message((1, 1 << 30), (2, "vmdk"), (3, 1), (4, 2), (5, 3))), (4, b"a warning")],
        [(3, _INFO), (5, _INFO)],
        [(3, _message((1, "vmdk"), (2, 1 << 20), (10, _VMDK)))],
        [(10, _message((1, 2), (2, 512), (3, 1024), (4, 2048), (5, "raw"), (6, "qcow2")))],
        [(10, _message((1, 6), (2, 512), (7, _ERROR), (8, 2)))],
        [(11, _message((1, bytes(32)), (2, 1 << 20), (3, "raw")))],
        [(12, _CHECK)],
        [(13, _message((1, "qcow2"), (2, "vmdk"), (3, _message((1, 512), (2, "GPT"))),
                       (5, _INFO), (6, _CHECK)))],
        [(13, _message((1, "raw"), (4, _ERROR), (7, _ERROR)))],
        [(20, _message((1, 3)))],
        [(21, _message((1, 1), (2, 2), (3, 1), (4, 4)))],
    ]
    for fields in reports:
        yield b"\0" + _message(*fields)
    record = struct.Struct("<QQQIIII")
    yield (b"\4" + struct.pack("<QQQ", 1000, 100, 2) + record.pack(1000, 60, 4096, 0, 1, 21, 0)
           + record.pack(1060, 40, 0, 0, 0, 3, 0))
    yield b"\5the heap is \x1b[1mexhausted"
    registers = _message((17, 0x200123), (24, 0xDEAD))
    for reason in range(1, 8):
        yield b"\6" + _message((1, reason), (2, 112), (4, _message((1, 14), (2, 6))),
                               (5, registers), (7, 2), (8, 0x3F8), (9, 1), (11, "detail"),
                               (13, _message((1, 5), (2, 3))),
                               (14, b"screen" + b" " * 80))


# ---- elf ----

def _program(segments, entry=0x200000, kind=2):
    """segments: (address, flags, bytes, size in memory)."""
    offset = 64 + 56 * len(segments)
    header = (b"\x7fELF\2\1\1" + bytes(9)
              + struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, entry, 64, 0, 0, 64, 56, len(segments),
                            0, 0, 0))
    table = contents = b""
    for address, flags, data, size in segments:
        table += struct.pack("<IIQQQQQQ", 1, flags, offset + len(contents), address, address,
                             len(data), size, 4096)
        contents += data
    return header + table + contents


def _elf():
    read, write, execute = 4, 2, 1
    code = b"\xb8\x2a\0\0\0\x66\xba\x18\x05\xef"
    text = (0x200000, read | execute, code, len(code))
    yield _program([text])
    yield _program([text, (0x201000, read, b"constants", 9),
                    (0x202000, read | write, b"data", 9000)])
    yield _program([(0x300000, read | write, b"", 0x10000), text])
    yield _program([(0x10000, read | write | execute, code, 100)], entry=0x10000)
    yield _program([(0x10000, read | execute, code, 100), (0x10064, read | write, b"x", 10)],
                   entry=0x10000)
    yield _program([(0x200000, read | write | execute, code, len(code))])
    yield _program([text], kind=3)


# ---- reference_name: policy, kind, place, then pieces (1) or a name (0) ----

def _reference_name():
    for policy in range(32):
        for name in (b"a", b"sub/b", b"../allowed/a", b"sub/../a", b"escape", b"link", b"base",
                     b"fifo", b"root/etc/passwd", b"dirlink/b", b"with space"):
            yield bytes([policy, 0, policy & 1, 0]) + name
    yield bytes([3, 1, 0, 1, 0xFF, 0, 16, 0, 3])  # the tree's own path, absolute
    yield bytes([3, 1, 0, 1, 0xFE, 0, 19])
    yield bytes([3, 1, 0, 0]) + b"sub/../" * 100 + b"a"
    yield bytes([3, 0, 0, 0]) + b"n" * 1100
    yield bytes([0, 3, 1, 0]) + "\u202eevil\u0000\x1b]0;\x07'\\=".encode()


# ---- kvm: see Session::Run and MakePayload ----

def _kvm():
    payload = bytes([0, 0, 1, 1])
    flipper = struct.pack("<HHIH", 0, 100, 5, 7)
    for exit_code in (0, 1):
        yield payload + flipper + bytes([15, exit_code]) + bytes(4)
    read = bytes([0, 1, 0, 0, 0, 1, 0, 2, 1])  # READ of slot 0
    write = bytes([0, 2, 1, 0, 0, 1, 0, 2, 1])
    yield payload + flipper + read + write + bytes([3, 0, 100, 4, 1, 0, 0])
    yield payload + flipper + bytes([13, 4]) + b"base" + bytes([0, 1]) + bytes([3, 0, 200])
    yield payload + flipper + bytes([11, 4]) + b"\x0a\x02\x08\x01" + bytes([0])
    for instruction in range(57):
        yield payload + flipper + bytes([8, 7, 0, 0, 0, instruction])
    for port in range(16):
        yield payload + flipper + bytes([7, 1, 1, port, 1, 0, port % 8])
    for address in range(16):
        yield payload + flipper + bytes([10, address, 0, 0, 0, address % 8])
    ring = bytes([3, 0, 200])
    for opcode in range(1, 11):  # to the input, to no file, and far out of range
        yield payload + flipper + bytes([0, opcode, 0, 0, 0, 1, 0, 2, 1]) + ring
        yield payload + flipper + bytes([0, opcode, 3, 0, 0, 1, 0, 2, 1]) + ring
        yield payload + flipper + bytes([0, opcode, 1, 2, 7, 0, 2, 7, 0, 0, 2, 7, 0]) + ring
    # One that is long: libFuzzer begins with inputs no longer than the longest it is given.
    yield payload + flipper + (read + write + bytes([3, 0, 9, 14, 0])) * 20
    yield bytes([6, 0]) + b"\xb0\x2a\xe6\x01\xf4"  # mov al, 42; out 1, al; hlt
    yield bytes([6, 0]) + b"\xba\xf8\x03\0\0\xb0\x21\xee\xf4"  # a character to the serial port
    yield bytes([6, 0]) + b"\xeb\xfe"  # for ever
    yield bytes([6, 0]) + b"\x90" * 300 + b"\xf4"
    yield bytes([7]) + b"\xb0\x2a\xe6\x01\xf4"
    yield bytes([7]) + b"\xcd\x10\xf4"


# ---- options: the first byte tells which parser ----

def _options():
    for size in ("1", "4096", "1.5G", "64M", "0x1000", "8E", "-1", "1e3", "18446744073709551615"):
        yield b"\0" + size.encode()
    yield b"\1cluster_size=65536,compat=1.1,backing_file=a,,b,lazy_refcounts"
    yield b"\2driver=qcow2,file.driver=file,file.filename=x,,y.qcow2"
    yield b'\2json:{"driver":"qcow2","file":{"driver":"file","filename":"x"},"backing":null}'
    yield b'\2{"driver":"raw","file.filename":"x\\u001b"}'
    yield b"\2" + b'{"file":' * 50 + b"1" + b"}" * 50
    yield b"\3# ours\nlimit=virtual-size=1T\nfollow-references=/var/lib\n\ntimeout=5\nbacking=a=b\n"


_SEEDS = {"ring": _ring, "control": _control, "worker_frames": _worker_frames, "report": _report,
          "elf": _elf, "options": _options, "reference_name": _reference_name, "kvm": _kvm}


def main():
    target, directory = sys.argv[1:]
    for number, seed in enumerate(_SEEDS[target]()):
        (pathlib.Path(directory) / f"seed-{number:03}").write_bytes(seed)


if __name__ == "__main__":
    main()
