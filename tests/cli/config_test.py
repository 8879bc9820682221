"""What the machine's configuration file allows, and nobody else may change."""

import json
import os
import shutil

from support import harness, namespaces, programs

_ETC = "/etc"
_MACHINE = "/etc/hotcell/hotcell.conf"
# What programs need of /etc.
_KEPT = ("ld.so.cache", "passwd", "group", "nsswitch.conf")


def _set_machine(directory, text):
    """Gives this process a machine with that file, and with no other but what programs need."""
    if not os.path.ismount(_ETC):
        programs.require_kvm()
        namespaces.enter()
        kept = os.path.join(directory, "kept")
        os.makedirs(kept)
        for name in _KEPT:
            if os.path.exists(os.path.join(_ETC, name)):
                shutil.copy(os.path.join(_ETC, name), kept)
        namespaces.mount_tmpfs(_ETC, 1024)
        for name in os.listdir(kept):
            shutil.copy(os.path.join(kept, name), _ETC)
        os.makedirs(os.path.dirname(_MACHINE))
    with open(_MACHINE, "w", encoding="utf-8") as file:
        file.write(text)
    programs.must_hotcell("--version")


def _with_config(text):
    """An environment that names a file of that text; None: an empty name."""
    if text is not None:
        with open("own.conf", "w", encoding="utf-8") as file:
            file.write(text)
    return {"env": {**os.environ, "HOTCELL_CONFIG": "" if text is None else
                    os.path.abspath("own.conf")}}


_UNSET = {"env": {key: value for key, value in os.environ.items() if key != "HOTCELL_CONFIG"}}


def _make_disk():
    with open("disk.raw", "wb") as disk:
        disk.write(os.urandom(2 << 20))


def _digest(*options, **environment):
    return programs.hotcell("digest", "-f", "raw", *options, "disk.raw", **(environment or _UNSET))


def _check_refused(result, *texts):
    harness.check_equal(result.returncode, 1, f"exit status ({result.stderr!r})")
    for text in texts:
        harness.check(text.encode() in result.stderr, f"no {text!r} in {result.stderr!r}")
    harness.check_equal(result.stderr.count(b"\n"), 1, "lines")


def _limits(directory):
    _make_disk()
    _set_machine(directory, "# Ours\nlimit=virtual-size=1M\ntimeout=100\n")
    too_big = "virtual-size"
    for environment in (_UNSET, _with_config(None), _with_config("limit=bytes-read=1G\n")):
        _check_refused(_digest(**environment), too_big)
        for option in ("--limit=virtual-size=1T", "--limit=virtual_size=1T"):
            _check_refused(_digest(option, **environment), "virtual-size of 1T is more than",
                           f"{_MACHINE}:2 allows", "allow-override=yes")
        for option in ("--timeout=101", "--limit=wall-time=101"):
            _check_refused(_digest(option, **environment), f"{_MACHINE}:3 allows")
    _check_refused(_digest(**_with_config("\nlimit=virtual-size=1T\n")), "own.conf:2: the limit",
                   f"{_MACHINE}:2 allows", "allow-override=yes")
    # Less is everybody's right, as is more of what the file does not say.
    _check_refused(_digest("--limit=virtual-size=1K"), too_big)
    _set_machine(directory, "limit=virtual-size=2M\n")
    harness.check_equal(_digest("--limit=bytes-read=1T", "--timeout=1000").returncode, 0, "digest")
    # Through the link there is no option for it, and the file holds as well.
    _set_machine(directory, "limit=virtual-size=1M\n")
    os.symlink(programs.HOTCELL, "qemu-img")
    result = programs.run(["./qemu-img", "convert", "-f", "raw", "-O", "raw", "disk.raw", "out"],
                          **_with_config("limit=virtual-size=1T\n"))
    harness.check(result.returncode == 1 and _MACHINE.encode() in result.stderr, result.stderr)


def _run_limits(directory):
    """`run` has options of its own for two of the limits."""
    with open("hlt.bin", "wb") as program:
        program.write(b"\xf4")
    _set_machine(directory, "memory=32M\nlimit=output-bytes=1M\n")
    usual = programs.hotcell("run", "--mode=long", "--mem=32M", "--output=out", "hlt.bin", **_UNSET)
    harness.check_equal((usual.returncode, usual.stderr), (0, b""), "within the limits")
    for options, text in ((["--mem=512M"], f"{_MACHINE}:1 allows"),
                          (["--output=out", "--output-capacity=64M"], "output-bytes")):
        result = programs.hotcell("run", "--mode=long", *options, "hlt.bin", **_UNSET)
        harness.check_equal(result.returncode, 120, f"{options}: {result.stderr!r}")
        harness.check(text.encode() in result.stderr, result.stderr)


def _require(directory):
    """Layers that the machine's file requires are required whatever else is said."""
    _make_disk()
    _set_machine(directory, "require=all\n")
    usual = _digest()
    if usual.returncode == 0:
        raise harness.Skip("this machine gives every layer")
    _check_refused(usual, "could not be confined as required")
    for environment in (_with_config(None), _with_config("require=seccomp\n")):
        result = _digest("--require=seccomp", **environment)
        harness.check_equal((result.returncode, result.stderr), (usual.returncode, usual.stderr),
                            "the same answer")
    harness.check_equal(_digest(**_with_config("")).returncode, 1, "an empty file")


