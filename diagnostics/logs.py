"""Stage logs: what the application said last, and what that means.

The logs of containers that ended, or run without being ready, are read. A line counts as the reason when it
is the decisive one of the run that ended; the same words in the middle of a log are a remark. Of a container
that is ready counts only what it repeats at present.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from poddoctor.model import Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import LOG_LINES, RECENT, log_reads, log_text, pod_of, recent_log_read

from ._complaints import SHOWN_BY_CLUSTER, complaint
from ._ends import End, last_end
from ._logfacts import PARTICULARS, addressed, candidate_reads, fact_reads, facts, given
from ._logroots import first_cause, went_on
from ._logrules import Meaning, address_in, meanings
from ._logtext import (
    ERROR,
    FAREWELL,
    FATAL,
    PLAIN,
    WEAK,
    Line,
    decisive_of,
    goes_on,
    quoted,
    read,
    remark,
    subjects,
    without_head,
)
from ._process import is_over, place

_COMMON = (
    *("line", "number", "log", "exit_code", "fatal", "field", "template", "index", "backing_off"),
    *PARTICULARS,
)
_MEANINGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "dependency-refused": ("a connection to another program was refused", ("host", "port", "socket")),
    "dependency-not-resolved": ("the name of another program could not be resolved", ("host", "port")),
    "dependency-timed-out": ("another program did not answer in time", ("host", "port", "socket")),
    "dependency-rejected-credentials": (
        "another program rejected user, password or token",
        (
            "host",
            "port",
            "user",
            "service_kind",
            "refuser",
            "url",
            "action",
            "line_feed",
            "node_role",
            "account",
            "unencrypted_user",
        ),
    ),
    "dependency-tls-failed": ("TLS with another program failed", ("host", "port", "problem", "valid_for")),
    "certificate-expired": (
        "a certificate is past its end, or not valid yet",
        ("host", "port", "not_after", "not_before", "clock", "path"),
    ),
    "environment-variable-missing": ("a variable that the program needs is not set", ("variable",)),
    "file-missing": ("a file that the program needs is not there", ("path", "operation", "unopened")),
    "configuration-invalid": (
        "the program rejects its configuration",
        ("path", "at", "setting", "value", "problem", "program", "given_by", "header"),
    ),
    "permission-denied": ("the program may not use a file", ("path", "operation", "act", "why", "dropped")),
    "read-only-filesystem": ("the program writes where nothing can be written", ("path",)),
    "privileged-port-denied": ("the program may not listen on a port below 1024", ("port",)),
    "port-in-use": ("the port that the program listens on is taken", ("port",)),
    "disk-full": ("no space is left where the program writes", ("path",)),
    "bad-arguments": ("the program does not know its arguments", ("argument", "missing", "value")),
    "module-missing": (
        "a module or library is not in the image",
        ("module", "from_module", "language", "driver_library"),
    ),
    "heap-exhausted": (
        "the program's own heap is full, or the system refuses it memory",
        ("runtime", "pool", "other_pool", "bytes", "denied", "device", "gpu", "gpu_wanted", "gpu_total"),
    ),
    "kubernetes-api-forbidden": (
        "the API server refuses the pod's service account",
        (
            "verb",
            "resource",
            "api_group",
            "service_account",
            "account_namespace",
            "scope_namespace",
            "scope",
            "user",
        ),
    ),
    "file-descriptors-exhausted": ("the program may open no more files", ("limit",)),
    "process-limit": ("the program may start no more processes or threads", ()),
    "data-directory-incompatible": (
        "the data on the volume does not suit the program",
        (
            "path",
            "problem",
            "data_version",
            "program_version",
            "data_cluster",
            "program_cluster",
            "stray",
            "old_path",
        ),
    ),
    "dependency-unreachable": (
        "a connection to another program failed, it is not said how",
        ("host", "port"),
    ),
    "database-schema-mismatch": (
        "the database is there, but not what the program expects in it",
        ("database", "table", "column", "version", "existing", "problem"),
    ),
    "kubernetes-kind-missing": (
        "the API server does not know a kind that the program needs",
        ("kind", "api_version", "resource"),
    ),
    "kubernetes-api-unreachable": ("the API server does not answer the pod", ("host", "port", "api_env")),
    "leader-election-lost": ("the program was the leader and lost its lease", ("cpu_limit",)),
    "sysctl-too-low": ("a setting of the node's kernel is too low", ("sysctl_name", "have", "wanted")),
    "dns-loop": ("CoreDNS asks itself", ("loop_from", "zone")),
    "file-too-open": ("the program refuses a file that others may read or write", ("path", "mode")),
    "license-rejected": ("the program's licence is missing or not valid", ("accept", "variable")),
    "runtime-version-mismatch": (
        "the program needs another version of its runtime",
        ("runtime", "wanted", "have", "module", "engine", "class_files"),
    ),
}
SYMPTOMS: Mapping[str, SymptomKind] = {
    "logs.fatal-line": SymptomKind(
        "the line that says why the container ended; meaning names what the line states, if that is known",
        ("line", "number", "log", "kind", "exit_code", "meaning"),
    ),
    "logs.cluster-agrees": SymptomKind(
        "the state of the cluster shows why what the log complains about fails", ("meaning",)
    ),
    **{
        f"logs.{what}": SymptomKind(meaning, (*_COMMON, *(name for name in names if name not in _COMMON)))
        for what, (meaning, names) in _MEANINGS.items()
    },
}
_STARTING, _STUCK = timedelta(seconds=20), timedelta(minutes=1)
# What an init container waits for is told where its waiting is: by the lifecycle of the pod.
_WAITED_FOR = frozenset(
    {"dependency-refused", "dependency-not-resolved", "dependency-timed-out", "dependency-unreachable"}
)
_OWN_ENDS = frozenset({"itself", "signal"})
_NO_LOG_MATTERS = frozenset(
    {"start", "memory", "node-memory", "change", "deletion", "eviction", "pod-end", "lost", "node-restart"}
)
_NEAR = 3
_WORDS_OF_LEVEL = lazy(r"(?i)^(?:(?:uncaught )?error|fatal(?: error)?|critical): ?")
_GOODBYE, _LATER = 40, 60
_SERVES = lazy(
    r"(?i)\b(?:listening (?:on|at)|(?:server|service|app\w*) (?:is )?(?:started|running|ready|up)\b|"
    r"started \w+ in [\d.]+|ready (?:to accept|for) connections|accepting connections|serving (?:on|at|http))"
)
_SHUTDOWN = lazy(
    r"(?i)\bSIGTERM\b|\bsignal[: ]+\"?(?:15|terminated)|"
    r"(?:received|caught|got|handling) (?:an? |the )?(?:\w+ )?(?:shutdown|terminat\w*|stop|quit)\b|"
    r"graceful(?:ly)? (?:shut|stop)|(?:start\w*|begin\w*|initiat\w*) shut ?down"
)
_DISLIKES = lazy(
    r"(?i)\b(?:unknown|unrecogni[sz]ed|unexpected|unsupported|illegal|invalid|no such|removed|cannot be used|"
    r"not (?:a )?(?:valid|supported|recogni[sz]ed|known)|mutually exclusive)\b"
)
_OPTION = lazy(
    r"(?i)([\"'`]|\b(?:unknown|unrecogni[sz]ed|unexpected|unsupported|illegal|invalid|flag|option|argument|parameter|"
    r"switch)s?:? )?(?<![\w-])(--?[A-Za-z][\w.-]*\w)([\"'`]|:)?"
)
_OF_FILES = frozenset({"permission-denied", "file-missing", "read-only-filesystem", "disk-full"})
_QUOTED_PATH = lazy(r"['\"`](/[^\s'\"`]+)['\"`]")
_BULLET = lazy(r"^\s*[-*•] ?\S")
_CONNECTING = lazy(r"(?i)\b(?:connecting|dialing|waiting for|trying)\b")
_DETAIL = lazy(r"\b(?:DETAIL|HINT|CONTEXT|detail|hint): |^>>> ")
_TAIL = 15
_SHOWN = 300  # characters of a line
_WORDS = 3  # fewer than these in a line say nothing
_WORD = lazy(r"[A-Za-z]{2,}")
_QUIET = 8  # entries: one complaint that this many calm ones follow is history for a program that runs
# What a fault of the program itself reads like: it needs no other line to explain it.
_OWN_STORY = lazy(
    r"panic: runtime error|nil pointer|index out of (?:range|bounds)|slice bounds out|integer divide by zero|"
    r"concurrent map|goroutines are asleep|double free|[Ss]egmentation fault|SIGSEGV|stack smashing|"
    r"\b(?:Type|Reference|Attribute|Name|Index|Key|ZeroDivision|Assertion|Recursion|UnboundLocal|"
    r"NotImplemented|NoMethod|Range|StackOverflow|Arithmetic)Error\b|"
    r"\b(?:NullPointer|NullReference|ClassCast|InvalidCast|IndexOutOfBounds|ArrayIndexOutOfBounds|"
    r"IndexOutOfRange|ConcurrentModification|Arithmetic|ArgumentNull|KeyNotFound)Exception\b|"
    r"Cannot read propert|is not a function|undefined method|[Aa]ssertion\b.*failed|assertion failed|"
    r"called `?(?:Option|Result)::|attempt to (?:add|subtract|multiply|divide)|"
    r"\((?:FunctionClause|Match)Error\)"
)
_SAYS_WHAT = lazy(
    r"/\w|[\"'‘`(]|\b\w+\.\w{2,4}\b|\b(?:chown|chroot|set\w*[ug]ids?|setgroups|switching)\b|EACCES|EPERM|ENOENT|[Ee]rrno"
)
# What an end reads like that leaves the reason to the lines before it.
_LEAVES_OPEN = lazy(
    r"(?i)giv(?:e|ing|en)[- ]up|cannot|could not|couldn't|can't|unable|fail|start(?:ed|ing|up)?\b|\bboot|"
    r"\binit|connect|database|broker|availab|reach|\bretr(?:y|ies)|attempt|time(?:d)?[- ]?out|"
    r"deadline exceeded|exit|abort|fatal error|shut|\bstop|terminat|depend|health"
)


@dataclass(frozen=True, slots=True)
class _Failing:
    """A container whose words matter now, and its end if it ended."""

    one: Container
    end: End | None
    unrecorded: bool = False
    works: bool = False

    @property
    def ended(self) -> bool:
        return self.end is not None or self.unrecorded

    @property
    def ended_itself(self) -> bool:
        if self.end is None:
            return self.unrecorded
        return self.end.by in _OWN_ENDS and self.end.exit_code != 0


@dataclass(frozen=True, slots=True)
class _Said:
    """One text that a container left: ``current``, ``previous`` or ``terminationMessage``."""

    log: str
    source: str
    lines: tuple[Line, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The line that matters in one text, and its meaning if a rule knows it."""

    said: _Said
    line: Line
    meaning: Meaning | None
    near: bool


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The logs of failing containers, then what they name in the cluster."""
    for failing in _failing(snapshot):
        previous, current = log_reads(snapshot, failing.one.name)
        yield recent_log_read(snapshot, failing.one.name) if failing.works else current
        if (failing.one.last_terminated and not failing.works) or failing.unrecorded:
            yield previous
        verdict = _verdict(snapshot, failing)
        if verdict and verdict.meaning:
            one, entry = failing.one, _entry(verdict)
            yield from candidate_reads(snapshot, one, verdict.meaning, entry)
            yield from fact_reads(snapshot, one, addressed(snapshot, one, verdict.meaning, entry))


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """The decisive line of each failing container, and what it means."""
    for failing in _failing(snapshot):
        verdict = _verdict(snapshot, failing)
        if verdict is None or (failing.one.kind == "init" and _at_work(failing, verdict)):
            continue
        symptoms = list(_symptoms(snapshot, failing, verdict))
        proven = any(one.name == "logs.cluster-agrees" for one in symptoms)
        if not failing.works or proven or (verdict.meaning and verdict.meaning.what not in SHOWN_BY_CLUSTER):
            yield from symptoms


def _failing(snapshot: Snapshot) -> Iterator[_Failing]:
    pod = pod_of(snapshot)
    if pod is None or (pod.get("metadata") or {}).get("deletionTimestamp"):
        return
    for one in containers(pod, "init", "sidecar", "app"):
        end = last_end(snapshot, one)
        if end is not None and not is_over(one, snapshot.clock):
            if end.by not in _NO_LOG_MATTERS and (end.exit_code or one.kind != "init"):
                yield _Failing(one, end)
        elif end is None and one.waiting.get("reason") == "CrashLoopBackOff":
            yield _Failing(one, None, unrecorded=True)
        elif one.is_running and not one.ready:
            started = one.started_at
            if started is None or snapshot.clock - started > (_STARTING if one.kind != "init" else _STUCK):
                yield _Failing(one, None)
        elif one.is_running and one.kind != "init" and all(app.ready for app in containers(pod, "app")):
            yield _Failing(one, None, works=True)


def _at_work(failing: _Failing, verdict: _Verdict) -> bool:
    """Whether an init container that runs is not shown to fail again and again at one thing."""
    if failing.ended:
        return False
    if verdict.meaning is None or verdict.meaning.what in _WAITED_FOR:
        return True
    found = [one for one in _understood(verdict.said.lines) if one.what == verdict.meaning.what]
    return len({one.line.block for one in found}) < 2


def _said(snapshot: Snapshot, failing: _Failing) -> Iterator[_Said]:
    """The texts of the run in question, the best one first."""
    one = failing.one
    if failing.works:
        lines = _read(log_text(snapshot, recent_log_read(snapshot, one.name)) or "")
        yield _Said("current", f"log {one.name}", lines, len(lines) < LOG_LINES)
        return
    previous, current = log_reads(snapshot, one.name)
    order = [("current", current), ("previous", previous)]
    if failing.end is not None and one.is_running:
        order = [("previous", previous), ("current", current)]
    for log, request in order:
        text = log_text(snapshot, request)
        if text and text.strip():
            lines = _before_shutdown(_read(text)) if _was_told(failing.end) else _read(text)
            name = f"log {one.name}" + (" (previous)" if log == "previous" else "")
            yield _Said(log, name, lines, len(lines) < LOG_LINES)
    if failing.end is not None:
        message = str(failing.end.record.get("message") or "")
        if message.strip():
            yield _Said("terminationMessage", f"{failing.end.source}.message", _read(message), whole=True)


def _was_told(end: End | None) -> bool:
    """Whether somebody else ended the container: what it says after SIGTERM follows from that."""
    return end is not None and (end.by not in _OWN_ENDS or end.exit_code in (0, 143))


def _before_shutdown(lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines before the program says that it was told to stop."""
    for index in range(max(0, len(lines) - _GOODBYE), len(lines)):
        if _SHUTDOWN.search(lines[index].text):
            return lines[:index]
    return lines


