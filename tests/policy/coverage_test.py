"""Every rule of the policy is needed, and workers make no call that no rule describes.

Jobs of all kinds run under strace; each call of their workers is held against the rules of the
filter that let it pass. A rule that nothing needs is a hole that nobody uses: it has to go.
"""

import json
import os
import signal
import subprocess
import time

from policy import worker_calls
from support import content, harness, programs

_BUILD = os.path.dirname(os.path.dirname(programs.HOTCELL))
_DEMOS = os.path.join(_BUILD, "guest", "demos")
# The kernel makes it for a worker that is stopped or frozen in the 2 ms for which it waits at its end;
# rules.*AStopDoesNotEndATimedWait* shows it.
_OF_A_STOPPED_WORKER = "restart_syscall"
# Some calls are a matter of luck: a lock is contended, a worker takes longer than the broker's grace
# to answer Stop and is killed. Jobs that may make them are repeated so often at most.
_PATIENCE = 20


class Suite:
    """Runs jobs under strace and collects what their workers need."""

    def __init__(self, directory):
        programs.require_kvm()
        programs.require_program("strace")
        self.log = os.path.join(directory, "calls")
        self.policy = worker_calls.Policy(
            json.loads(programs.must_hotcell("policy", "--output=json")))

    def _command(self, arguments):
        return ["strace", "-f", "-qq", "-e", "raw=all", "-e", "signal=none", "-o", self.log, "--",
                programs.HOTCELL, *arguments]

    def _look(self, arguments, lanes, run_filter):
        calls = worker_calls.of_job(self.log)
        harness.check({call.phase for call in calls} == {"set-up", "run"},
                      f"{arguments}: the worker has not run: {calls[-3:]}")
        stray = self.policy.check(calls, lanes, run_filter)
        harness.check(not stray, f"{arguments}: no rule allows {stray[:5]}")

    def job(self, *arguments, lanes=1, run_filter="run", status=0, **options):
        self._until_clear(self._job, arguments, lanes, run_filter, status, options)

    def cancelled_job(self, *arguments, lanes=1, run_filter="run"):
        """Runs a job that SIGINT ends while it runs."""
        self._until_clear(self._cancelled_job, arguments, lanes, run_filter)

    @staticmethod
    def _until_clear(run, *arguments):
        for _ in range(_PATIENCE):
            try:
                return run(*arguments)
            except worker_calls.UnclearTrace:
                continue
        raise harness.Failure(f"{arguments}: no trace was complete")

    def _job(self, arguments, lanes, run_filter, status, options):
        result = programs.run(self._command(arguments), **options)
        harness.check(result.returncode == status,
                      f"{arguments}: exit {result.returncode}: {result.stderr!r}")
        self._look(arguments, lanes, run_filter)

    def _cancelled_job(self, arguments, lanes, run_filter):
        if os.path.exists(self.log):
            os.remove(self.log)  # else that of the job before is taken for this one's
        with subprocess.Popen(self._command(arguments), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as strace:
            try:
                self._interrupt(strace.pid)
                strace.wait(programs.TIMEOUT_SECONDS)
            finally:
                strace.kill()
        self._look(arguments, lanes, run_filter)

    def _has_run(self):
        if not os.path.exists(self.log) or os.path.getsize(self.log) == 0:
            return False
        try:
            return any(call.phase == "run" and call.name == "ioctl"
                       for call in worker_calls.of_job(self.log))
        except worker_calls.UnclearTrace:
            return False  # it is still being written

    def _interrupt(self, strace):
        """Sends SIGINT to strace's child once its worker has entered the guest."""
        deadline = time.monotonic() + programs.TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            time.sleep(0.05)
            # The virtual machine is run once while it is set up.
            if self._has_run():
                break
        with open(f"/proc/{strace}/task/{strace}/children", encoding="ascii") as children:
            os.kill(int(children.read().split()[0]), signal.SIGINT)


def _convert_jobs(suite, directory):
    raw = content.pattern()
    qcow2 = os.path.join(directory, "image.qcow2")
    out = os.path.join(directory, "out")
    for lanes in (1, 2):
        suite.job("convert", f"--lanes={lanes}", "-f", "raw", "-O", "qcow2", raw, qcow2,
                  lanes=lanes)
        suite.job("convert", f"--lanes={lanes}", "-f", "raw", "-O", "qcow2", "-c", raw, out,
                  lanes=lanes)
        suite.job("convert", f"--lanes={lanes}", "-f", "qcow2", "-O", "raw", qcow2, out,
                  lanes=lanes)
    suite.job("digest", "--lanes=3", qcow2, lanes=3)
    suite.job("compare", "--lanes=2", raw, qcow2, lanes=2)
    return qcow2


def _short_jobs(suite, qcow2, directory):
    """Those that do without ioeventfds."""
    new = os.path.join(directory, "new")
    for arguments in (["info", qcow2], ["check", qcow2], ["map", qcow2], ["inspect", qcow2],
                      ["measure", "-O", "qcow2", qcow2], ["create", "-f", "qcow2", new, "1G"],
                      ["convert", new, os.path.join(directory, "empty")]):
        suite.job(*arguments, run_filter="run-doorbells")


def _programs(suite, directory):
    """Guests of the user's own."""
    serial = os.path.join(directory, "serial")
    with open(serial, "w", encoding="ascii") as text:
        text.write("ping\n")
    suite.job("run", "--mode=real", "--load=0", f"--serial-input={serial}",
              os.path.join(_DEMOS, "real_serial.bin"), status=42)
    suite.job("run", "--mode=real", "--load=0x1000", "--dirty-pages", "--verbose",
              os.path.join(_DEMOS, "real_sum.bin"), run_filter="run-dirty-log")
    suite.job("run", "--mode=long", f"--input={serial}",
              f"--output={os.path.join(directory, 'upper')}", os.path.join(_DEMOS, "long_upper.elf"))
    suite.job("run", "--mode=long", "--vcpus=4", "--timeout=0.7",
              os.path.join(_DEMOS, "long_endless_loop.bin"), lanes=4, status=124)
    suite.cancelled_job("run", "--mode=real", os.path.join(_DEMOS, "real_endless_loop.bin"))


def _unused(suite):
    return [(table, rule) for table, rule in suite.policy.unused()
            if rule["call"] != _OF_A_STOPPED_WORKER]


def _chances(suite, qcow2, directory):
    for _ in range(_PATIENCE):
        if not _unused(suite):
            return
        suite.job("run", "--mode=real", "--timeout=0.5",
                  os.path.join(_DEMOS, "real_endless_loop.bin"), status=124)
        suite.job("convert", "--lanes=16", "-c", "-f", "qcow2", "-O", "qcow2", qcow2,
                  os.path.join(directory, "out"), lanes=16)


def _every_rule_is_needed_and_nothing_else(directory):
    suite = Suite(directory)
    qcow2 = _convert_jobs(suite, directory)
    _short_jobs(suite, qcow2, directory)
    _programs(suite, directory)
    _chances(suite, qcow2, directory)
    unused = [worker_calls.describe(table, rule) for table, rule in _unused(suite)]
    harness.check(not unused, "nothing needs these rules:\n  " + "\n  ".join(unused))


# ---- The judge itself ---------------------------------------------------------------------------

_RULES = [
    {"call": "write", "caller": "a", "reason": "b", "conditions": [
        {"argument": 0, "match": "equals", "value": 4, "words": "fd is 4"}]},
    {"call": "read", "caller": "a", "reason": "b", "conditions": [
        {"argument": 0, "match": "lane", "value": 32, "words": "fd is a lane's"}]},
]
_DESCRIPTION = {
    "tables": [{"name": "run", "rules": _RULES}, {"name": "set-up", "rules": []}],
    "filters": [{"name": "run", "tables": ["run"]}, {"name": "set-up", "tables": ["run", "set-up"]}],
}


def _strays_and_unused_rules_are_found(_):
    policy = worker_calls.Policy(_DESCRIPTION)
    harness.check_equal(len(policy.unused()), 2, "unused before any call")
    allowed = worker_calls.Call("write", [4, 0, 8], "run", 1)
    stray = [worker_calls.Call("write", [5, 0, 8], "run", 1),
             worker_calls.Call("read", [33, 0, 8], "run", 1),
             worker_calls.Call("socket", [2, 1, 0], "run", 1)]
    harness.check_equal(policy.check([allowed, *stray], lanes=1), stray, "strays of one lane")
    harness.check_equal([rule["call"] for _, rule in policy.unused()], ["read"], "unused")
    harness.check_equal(policy.check(stray[1:2], lanes=2), [], "strays of two lanes")
    harness.check_equal(policy.unused(), [], "unused in the end")


def _a_call_of_the_setup_needs_no_rule_of_the_run(_):
    policy = worker_calls.Policy(_DESCRIPTION)
    harness.check_equal(policy.check([worker_calls.Call("write", [4], "set-up", 1)], lanes=1), [],
                        "strays")
    harness.check_equal(len(policy.unused()), 2, "unused")


def _calls_are_read_from_straces_log(directory):
    log = os.path.join(directory, "log")
    with open(log, "w", encoding="ascii") as out:
        out.write("10 execve(0x1, 0x2, 0x3) = 0\n"
                  "10 clone3(0x7ffc, 0x58 <unfinished ...>\n"
                  "11 execveat(0x5, 0x7, 0x8, 0x9, 0x1000) = 0\n"
                  "10 <... clone3 resumed>) = 0xb\n"
                  "11 getpid() = 0x1\n"
                  "11 seccomp(0x1, 0, 0x7ffd) = 0\n"
                  "11 mmap(0, 0x1000, 0x3, 0x22, 0xffffffffffffffff, 0) = 0x7f0000\n"
                  "11 clone(0x3d0f00, 0x7f) = 0x2\n"
                  "11 seccomp(0x1, 0x1, 0x7ffd <unfinished ...>\n"
                  "10 read(0x3, 0x7ffd, 0x4 <unfinished ...>\n"
                  "11 <... seccomp resumed>) = 0\n"
                  "12 ioctl(0x30, 0xae80, 0) = 0\n"
                  "12 +++ exited with 0 +++\n")
    calls = worker_calls.of_job(log)
    harness.check_equal([(call.name, call.phase) for call in calls],
                        [("mmap", "set-up"), ("clone", "set-up"), ("seccomp", "set-up"),
                         ("ioctl", "run")], "calls")
    harness.check_equal(calls[0].arguments, [0, 0x1000, 3, 0x22, 2**64 - 1, 0], "of mmap")
    harness.check_equal(calls[3].tgid, 1, "thread group")


CASES = {
    "strays_and_unused_rules_are_found": _strays_and_unused_rules_are_found,
    "a_call_of_the_setup_needs_no_rule_of_the_run": _a_call_of_the_setup_needs_no_rule_of_the_run,
    "calls_are_read_from_straces_log": _calls_are_read_from_straces_log,
    "every_rule_is_needed_and_nothing_else": _every_rule_is_needed_and_nothing_else,
}

if __name__ == "__main__":
    harness.main(CASES)