def _override(directory):
    _make_disk()
    _set_machine(directory, "limit=virtual-size=1M\nallow-override=yes\n")
    _check_refused(_digest(), "virtual-size")
    harness.check_equal(_digest("--limit=virtual-size=1T").returncode, 0, "the command line")
    harness.check_equal(_digest(**_with_config(None)).returncode, 0, "no file")
    harness.check_equal(_digest(**_with_config("limit=virtual-size=1T\n")).returncode, 0, "a file")


def _broken(directory):
    """A file of the machine's that cannot be taken stops all jobs, and doctor says so."""
    _make_disk()
    for text, finding in (("folow-references=/x\n", f"{_MACHINE}:1: unknown setting"),
                          ("allow-override=perhaps\n", "'allow-override' is yes or no"),
                          ("follow-references=/nowhere\n", "/nowhere")):
        _set_machine(directory, text)
        for environment in (_UNSET, _with_config(None)):
            if "nowhere" in text and environment is not _UNSET:
                continue  # what may be followed is not the machine's to insist on
            _check_refused(_digest(**environment), finding)
            doctor = programs.hotcell("doctor", **environment)
            harness.check_equal(doctor.returncode, 1, f"doctor ({doctor.stdout!r})")
            line = next(line for line in doctor.stdout.decode().splitlines()
                        if "configuration" in line)
            harness.check(line.startswith("problem") and finding in line, line)
    _set_machine(directory, "limit=virtual-size=1T\n")
    doctor = programs.hotcell("doctor", **_UNSET)
    harness.check(f"configuration          {_MACHINE}".encode() in doctor.stdout, doctor.stdout)
    _set_machine(directory, "limit=virtual-size=1K\n")
    doctor = programs.hotcell("doctor", **_UNSET)
    harness.check_equal(doctor.returncode, 1, "doctor where no disk may be read")
    harness.check(b"(--limit virtual-size=SIZE)" in doctor.stdout, doctor.stdout)


def _unreadable(directory):
    """A file that one may not read binds too: there is no job without it."""
    _make_disk()
    _set_machine(directory, "limit=virtual-size=1M\n")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for path, mode in ((_MACHINE, 0o600), (os.path.dirname(_MACHINE), 0o700)):
        os.chmod(path, mode)
        result = programs.run([*as_nobody, programs.HOTCELL, "digest", "-f", "raw", "disk.raw"],
                              **_with_config(None))
        _check_refused(result, _MACHINE, "Permission denied")


def _errors(_):
    """A file that is not there is told with the command's own exit status and format."""
    environment = {"env": {**os.environ, "HOTCELL_CONFIG": "/none"}}
    os.symlink(programs.HOTCELL, "qemu-img")
    for command, status in ((["compare", "a", "b"], 2), (["run", "p"], 120), (["info", "a"], 1),
                            (["check", "a"], 1)):
        for output in ([], ["--output=json"], ["--output", "json"]):
            result = programs.hotcell(*command, *output, **environment)
            harness.check_equal(result.returncode, status, f"{command} {output}")
            harness.check(b"'/none'" in result.stderr, result.stderr)
            if output:
                harness.check_equal(json.loads(result.stdout)["error"]["code"], "not-found",
                                    f"{command}: JSON")
            else:
                harness.check_equal(result.stdout, b"", f"{command}: standard output")
    for command, status in ((["compare", "a", "b"], 2), (["info", "--output=json", "a"], 1)):
        result = programs.run(["./qemu-img", *command], **environment)
        harness.check_equal((result.returncode, result.stdout), (status, b""), f"link: {command}")


def _dangling(directory):
    """A link that leads nowhere stands for a file, which may bind."""
    _make_disk()
    _set_machine(directory, "limit=virtual-size=1M\n")
    parent = os.path.dirname(_MACHINE)
    for path in (_MACHINE, parent):
        os.rename(path, f"{path}.kept")
        os.symlink("/nowhere", path)
        for environment in (_UNSET, _with_config(None), _with_config("")):
            _check_refused(_digest(**environment), _MACHINE, "No such file")
        doctor = programs.hotcell("doctor", **_UNSET)
        harness.check_equal(doctor.returncode, 1, f"doctor ({doctor.stdout!r})")
        os.remove(path)
        harness.check_equal(_digest(**_UNSET).returncode, 0, f"without {path}")
        os.symlink(f"{path}.kept", path)
        _check_refused(_digest(**_UNSET), "virtual-size")
        os.remove(path)
        os.rename(f"{path}.kept", path)


harness.main({
    "limits": _limits,
    "run-limits": _run_limits,
    "require": _require,
    "override": _override,
    "broken": _broken,
    "unreadable": _unreadable,
    "dangling": _dangling,
    "errors": _errors,
})