@lru_cache(maxsize=16)
def _read(text: str) -> tuple[Line, ...]:
    return tuple(read(text))


@lru_cache(maxsize=16)
def _understood(lines: tuple[Line, ...]) -> tuple[Meaning, ...]:
    return tuple(meanings(lines))


def _verdict(snapshot: Snapshot, failing: _Failing) -> _Verdict | None:
    """What the container said that matters: the first text with a meaning or an error, or its last words."""
    first: _Verdict | None = None
    for said in _said(snapshot, failing):
        if failing.works:
            return _repeated(said, str(failing.one.spec.get("image") or ""))
        line = decisive_of(said.lines)
        if line is None:
            continue
        found = _meant(said, line, ended=failing.ended, one=failing.one)
        if not failing.ended and _survived(found):
            found = _Verdict(said, found.line, None, near=False)
        if found.meaning is not None:
            return found
        if first is None or (first.line.weight < ERROR <= line.weight):
            first = found
    return first


def _repeated(said: _Said, image: str) -> _Verdict | None:
    """What a container that works complains of at present."""
    found = complaint(said.lines, _understood(said.lines), image)
    if found is None:
        return None
    meaning, times = found
    counted = {**meaning.attributes, "times": str(times)}
    return _Verdict(said, meaning.line, Meaning(meaning.what, meaning.line, counted), near=False)


