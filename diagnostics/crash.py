"""Stage crash: the process ran and ended, and should not have.

Who ended a container is decided once, in ``_ends``; here each end becomes the symptom of its story.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from poddoctor.model import Absent, Body, Found, Read, Snapshot, Symptom, SymptomKind, Unknown
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.owner import owner_of, revision
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import (
    log_reads,
    log_text,
    node_events_read,
    node_read,
    pod_events,
    pod_events_read,
    pod_of,
)
from poddoctor.pod.units import parse_time, quantity, show_bytes, show_duration

from ._command import is_shell, whole
from ._ends import End, cgroup_kill, killed_by_kubelet, last_end, looks_aborted, memory_limits, unhandled
from ._logtext import decisive, without_head
from ._memory import describe, filling, limit_ranges_read, memory_taken, usage_read
from ._process import is_over, place, shown, template_patch, times
from ._runtime_text import core, problem_of

_PLACE = ("field", "template", "index")
_TITLE = 120  # characters of a line in a title
_LAST_LINES = 10  # of a log: a fatal line before them was got over
_NEAR_END = 15  # lines of a log: there it is said that a process was lost
_CHILD_KILLED = lazy(
    r"was sent SIGKILL! Perhaps out of memory|signal:? ?9\b|SIGKILL\(-9\)|Negsignal\.SIGKILL|\(SIGKILL\)|"
    r"line \d+: +\d+ Killed\b|^Killed$|exit ?code:? -9\b|"
    r"killed by signal:? (?:9|SIGKILL|Killed)|\bsignal: killed\b"
)
_END = (
    "record",
    "exit_code",
    "reason",
    "signal",
    "meaning",
    "lasted",
    "restarts",
    "how_often",
    "revision",
    "policy",
    *_PLACE,
)
SYMPTOMS: Mapping[str, SymptomKind] = {
    "crash.out-of-memory": SymptomKind(
        "the kernel killed for memory in this container; main says whether its main process was the victim",
        (
            *_END,
            *("scope", "limit", "request", "limit_range", "request_is_limit", "suggested_limit", "basis"),
            *("heap", "heap_share", "main", "pod_limit", "growth", "at_once", "bound"),
        ),
    ),
    "crash.memory-volume": SymptomKind(
        "a memory-backed volume of this container can fill its memory limit alone",
        ("volume", "size_limit", "mount"),
    ),
    "crash.node-out-of-memory": SymptomKind(
        "the node as a whole ran out of memory when this container was killed", ("stated", *_END)
    ),
    "crash.killed": SymptomKind(
        "the container was ended by a signal that is sent, and the runtime does not say why",
        (*_END, "unseen", "victim", "script"),
    ),
    "crash.killer": SymptomKind(
        "who ended the container: probe, hook, change, deletion, eviction, pod-end or lost",
        ("killer", "exit_code", "policy"),
    ),
    "crash.not-killed": SymptomKind("nothing outside the container ended it, as far as Kubernetes records"),
    "crash.completed": SymptomKind(
        "the container ended well, and its restart policy starts it again",
        (*_END, "command", "shell", "bare_shell", "background", "patch", "complaint"),
    ),
    "crash.fatal-signal": SymptomKind(
        "the process died of a signal that its own fault raised", (*_END, "line")
    ),
    "crash.node-restarted": SymptomKind(
        "the node or its runtime went down under the container", ("stated", *_END)
    ),
    "crash.failed": SymptomKind(
        "the process ended with an error code",
        (*_END, "message", "line", "last_words", "silent", "victim_limit", "victim_suggested"),
    ),
}
_BASES = frozenset(
    {
        "busybox",
        "alpine",
        "ubuntu",
        "debian",
        "centos",
        "fedora",
        "rockylinux",
        "almalinux",
        "bash",
        "amazonlinux",
    }
)
_TAKEN = frozenset({"deletion", "eviction", "pod-end"})
"""Who ended it says all; its log, if there is one left, would add nothing."""
_KILLERS = frozenset({"probe", "hook", "change", "deletion", "eviction", "pod-end", "lost"})


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The logs of containers that fail, and their node when it bounds memory or may be the killer."""
    pod = pod_of(snapshot)
    node = str(((pod or {}).get("spec") or {}).get("nodeName") or "")
    for end in _ends(snapshot, pod):
        one = end.container
        if is_over(one, snapshot.clock):
            continue
        if end.by not in _TAKEN and (end.exit_code or _restarts_always(pod, one)):
            yield from log_reads(snapshot, one.name)
        if end.by in ("memory", "node-memory"):
            yield limit_ranges_read(snapshot)
            if one.is_running or one.kind == "sidecar":
                yield usage_read(snapshot)
            if node:
                yield node_read(node)
        if node and (
            end.by in ("kill", "lost", "node-restart")
            or (end.by == "memory" and not memory_limits(snapshot, one))
        ):
            yield node_events_read(node)


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """How each container ended."""
    pod = pod_of(snapshot)
    for end in _ends(snapshot, pod):
        yield from _story(snapshot, pod or {}, end)


