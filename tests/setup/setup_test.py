"""tools/setup on machines of which it is told by stand-ins for dpkg-query, apt-cache and apt-get: what
it installs, and what it says must be installed."""

import os
import shutil

from support import harness, programs

_TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_TOOLS = os.path.join(os.path.dirname(_TESTS), "tools")

_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
_LACKING = "cloop-utils"

# Each gets the directory of the machine, whose `installed`, `lists` and `released` hold the names of
# packages, one a line: on the machine, in apt's lists, on the server.
_STAND_INS = {
    "dpkg-query": """
for package; do
  if grep -qxF -e "$package" {machine}/installed; then echo "$package installed"; fi
done
""",
    # Like apt-cache: more lines follow the one that is looked for, after a while.
    "apt-cache": """
grep -qxF -e "$2" {machine}/lists || exit 0
printf '%s:\\n  Installed: (none)\\n  Candidate: 1.0-1\\n' "$2"
sleep 0.01
printf '  Version table:\\n     1.0-1 500\\n'
""",
    "apt-get": """
echo "$*" >>{machine}/calls
case $1 in
  update) cp {machine}/released {machine}/lists ;;
  install)
    shift
    for argument; do
      case $argument in
        -*) ;;
        *)
          grep -qxF -e "$argument" {machine}/lists || exit 100
          echo "$argument" >>{machine}/installed
          ;;
      esac
    done
    ;;
esac
""",
}


def _write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _wanted():
    """Names of all packages that a bare tools/setup wants, as it says where there is no apt at all."""
    command = [shutil.which("bash"), os.path.join(_TOOLS, "setup")]
    result = programs.run(command, env={"PATH": _without_dpkg()})
    text = result.stderr.decode()
    harness.check("Install the equivalents of: " in text, text)
    return text.split("Install the equivalents of: ")[1].split()


def _without_dpkg():
    """A PATH that has only what the script itself calls."""
    os.makedirs("bare", exist_ok=True)
    for name in ("dirname", "basename"):
        os.symlink(shutil.which(name), os.path.join("bare", name))
    return os.path.abspath("bare")


class _Machine:
    """A machine in the directory whose apt serves all that is wanted but `_LACKING`."""

    def __init__(self, directory, *, updated):
        self._directory = directory
        self._wanted = _wanted()
        harness.check(_LACKING in self._wanted, f"{_LACKING} is not wanted: {self._wanted}")
        self.served = [name for name in self._wanted if name != _LACKING]
        os.makedirs("bin")
        for name, text in _STAND_INS.items():
            _write(os.path.join("bin", name), "#!/bin/bash\n" + text.format(machine=directory), 0o755)
        _write("released", "".join(f"{name}\n" for name in self.served))
        _write("lists", _read("released") if updated else "")
        _write("installed", "")
        _write("calls", "")
        # A copy, which another user can read wherever the tree is.
        os.makedirs("tools/lib")
        for name in ("setup", "lib/common.sh", "lib/peers.sh"):
            shutil.copy(os.path.join(_TOOLS, name), os.path.join("tools", name))

    def setup(self, prefix=()):
        """Runs it. Returns (exit status, standard error)."""
        path = os.path.join(self._directory, "bin") + ":" + os.environ["PATH"]
        result = programs.run([*prefix, "bash", "tools/setup"], env={**os.environ, "PATH": path})
        return result.returncode, result.stderr.decode()

    def calls(self):
        """What apt-get was called with, and forgets it."""
        calls = _read("calls").splitlines()
        _write("calls", "")
        return calls


def _not_root():
    return _NOBODY if os.geteuid() == 0 else ()


def _installs_what_the_release_has(directory):
    programs.require_root()
    machine = _Machine(directory, updated=True)
    status, errors = machine.setup()
    harness.check_equal(status, 0, f"exit status\n{errors}")
    harness.check_equal(sorted(_read("installed").split()), sorted(machine.served), "installed")
    harness.check(f" has no {_LACKING}: tests that need them are skipped" in errors, errors)
    harness.check(not [call for call in machine.calls() if call.startswith("update")], "updated")


def _fetches_lists_of_a_fresh_machine(directory):
    programs.require_root()
    machine = _Machine(directory, updated=False)
    status, errors = machine.setup()
    harness.check_equal(status, 0, f"exit status\n{errors}")
    harness.check_equal(sorted(_read("installed").split()), sorted(machine.served), "installed")
    harness.check_equal([call.split()[0] for call in machine.calls()], ["update", "install"], "calls")


def _does_nothing_when_all_is_there(directory):
    machine = _Machine(directory, updated=True)
    _write("installed", "".join(f"{name}\n" for name in [*machine.served, _LACKING]))
    harness.check_equal(machine.setup(_not_root()), (0, ""), "status and errors")
    harness.check_equal(machine.calls(), [], "calls of apt-get")


def _says_what_to_install(directory):
    machine = _Machine(directory, updated=True)
    status, errors = machine.setup(_not_root())
    harness.check_equal(status, 1, f"exit status\n{errors}")
    line = [line for line in errors.splitlines() if "sudo apt-get install" in line]
    harness.check(line, errors)
    named = line[0].split("sudo apt-get install ")[1].split()
    harness.check_equal(sorted(named), sorted(machine.served), "what is to be installed")
    harness.check_equal(machine.calls(), [], "calls of apt-get")


def _says_that_lists_are_missing(directory):
    machine = _Machine(directory, updated=False)
    status, errors = machine.setup(_not_root())
    harness.check_equal(status, 1, f"exit status\n{errors}")
    harness.check("sudo apt-get update" in errors, errors)
    harness.check("sudo apt-get install" not in errors, errors)


harness.main({
    "installs-what-the-release-has": _installs_what_the_release_has,
    "fetches-lists-of-a-fresh-machine": _fetches_lists_of_a_fresh_machine,
    "does-nothing-when-all-is-there": _does_nothing_when_all_is_there,
    "says-what-to-install": _says_what_to_install,
    "says-that-lists-are-missing": _says_that_lists_are_missing,
})