def _survived(verdict: _Verdict) -> bool:
    """Whether a program that still runs has left this line behind: it serves since, or said much more."""
    lines, line = verdict.said.lines, verdict.line
    later = [one for one in lines if one.number > line.number and one.block != line.block]
    if len(later) > _LATER or any(one.weight <= PLAIN and _SERVES.search(one.text) for one in later):
        return True
    if verdict.meaning is None or len(later) <= _QUIET or any(one.weight >= WEAK for one in later):
        return False
    # Said once, and nothing but calm since.
    said = [one for one in _understood(lines) if one.what == verdict.meaning.what]
    return len({one.line.block for one in said}) == 1


def _meant(said: _Said, line: Line, *, ended: bool, one: Container | None) -> _Verdict:
    """The meaning of the decisive line or of the entry around it; failing that, of the last complaint."""
    all_found = [
        each for each in _understood(said.lines) if not each.attributes.get("bare") or given(one, each)
    ]
    last = said.lines[-1].number
    order = {id(one): place_ for place_, one in enumerate(all_found)}

    def near(one: Meaning) -> bool:
        apart = abs(one.line.number - line.number)
        return one.line.block == line.block or apart <= (_NEAR if line.weight > PLAIN else _NEAR + 2)

    close = [one for one in all_found if near(one) and not _apart(said.lines, one, line)]
    if not close and line.weight > PLAIN and (same := _repeats(said.lines, all_found, line)):
        return _Verdict(said, same[-1].line, _merged(said.lines, same[-1], same, all_found), near=True)
    if close:
        exact = [one for one in close if one.line.number == line.number]
        pool = exact or close
        best = first_cause(
            said.lines, min(pool, key=lambda one: (-one.line.weight, order[id(one)])), all_found
        )
        # What an entry before the end says may be its reason, and may be another matter.
        plain = (best.line.block == line.block or line.weight < ERROR) and not remark(best.line)
        plain = plain or (best.line.weight >= ERROR and (_open(line) or _shared(best.line, line)))
        shown = line if exact and best in exact else best.line
        return _Verdict(said, shown, _merged(said.lines, best, close, all_found), near=plain)
    tail = [
        one
        for one in all_found
        if not _apart(said.lines, one, line)
        and (
            last - one.line.number < _TAIL
            or (one.line.weight >= ERROR and last - one.line.number < 4 * _TAIL)
        )
    ]
    # A panic that no rule knows is its own story; a remark before it is not.
    if tail and (line.weight < FATAL or not ended):
        best = max(tail, key=lambda one: (one.line.weight, one.line.number, -order[id(one)]))
        return _Verdict(said, best.line, _merged(said.lines, best, tail, all_found), near=False)
    return _Verdict(said, line, _refused_option(one, line) if ended else None, near=False)