def _ends(snapshot: Snapshot, pod: Body | None) -> Iterator[End]:
    for one in containers(pod, "init", "sidecar", "app") if pod else []:
        end = last_end(snapshot, one)
        if end is None and one.waiting.get("reason") == "CrashLoopBackOff":
            yield End(one, {}, "state", "unrecorded")
        elif (
            end and end.by == "start" and problem_of(end.proof)[0] == "memory" and memory_taken(snapshot, one)
        ):
            yield replace(end, by="memory")
        elif end and end.by != "start":
            yield end


def _story(snapshot: Snapshot, pod: Body, end: End) -> Iterator[Symptom]:
    if end.by == "unrecorded":
        yield _unrecorded(snapshot, end.container)
        return
    if end.exit_code == 0 and end.reason != "OOMKilled" and not _restarts_always(pod, end.container):
        return
    if end.by in _KILLERS:
        yield from _killed_by(snapshot, end)
    elif end.by == "memory" and memory_limits(snapshot, end.container):
        yield from _out_of_memory(snapshot, end)
    elif end.by in ("memory", "node-memory"):
        yield from _node_memory(snapshot, end)
    elif end.by == "node-restart":
        yield _node_restarted(snapshot, end)
    elif end.by == "kill":
        yield _killed(snapshot, end)
    else:
        yield from _by_itself(snapshot, end)


def _killed(snapshot: Snapshot, end: End) -> Symptom:
    """An end by a signal that nothing explains, and what could not be read that might."""
    rows, found = _ruled_out(snapshot, end), {}
    if isinstance(snapshot.answers.get(pod_events_read(snapshot)), Unknown):
        found["unseen"] = "events"
    line = whole(end.container)
    if line and is_shell(line[0]):
        found["script"] = shown(line, 60)
        row = f"the shell that runs {found['script']} ends as what it ran last"
        rows.append((row, end.container.spec_path))
    if end.exit_code == 137 and (kill := cgroup_kill(snapshot, end.record)):
        found["victim"] = kill[0]
        rows.insert(0, kill[1:])
    return _symptom(snapshot, end, "crash.killed", _sentence(snapshot, end), found, notes=rows)


def _unrecorded(snapshot: Snapshot, one: Container) -> Symptom:
    """A container that waits to be started again, of which no end is left on record."""
    end = End(one, {}, "state", "itself")
    text = f"{one.waiting.get('reason')}, {one.restarts} restarts, and no end is recorded"
    found = {
        "how_often": times(max(1, one.restarts)),
        "line": _line(snapshot, end),
        "restarts": str(one.restarts),
        "policy": _policy(snapshot),
        **place(snapshot, one),
    }
    kept = {key: value for key, value in found.items() if value}
    return Symptom("crash.failed", one.subject, one.status_path, text, kept)


def _killed_by(snapshot: Snapshot, end: End) -> Iterator[Symptom]:
    """The end and its killer, so that what the end alone would suggest is ruled out in words."""
    yield Symptom(
        "crash.killer",
        end.container.subject,
        end.proof_source,
        end.proof,
        {"killer": end.by, "exit_code": str(end.exit_code), "policy": _policy(snapshot)},
        end.finished,
        past=is_over(end.container, snapshot.clock),
    )
    # A deletion or an eviction needs no such words: there nobody would ask who killed it.
    if end.signal in ("SIGKILL", "SIGTERM", "SIGINT") and end.by in ("probe", "hook", "change", "lost"):
        yield _symptom(snapshot, end, "crash.killed", _sentence(snapshot, end), {})


