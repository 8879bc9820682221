"""Names under which images have reached for other files, for any format with a backing file."""

# What the refusal of a name says.
REFUSAL = "--backing|--follow-references"

HOSTILE = {
    "etc-passwd": b"/etc/passwd",
    "parent-directory": b"../../../../../../etc/passwd",
    "json": b'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}',
    "nbd": b"nbd://127.0.0.1:10809/export",
    "https": b"https://127.0.0.1/metadata",
    "proc-self-fd": b"/proc/self/fd/0",
    "dev-zero": b"/dev/zero",
    "terminal-escapes": b"\x1b]0;owned\x07\x1b[2Jbase\r\n\x9b",
    "not-utf-8": b"\xff\xfe\xc3\x28base",
    "of-1023-bytes": b"x" * 1023,
}