def _repeats(lines: Iterable[Line], found: Iterable[Meaning], line: Line) -> list[Meaning]:
    """What an earlier entry says in the same words as the last ones, and in full."""
    core = _WORDS_OF_LEVEL.sub("", without_head(line.text)).strip(" .:").lower()
    blocks = {one.block for one in lines if core in one.text.lower()} if len(core) >= _TAIL else set()
    return [one for one in found if one.line.block in blocks]


def _refused_option(one: Container | None, line: Line) -> Meaning | None:
    """An option of the container's own command line that the last words, however worded, do not like."""
    if one is None or line.weight < WEAK or not _DISLIKES.search(line.text):
        return None
    words = [str(word) for word in [*(one.spec.get("command") or ()), *(one.spec.get("args") or ())]]
    given_ = {word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 2}
    said = quoted(line, [])
    named = {option for before, option, after in _OPTION.compiled.findall(said) if before or after}
    named |= {option for option in given_ if said.startswith(option)}
    named &= given_
    return Meaning("bad-arguments", line, {"argument": named.pop()}) if len(named) == 1 else None


def _unsure(meaning: Meaning | None) -> bool:
    """Whether the line says what happened without saying to what, so that it may mean something else."""
    if meaning is None:
        return False
    nameless = meaning.what in ("permission-denied", "file-missing") and not _SAYS_WHAT.search(
        meaning.line.text
    )
    return nameless or bool(meaning.attributes.get("unsure"))