def _out_of_memory(snapshot: Snapshot, end: End) -> Iterator[Symptom]:
    one = end.container
    found, rows = describe(snapshot, end)
    # The runtime reports a kill of any process in the container, with the main process' own exit code.
    killed = killed_by_kubelet(snapshot, end)
    found["main"] = "true" if end.exit_code in (128, 137) and not killed else "false"
    if end.proof:
        rows = [(core(end.proof), end.source), *rows]
    if killed:
        # A worker was the victim; what was left of the program failed its probe, and kubelet ended it.
        rows = [killed, *rows]
    yield _symptom(snapshot, end, "crash.out-of-memory", _sentence(snapshot, end), found, notes=rows)
    volume = filling(snapshot, one, found.get("limit", ""))
    if volume:
        name, size, path = volume
        bound = f"sizeLimit {size}" if size else "no sizeLimit"
        yield Symptom(
            "crash.memory-volume",
            one.subject,
            f"pod.spec.volumes[{name}]",
            f"emptyDir of medium Memory at {path}, {bound}: its files count towards the memory limit",
            {key: value for key, value in (("volume", name), ("size_limit", size), ("mount", path)) if value},
        )


def _node_memory(snapshot: Snapshot, end: End) -> Iterator[Symptom]:
    rows = describe(snapshot, end)[1]
    stated = "true" if end.by == "node-memory" else "false"
    text, source = (end.proof, end.proof_source) if end.proof else (_sentence(snapshot, end), end.source)
    if end.proof:
        rows = [(_sentence(snapshot, end), end.source), *rows]
    yield _symptom(
        snapshot, end, "crash.node-out-of-memory", text, {"stated": stated}, source=source, notes=rows
    )


def _node_restarted(snapshot: Snapshot, end: End) -> Symptom:
    """The runtime's record of a lost container, or the kubelet's word that the node was rebooted."""
    stated = {"stated": "true"} if "rebooted" in end.proof else {}
    notes = [(_sentence(snapshot, end), end.source)]
    changed = next((each for each in reversed(pod_events(snapshot)) if each.reason == "SandboxChanged"), None)
    if changed:
        notes.append((changed.message, changed.source))
    source = end.proof_source
    return _symptom(snapshot, end, "crash.node-restarted", end.proof, stated, source=source, notes=notes)


def _by_itself(snapshot: Snapshot, end: End) -> Iterator[Symptom]:
    if spared := _nobody_killed(snapshot, end):
        yield Symptom("crash.not-killed", end.container.subject, spared[1], spared[0])
    gave_up = end.exit_code == 0 and _gave_up(snapshot, end)
    if end.exit_code == 0 and not gave_up:
        yield _completed(snapshot, end)
        return
    signal = end.signal if end.by == "signal" else ""
    words = _last_words(snapshot, end.container) if signal in ("SIGSEGV", "SIGABRT") else []
    if unhandled(words):
        signal = ""
    elif signal == "SIGSEGV" and looks_aborted(words):
        signal = "SIGABRT"
    message = " ".join(str(end.record.get("message") or "").split())
    notes = [(message[-300:], f"{end.source}.message")] if message else []
    if signal:
        found = {"signal": signal, "line": _line(snapshot, end)}
        yield _symptom(snapshot, end, "crash.fatal-signal", _sentence(snapshot, end), found, notes=notes)
    else:
        line = _line(snapshot, end)
        found = {"message": message[-120:], "line": line, "silent": "" if line else _silent(snapshot, end)}
        if not line:
            found["last_words"] = _line(snapshot, end, last=True)
        if gave_up:
            found["meaning"] = "a fatal error in its log"
        found |= _lost_a_child(snapshot, end)
        yield _symptom(snapshot, end, "crash.failed", _sentence(snapshot, end), found, notes=notes)


def _lost_a_child(snapshot: Snapshot, end: End) -> dict[str, str]:
    """The memory limit under which a process of the container was killed, as its own words say it was."""
    words = _last_words(snapshot, end.container)[-_NEAR_END:]
    limits = memory_limits(snapshot, end.container)
    if not limits or not any(_CHILD_KILLED.search(word) for word in words):
        return {}
    amount = quantity(limits[0][1])
    twice = {"victim_suggested": show_bytes(amount * 2)} if amount and limits[0][0] == "container" else {}
    return {"victim_limit": limits[0][1], **twice}


