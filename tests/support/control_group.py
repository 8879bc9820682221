"""A control group to run a command in."""

import os
import subprocess

from support import harness, programs


class ControlGroup:
    """A group of its own below this process's, of version 1 or 2; removed at the end."""

    def __init__(self, controller):
        programs.require_root()
        with open("/proc/self/cgroup", encoding="ascii") as text:
            lines = [line.rstrip("\n").split(":", 2) for line in text]
        with open("/proc/self/mountinfo", encoding="utf-8") as text:
            mounts = [line.split() for line in text]
        for _, controllers, path in lines:
            if controller not in controllers.split(","):
                continue
            for mount in mounts:
                tail = mount[mount.index("-") + 1:]
                if tail[0] == "cgroup" and controller in tail[2].split(","):
                    self._make(mount[4] + path)
                    self.version = 1
                    return
        for mount in mounts:
            if mount[mount.index("-") + 1] == "cgroup2":
                path = next(path for number, _, path in lines if number == "0")
                self._make(mount[4] + path)
                self.version = 2
                if os.path.exists(os.path.join(self.path, f"{controller}.max")):
                    return
                self.remove()
        raise harness.Skip(f"no control group of {controller} can be made")

    def _make(self, parent):
        self.path = os.path.join(parent, f"hotcell-test-{os.getpid()}")
        try:
            os.mkdir(self.path)
        except OSError as error:
            raise harness.Skip(f"no control group can be made: {error}") from error

    def set(self, name, value):
        try:
            with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
                file.write(str(value))
        except OSError as error:
            self.remove()
            raise harness.Skip(f"{name}: {error}") from error

    def enter(self):
        with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as procs:
            procs.write(str(os.getpid()))

    def remove(self):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                subprocess.run(["sleep", "0.02"], check=True)