def _apart(lines: Sequence[Line], meaning: Meaning, line: Line) -> bool:
    """Whether what ended the program is another matter than what an entry before or after it says.

    A fault of the program itself stands alone. Any other error is explained by a mere remark only if it
    leaves its reason open, or if both speak of the same thing.
    """
    same = meaning.line.block == line.block or meaning.line.number == line.number
    if goes_on(meaning.line.text) and not (same and line.weight >= ERROR):
        return True
    if same or line.weight < WEAK:
        return False
    if _OWN_STORY.search(line.text):
        return True
    if line.weight < ERROR or _open(line) or _shared(meaning.line, line):
        return False
    return remark(meaning.line) or went_on(lines, meaning.line, line)


def _open(line: Line) -> bool:
    """Whether a line leaves the reason of the end to those before it."""
    text = FAREWELL.sub("", line.text)
    return bool(_LEAVES_OPEN.search(text)) or len(_WORD.findall(text)) < _WORDS


def _shared(one: Line, other: Line) -> bool:
    return any(len(word) > _WORDS for word in subjects(one.text) & subjects(other.text))


def _merged(
    lines: Sequence[Line], best: Meaning, others: Iterable[Meaning], found: Iterable[Meaning]
) -> Meaning:
    """The meaning with the particulars that the same entry gives elsewhere.

    Who the other side is may be said in an error before it only: it is taken if all of them name one.
    """
    values = dict(best.attributes)
    for one in found if "accept" in values else others:
        same = one.line.block == best.line.block or _details(one.line, best.line) or "accept" in values
        if one.what == best.what and same:
            for key, value in one.attributes.items():
                values.setdefault(key, value)
    if str(values.get("module", "")).startswith("GLIBC"):
        values["module"] = max((one.attributes.get("module", "") for one in found), key=_version)
    if best.what in _OF_FILES and not values.get("path") and (path := _path_above(lines, best.line)):
        values["path"] = path
    if "host" in _MEANINGS[best.what][1] and not (values.keys() & {"host", "port", "socket"}):
        sides = {
            (one.attributes["host"], one.attributes.get("port", ""))
            for one in found
            if one.what == best.what and one.line.weight >= ERROR and one.attributes.get("host")
        }
        if not sides:
            sides = _sides_beside(best, found)
        if len(sides) == 1:
            values["host"], values["port"] = sides.pop()
        elif not sides and (announced := _announced(lines, best)):
            values |= {**announced, "only_address": "an earlier line of the log names it"}
    return Meaning(best.what, best.line, values)