def _silent(snapshot: Snapshot, end: End) -> str:
    """That its log has nothing to say, for the end of a title: it is empty, or it could not be read."""
    if str(end.record.get("message") or "").strip():
        return ""
    answers = [snapshot.answers.get(read) for read in log_reads(snapshot, end.container.name)]
    texts = [log_text(snapshot, read) for read in log_reads(snapshot, end.container.name)]
    if any((text or "").strip() for text in texts):
        return ""
    if any(isinstance(answer, Unknown) for answer in answers):
        return ", and its log cannot be read"
    if any(isinstance(answer, Found) for answer in answers):
        return ", and writes nothing to its log"
    return ", and its log is gone" if any(isinstance(answer, Absent) for answer in answers) else ""


def _line(snapshot: Snapshot, end: End, *, last: bool = False) -> str:
    """The line that says why it ended, short enough for a title; of mere last words only with ``last``."""
    previous, current = log_reads(snapshot, end.container.name)
    order = (previous, current) if end.container.is_running else (current, previous)
    texts = [log_text(snapshot, read) or "" for read in order]
    for text in (*texts, str(end.record.get("message") or "")):
        line = decisive(text) if text.strip() else None
        if line and (line.kind != "last" or last):
            return shown([without_head(line.text)], _TITLE)
    return ""


def _gave_up(snapshot: Snapshot, end: End) -> bool:
    """Whether the last words of a run that ended with exit code 0 say that it failed."""
    previous, current = log_reads(snapshot, end.container.name)
    text = log_text(snapshot, previous if end.container.is_running else current) or ""
    line = decisive(text) if text.strip() else None
    near = line is not None and text.rstrip().count("\n") - line.number < _LAST_LINES
    return near and line is not None and line.kind in ("root", "fatal")


def _completed(snapshot: Snapshot, end: End) -> Symptom:
    one = end.container
    line = whole(one)
    shell, background = _only_shell(one, line), _background(line)
    found = {"command": shown(line), "shell": "true" if shell else "false", "background": background}
    if shell:
        found["bare_shell"] = line[0] if line else f"that of {one.spec.get('image')}"
        found["patch"] = template_patch(snapshot, one, {"command": ["sleep", "infinity"], "args": None})
    found["complaint"] = "" if shell or background else _complaint(snapshot, end)
    said = f"command {line}" if line else f"command and args are those of image {one.spec.get('image')}"
    return _symptom(
        snapshot,
        end,
        "crash.completed",
        _sentence(snapshot, end),
        found,
        notes=[(said, one.spec_path), ("restartPolicy Always", "pod.spec.restartPolicy")],
    )


def _complaint(snapshot: Snapshot, end: End) -> str:
    """What a run that ended well said at its end that does not sound well."""
    previous, current = log_reads(snapshot, end.container.name)
    text = (log_text(snapshot, previous if end.container.is_running else current) or "").rstrip()
    line = decisive(text) if text else None
    if line is None or line.kind == "last" or text.count("\n") + 1 - line.number > 1:
        return ""
    return shown([without_head(line.text)], _TITLE)


def _only_shell(one: Container, line: list[str]) -> bool:
    """Whether all that is started is a shell: it reads end-of-file at once, as there is no terminal."""
    if one.spec.get("stdin"):
        return False
    if not line:
        name = str(one.spec.get("image") or "").rpartition("/")[2].partition("@")[0].partition(":")[0]
        return name in _BASES
    return is_shell(line[0]) and all(word.startswith("-") and "c" not in word for word in line[1:])


def _background(line: list[str]) -> str:
    """What in a command line puts the program into the background, if anything does."""
    text = " ".join(line).strip()
    marks = (
        "nohup ",
        "service ",
        "apachectl start",
        "apache2ctl start",
        "--daemonize yes",
        "--daemonize=yes",
        "--daemon",
        "supervisord -c",
    )
    if text.endswith("&"):
        return "&"
    if text == "nginx" or text.endswith("/nginx"):
        return "nginx"
    return next((mark.strip() for mark in marks if mark in f"{text} "), "")


def _symptom(
    snapshot: Snapshot,
    end: End,
    name: str,
    text: str,
    attributes: Mapping[str, str],
    *,
    source: str = "",
    notes: Iterable[tuple[str, str]] = (),
) -> Symptom:
    one = end.container
    found = {
        # The run before it is as good as this one, and its log is sure to be there.
        "record": "lastState" if end.path == "lastState" or one.restarts else "state",
        "exit_code": str(end.exit_code),
        "reason": end.reason,
        "signal": end.signal,
        "meaning": end.meaning,
        "lasted": show_duration(end.lasted) if end.record.get("startedAt") else "",
        "restarts": str(one.restarts),
        "how_often": times(_ended(one)),
        "revision": _revision(snapshot),
        "policy": _policy(snapshot),
        **place(snapshot, one),
        **attributes,
    }
    return Symptom(
        name,
        one.subject,
        source or end.source,
        text,
        {key: value for key, value in found.items() if value},
        end.finished,
        past=is_over(one, snapshot.clock) or _went_well(snapshot, end),
        notes=tuple(notes),
    )


