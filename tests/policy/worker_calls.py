"""The system calls of a worker, as strace saw them, and the rules that allow them.

The rules are those that `hotcell policy --output=json` prints.
"""

import collections
import dataclasses
import re

# strace's -e raw=all gives the registers, whatever the call makes of them. A call that blocks comes
# in two lines; all that matters is in the first.
_LINE = re.compile(r"^(\d+) +(?:([a-z_0-9]+)\(|<\.\.\. ([a-z_0-9]+) resumed>)(.*)$")
_RESULT = re.compile(r"\) += (-?(?:0x[0-9a-f]+|\d+)|\?)")
_SECCOMP_FILTER = 1  # SECCOMP_SET_MODE_FILTER


@dataclasses.dataclass
class Call:
    name: str
    arguments: list
    phase: str  # "set-up" or "run": the filter that it passed
    tgid: int


def _number(text):
    return int(text, 0) & (2**64 - 1)


def _arguments(text):
    """The arguments in '0x1, 0x7f00, 0x2) = 2' or '0x1, 0x7f00, 0x2 <unfinished ...>'."""
    text = re.split(r"\)? +<unfinished|\) += |\)$", text)[0].strip()
    return [_number(part) for part in text.split(", ")] if text else []


@dataclasses.dataclass
class _Line:
    task: int
    name: str
    arguments: list  # None: the rest of a call
    result: str      # None: it is not over


def _lines(log):
    with open(log, encoding="ascii", errors="replace") as lines:
        for line in lines:
            match = _LINE.match(line)
            if not match:
                continue  # a signal, an end
            task, begun, resumed, rest = match.groups()
            result = _RESULT.search(rest)
            yield _Line(int(task), begun or resumed, _arguments(rest) if begun else None,
                        result.group(1) if result else None)


class UnclearTrace(Exception):
    """The trace does not tell which task one of the broker's calls made: it ended before."""


def _births(lines, worker):
    """(parent, child) of the tasks that the broker's made."""
    births = []
    open_calls = set()
    for line in lines:
        if line.name not in ("clone", "clone3") or line.task == worker:
            continue
        if line.result is None:
            open_calls.add(line.task)
        elif line.result == "?":
            raise UnclearTrace
        else:
            open_calls.discard(line.task)
            births.append((line.task, int(line.result, 0)))
    if open_calls:
        raise UnclearTrace
    return births


def _worker_tasks(lines):
    """The worker, which is what called execveat(), and all tasks that are not the broker's."""
    worker = next((line.task for line in lines if line.name == "execveat"), None)
    # Numbers of the broker's namespace; what the worker is told of its threads are not.
    births = _births(lines, worker)
    broker = set()
    found = {lines[0].task}
    # A thread may have been heard of before the call that made it was over.
    while found - broker:
        broker |= found
        found = {child for parent, child in births if parent in broker}
    broker.discard(worker)
    return worker, {line.task for line in lines} - broker


def of_job(log):
    """Every call that the one worker of a command made under a filter, in order, up to its end.

    Of threads that the kernel is ending strace cannot read the registers, and shows those of whatever
    it looked at last.
    """
    lines = list(_lines(log))
    worker, tasks = _worker_tasks(lines)
    calls = []
    phase = None
    tgid = None
    for line in lines:
        if line.task not in tasks:
            if line.name == "pidfd_send_signal":
                break
            continue
        if line.name == "getpid" and line.result:
            tgid = int(line.result, 0)
        if line.arguments is not None and phase is not None:
            calls.append(Call(line.name, line.arguments, phase, tgid))
            if line.name == "exit_group":
                break
        if line.name == "seccomp" and line.task == worker and line.result == "0":
            phase = "set-up" if phase is None else "run"
    return calls


def _holds(condition, call, lanes):
    index = condition["argument"]
    value = call.arguments[index] if index < len(call.arguments) else 0
    if condition["match"] == "equals":
        return value == condition["value"]
    if condition["match"] == "masked":
        return value & condition["mask"] == condition["value"]
    if condition["match"] == "lane":
        return condition["value"] <= value < condition["value"] + lanes
    if condition["match"] == "own-tgid":
        return value == call.tgid
    raise ValueError(f"unknown match {condition['match']}")


class Policy:
    """The rules, and which of them were needed so far."""

    def __init__(self, description):
        self._tables = {table["name"]: table["rules"] for table in description["tables"]}
        self._filters = {one["name"]: one["tables"] for one in description["filters"]}
        self._needed = collections.Counter()

    def _matching(self, call, tables, lanes):
        for table in tables:
            for index, rule in enumerate(self._tables[table]):
                if rule["call"] == call.name and all(
                        _holds(condition, call, lanes) for condition in rule["conditions"]):
                    yield table, index

    def check(self, calls, lanes, run_filter="run"):
        """Notes the rules that the calls need. Returns the calls that none allows."""
        stray = []
        for call in calls:
            tables = self._filters["set-up" if call.phase == "set-up" else run_filter]
            allowed = list(self._matching(call, tables, 16 if call.phase == "set-up" else lanes))
            if not allowed:
                stray.append(call)
            # A rule of the run is there for the run; what two rules allow needs neither.
            if len(allowed) == 1 and (allowed[0][0] == "set-up") == (call.phase == "set-up"):
                self._needed[allowed[0]] += 1
        return stray

    def unused(self):
        """(table, rule) of each that no call needed."""
        return [(table, rule) for table, rules in self._tables.items()
                for index, rule in enumerate(rules)
                if not self._needed[table, index]]


def describe(table, rule):
    conditions = ", ".join(condition["words"] for condition in rule["conditions"]) or "always"
    return f"{table}: {rule['call']} when {conditions} ({rule['caller']}: {rule['reason']})"