def _sides_beside(best: Meaning, found: Iterable[Meaning]) -> set[tuple[str, str]]:
    """The other side that a remark right beside names, of the same failure."""
    beside = (one for one in found if abs(one.line.number - best.line.number) <= _NEAR)
    return {
        (one.attributes["host"], one.attributes.get("port", ""))
        for one in beside
        if one.what == best.what and one.attributes.get("host")
    }


def _path_above(lines: Sequence[Line], line: Line) -> str:
    """The only path that the error right above names: the system's own words follow it, without one."""
    above = next((one for one in lines if one.number == line.number - 1 and one.weight >= ERROR), None)
    paths = set(_QUOTED_PATH.compiled.findall(above.text)) if above else set()
    return paths.pop() if len(paths) == 1 and not _QUOTED_PATH.search(line.text) else ""


def _version(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.rpartition("_")[2].split(".") if part.isdigit())


def _announced(lines: Sequence[Line], best: Meaning) -> dict[str, str]:
    """The only address to which the program said that it would connect, before it failed to."""
    before = [
        one
        for one in lines
        if one.number < best.line.number and one.weight <= PLAIN and _CONNECTING.search(one.text)
    ]
    named = [each for one in before[-_QUIET:] if (each := address_in(one)).get("host")]
    return named[-1] if len({each["host"] for each in named}) == 1 else {}


def _details(one: Line, best: Line) -> bool:
    """Whether a line is the detail that a server logs right after an error, as an entry of its own."""
    return 0 < one.number - best.number <= _NEAR and bool(_DETAIL.search(one.text))