def _went_well(snapshot: Snapshot, end: End) -> bool:
    """Whether it was a task that counts as done, whatever befell one of its processes."""
    return end.exit_code == 0 and not _restarts_always(pod_of(snapshot), end.container)


def _policy(snapshot: Snapshot) -> str:
    return str(((pod_of(snapshot) or {}).get("spec") or {}).get("restartPolicy") or "Always")


def _ended(one: Container) -> int:
    """How often it ended, as far as its counter says."""
    return max(1, one.restarts + bool(one.terminated))


def _sentence(snapshot: Snapshot, end: End) -> str:
    """The end in one line: code, reason, how long the run lasted and how often it happened."""
    parts = [f"last exit {end.exit_code}" + (f" ({end.meaning})" if end.meaning else "")]
    parts.append(f"reason {end.reason or '-'}")
    if end.record.get("startedAt") and end.lasted >= timedelta():
        parts.append(f"after {show_duration(end.lasted)}")
    restarts = end.container.restarts
    began = parse_time(((pod_of(snapshot) or {}).get("status") or {}).get("startTime"))
    span = f" in {show_duration(end.finished - began)}" if began and end.finished and restarts else ""
    parts.append(f"{restarts} restart{'' if restarts == 1 else 's'}{span}")
    return ", ".join(parts)


def _revision(snapshot: Snapshot) -> str:
    """The revision of a workload that has an earlier one to go back to."""
    owner = owner_of(snapshot)
    if owner.kind == "deployment" and revision(owner.body) > 1:
        return str(revision(owner.body))
    status = (owner.body or {}).get("status") or {}
    if owner.kind == "statefulset" and status.get("currentRevision") != status.get("updateRevision"):
        return str(status.get("updateRevision") or "")
    return ""


def _nobody_killed(snapshot: Snapshot, end: End) -> tuple[str, str] | None:
    """How it is shown, not merely unseen, that kubelet did not end it: text and source, or None."""
    spec = end.container.spec
    hooked = (spec.get("lifecycle") or {}).get("postStart")
    if not spec.get("livenessProbe") and not spec.get("startupProbe") and not hooked:
        return "no liveness probe, startup probe or postStart hook could end it", end.container.spec_path
    answer = snapshot.answers.get(pod_events_read(snapshot))
    if isinstance(answer, Found) and pod_events(snapshot):
        return "no Killing event for this container", "events"
    return None


def _ruled_out(snapshot: Snapshot, end: End) -> list[tuple[str, str]]:
    """What a kill by signal usually is, and why it is not that here, as far as it could be seen."""
    rows = [("the runtime does not say OOMKilled", end.source)]
    limits = memory_limits(snapshot, end.container)
    if limits:
        rows.append((f"memory limit {limits[0][1]}: a kill there may go unreported", limits[0][2]))
    if pod_events(snapshot):
        rows.append(("no Killing event for this container: no probe, hook or deletion ended it", "events"))
    elif isinstance(snapshot.answers.get(pod_events_read(snapshot)), Found):
        rows.append(("no events are left, so a probe cannot be ruled out", "events"))
    else:
        rows.append(("its events could not be read, so a probe cannot be ruled out", end.source))
    node = ((pod_of(snapshot) or {}).get("spec") or {}).get("nodeName")
    if node and isinstance(snapshot.answers.get(node_events_read(str(node))), Found):
        rows.append(("no SystemOOM or Rebooted event of the node at that time", f"events of node {node}"))
    return rows


def _restarts_always(pod: Body | None, one: Container) -> bool:
    """Whether an end with exit 0 is followed by a restart."""
    own = one.spec.get("restartPolicy")
    if one.kind == "init":
        return False
    return (own or ((pod or {}).get("spec") or {}).get("restartPolicy") or "Always") == "Always"


def _last_words(snapshot: Snapshot, one: Container) -> list[str]:
    return [
        line
        for read in reversed(log_reads(snapshot, one.name))
        for line in (log_text(snapshot, read) or "").splitlines()
    ]