def _symptoms(snapshot: Snapshot, failing: _Failing, verdict: _Verdict) -> Iterator[Symptom]:
    line, said, one = verdict.line, verdict.said, failing.one
    text = _shortened(" ".join(line.text.split()))
    where = f"{said.source}, line {line.number}" if said.whole else f"{said.source}, {_from_end(said, line)}"
    meaning = addressed(snapshot, one, verdict.meaning, _entry(verdict)) if verdict.meaning else None
    extra, notes, agrees = facts(snapshot, one, meaning) if meaning else ({}, [], False)
    own = failing.ended_itself and verdict.near and not failing.unrecorded and not _unsure(verdict.meaning)
    own = own and bool(agrees or not extra.get("guessed"))
    common = {"line": quoted(line, said.lines)[:300], "number": str(line.number), "log": said.log}
    if failing.end is not None:
        common["exit_code"] = str(failing.end.exit_code)
    time = failing.end.finished if failing.end else None
    if failing.ended_itself:
        known = {"meaning": meaning.what} if meaning and own else {}
        yield Symptom(
            "logs.fatal-line", one.subject, where, text, {**common, "kind": line.kind, **known}, time
        )
    if meaning is None or (failing.end is not None and failing.end.exit_code == 0 and line.weight < FATAL):
        return
    allowed = SYMPTOMS[f"logs.{meaning.what}"].attributes
    values = {
        **meaning.attributes,
        **common,
        **place(snapshot, one),
        **extra,
        "fatal": "yes" if own else "no",
        "backing_off": "" if one.is_running and one.ready else "yes",
    }
    yield Symptom(
        f"logs.{meaning.what}",
        one.subject,
        where,
        text,
        {key: value for key, value in values.items() if value and key in allowed},
        time,
        notes=(*_beside(said, line), *_often(failing, meaning, said.source), *notes),
    )
    if agrees and notes:
        yield Symptom("logs.cluster-agrees", one.subject, notes[0][1], notes[0][0], {"meaning": meaning.what})


def _shortened(text: str) -> str:
    """A line that is not too long; of a chain of wrapped errors, the point is at its end."""
    if len(text) <= _SHOWN:
        return text
    rest = without_head(text)
    if len(rest) <= _SHOWN:
        return rest
    head, tail = rest[: _SHOWN - 122].rpartition(" ")[0], rest[-119:].partition(" ")[2]
    return f"{head} … {tail}" if head and tail else rest[:_SHOWN]


def _often(failing: _Failing, meaning: Meaning, source: str) -> Iterator[tuple[str, str]]:
    if failing.works:
        times = meaning.attributes.get("times")
        yield f"it is ready, and has said so {times} times within {RECENT // 60} minutes", source


def _entry(verdict: _Verdict) -> str:
    """The whole entry that a line belongs to: its frames tell which client it was."""
    block = [one.text for one in verdict.said.lines if one.block == verdict.line.block]
    return "\n".join(block[-60:])


def _beside(said: _Said, line: Line) -> Iterator[tuple[str, str]]:
    """The lines beside one that belong to it: what a list is about, and the details that a server adds."""
    before = [one for one in said.lines if one.number < line.number and one.text.strip()]
    after = [one for one in said.lines if 0 < one.number - line.number <= _NEAR and _WORD.search(one.text)]
    beside = [one for one in after if _DETAIL.search(one.text)][:2]
    if line.text.rstrip().endswith(":"):
        beside = [*after[:1], *(one for one in beside if one not in after[:1])]
    if _BULLET.match(line.text):
        beside += [one for one in reversed(before[-_NEAR:]) if not _BULLET.match(one.text)][:1]
    for one in beside:
        yield " ".join(one.text.split())[:300], f"{said.source}, line {one.number}"


def _from_end(said: _Said, line: Line) -> str:
    back = said.lines[-1].number - line.number
    return "last line" if back == 0 else f"{back} line{'s' if back > 1 else ''} before its end"


def said(text: str) -> tuple[str, str]:
    """The decisive line of a log and what it means, both empty when there is none: for other tools."""
    lines = _read(text)
    line = decisive_of(lines)
    if line is None:
        return "", ""
    verdict = _meant(_Said("current", "log", lines, whole=True), line, ended=True, one=None)
    return verdict.line.text.strip(), verdict.meaning.what if verdict.meaning else ""
