"""Stage startup: the runtime could not start the process.

The runtime's words stand in ``state.waiting.message``, a moment later in ``terminated.message`` of a
StartError, then only in ``lastState`` and in ``Failed`` events. When the kernel refuses the program itself,
the process is already running: exit 1 or 255, and the words stand in the container's log.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from poddoctor.model import POD, Body, Read, Snapshot, Symptom, SymptomKind
from poddoctor.pod.clip import clip
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import (
    Event,
    log_reads,
    log_text,
    node_of,
    node_read,
    pod_events,
    pod_of,
)
from poddoctor.pod.units import quantity, show_bytes

from ._command import is_shell, slip, source_of
from ._memory import memory_taken
from ._process import is_over, place, shown, template_patch, words
from ._runtime_text import core, exec_problem, is_runtime_text, problem_of, shell_problem
from ._silence import silent

_PLACE = ("field", "template", "index")
_PATH = frozenset(f"{top}/{low}" for top in ("", "/usr", "/usr/local") for low in ("bin", "sbin")) | {
    "/usr",
    "/usr/local",
}
_OWN = frozenset({"/app", "/app/bin", "/opt", "/opt/app", "/opt/bin", "/opt/venv", "/venv", "/usr/src/app"})
SYMPTOMS: Mapping[str, SymptomKind] = {
    "startup.start-failed": SymptomKind(
        "the process of a container could not be started; problem says why, via who said so",
        (
            *("problem", "via", "reason", "exit_code", "program", "source", "line", "flag", "variable"),
            *(
                "undefined",
                "blank",
                "builtin",
                "wanted_shell",
                "shell_program",
                "shell_path",
                "patch",
                "directory",
                "user",
                "device",
            ),
            *(
                "why",
                "architecture",
                "interpreter",
                "carriage_return",
                "windows",
                "limit",
                "suggested_limit",
                "earlier",
            ),
            *(
                "short",
                "unit_slip",
                "script_volume",
                "script_kind",
                "script_mount",
                "nopatch",
                "shell_form",
                *_PLACE,
            ),
        ),
    ),
    "startup.shell-exit": SymptomKind(
        "the last exit code is one that shells give when they cannot run a command, and the log says no more",
        ("exit_code", *_PLACE),
    ),
    "startup.hook-failed": SymptomKind(
        "the postStart hook failed, so kubelet killed the container",
        ("hook", "why", "reason", *_PLACE),
    ),
}
_WAITING = frozenset(
    {
        *("CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"),
        *("PreCreateHookError", "PreStartHookError"),
    }
)
# A reason that no stage knows, of a later kubelet or of another one: its name says that something failed.
_FAILURE = lazy(r"(?i)err|fail|invalid|refus|forbid|denied|gone|unavail|missing|exceed|unsupported")
_KNOWN = frozenset(
    {
        *("CrashLoopBackOff", "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"),
        *("ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed", "PostStartHookError"),
        *("CreateContainerConfigError", "RunInitContainerError", "KillContainerError", "KillPodSandboxError"),
    }
)
_ENDED = frozenset({"StartError", "ContainerCannotRun"})
_FEW = 5
_LEAST = "6Mi"
_FAILED_EXEC = frozenset({1, 126, 127, 255})
_LOADER = lazy(r"error while loading shared libraries|Error loading shared library|Error relocating")


def reads(snapshot: Snapshot) -> Iterable[Read]:
    """The logs of containers whose exit code may be a refused program, and the node's architecture."""
    pod = pod_of(snapshot)
    for one in _containers(pod):
        if not is_over(one, snapshot.clock) and any(_exit_code(end) in _FAILED_EXEC for end in _ends(one)):
            yield from log_reads(snapshot, one.name)
            if _in_log(snapshot, one, "format"):
                yield node_read(str(((pod or {}).get("spec") or {}).get("nodeName") or ""))


def examine(snapshot: Snapshot) -> Iterable[Symptom]:
    """What kept each container from starting."""
    pod = pod_of(snapshot)
    events = pod_events(snapshot)
    for one in _containers(pod):
        hook = _hook(snapshot, one, events)
        if hook:
            yield hook
            continue
        symptom = _from_runtime(snapshot, one, events) or _from_log(snapshot, one)
        if symptom:
            yield symptom
        elif shell := _shell_exit(snapshot, one):
            yield shell
    yield from _sandbox_memory(snapshot, pod, events)


def _containers(pod: Body | None) -> list[Container]:
    return containers(pod, "init", "sidecar", "app") if pod else []


def _ends(one: Container) -> list[Body]:
    return [end for end in (one.terminated, one.last_terminated) if end]


def _exit_code(end: Body) -> int:
    return int(end.get("exitCode") or 0)


@dataclass(frozen=True, slots=True)
class _Said:
    """A text of the runtime, and where it was read."""

    text: str
    source: str
    reason: str
    exit_code: str = ""


def _from_runtime(snapshot: Snapshot, one: Container, events: list[Event]) -> Symptom | None:
    said = next(_said(one, events), None)
    if said is None:
        return None
    problem, details = problem_of(said.text)
    if problem == "memory" and memory_taken(snapshot, one):
        return None
    attributes = {
        "problem": problem,
        "via": "runtime",
        "reason": said.reason,
        "exit_code": said.exit_code,
        "short": shown([core(said.text)], 90),
        **place(snapshot, one),
        **_enriched(snapshot, one, problem, details),
    }
    earlier = _earlier(one, events) if problem == "name-reserved" else None
    if earlier:
        attributes["earlier"] = shown([core(earlier.message)], 90)
    return Symptom(
        "startup.start-failed",
        one.subject,
        said.source,
        core(said.text),
        {key: value for key, value in attributes.items() if value},
        past=is_over(one, snapshot.clock),
        notes=(*_asked(one, problem), *([(earlier.message, earlier.source)] if earlier else [])),
    )


def _said(one: Container, events: list[Event]) -> Iterator[_Said]:
    """What the runtime said of this container, the newest first."""
    waiting = one.waiting
    reason, message = str(waiting.get("reason") or ""), str(waiting.get("message") or "")
    if message and (reason in _WAITING or (reason == "" and is_runtime_text(message))):
        yield _Said(message, f"{one.status_path}.state.waiting", reason)
    if reason not in _KNOWN and reason not in _WAITING and _FAILURE.search(reason):
        yield _Said(f"{reason}: {message}".strip(": "), f"{one.status_path}.state.waiting", reason)
    for path, end in (("state", one.terminated), ("lastState", one.last_terminated)):
        text = str(end.get("message") or "")
        if text and (
            end.get("reason") in _ENDED or (_exit_code(end) in (126, 127, 128) and is_runtime_text(text))
        ):
            yield _Said(
                text,
                f"{one.status_path}.{path}.terminated",
                str(end.get("reason") or ""),
                str(_exit_code(end)),
            )
    if one.is_running or (
        reason not in _WAITING and reason != "CrashLoopBackOff" and not _started_badly(one)
    ):
        return
    if _ends(one) and not _started_badly(one):
        return
    for event in reversed(events):
        if event.reason == "Failed" and event.container == one.name and is_runtime_text(event.message):
            yield _Said(event.message.removeprefix("Error: "), event.source, reason)


def _started_badly(one: Container) -> bool:
    return any(end.get("reason") in _ENDED for end in _ends(one))


def _earlier(one: Container, events: list[Event]) -> Event | None:
    """The first failure of a container whose name is now reserved: usually the runtime's timeout."""
    return next(
        (
            event
            for event in events
            if event.reason == "Failed"
            and event.container in (one.name, "")
            and problem_of(event.message)[0] != "name-reserved"
        ),
        None,
    )


def _enriched(
    snapshot: Snapshot, one: Container, problem: str, details: Mapping[str, str]
) -> Mapping[str, str]:
    """The details of a runtime's text, with what the pod says about the same thing."""
    found = dict(details)
    if problem in ("not-found", "not-executable", "format", "interpreter", "no-command"):
        found.update(_program(snapshot, one, problem, details.get("program", "")))
    elif problem == "directory":
        found["directory"] = str(one.spec.get("workingDir") or details.get("directory") or "")
        found["source"] = "spec" if one.spec.get("workingDir") else "image"
        if found["directory"] and not found["directory"].startswith("/"):
            found["why"] = "it is not an absolute path"
    elif problem == "memory":
        found.update(_memory(one))
    elif problem == "user":
        found.setdefault("user", "")
    return found


def _program(snapshot: Snapshot, one: Container, problem: str, program: str) -> dict[str, str]:
    line = words(one.spec.get("command")) or words(one.spec.get("args"))
    found = {"program": program or (line[0] if line else ""), "source": source_of(one)}
    if problem == "not-found":
        mistake = slip(one, program)
        found.update(mistake.attributes)
        if mistake.change:
            found["patch"] = template_patch(snapshot, one, mistake.change)
        elif found["source"] != "image":
            found["nopatch"] = "true"
    hidden = _mount_over_path(one, found["program"]) if problem == "not-found" else {}
    if mount := _mount_over(one, found["program"]) or hidden:
        volume = found["script_volume"] = str(mount.get("name") or "")
        found["script_mount"] = str(mount["mountPath"])
        found["script_kind"] = _kind_of(snapshot, volume)
    return found


def _mount_over(one: Container, program: str) -> Body:
    """The mount that the program's file comes from, empty when it is the image's."""
    mounts = one.spec.get("volumeMounts") or []
    fitting = [
        each
        for each in mounts
        if each.get("mountPath") and f"{program}/".startswith(f"{each['mountPath'].rstrip('/')}/")
    ]
    return max(fitting, key=lambda each: len(each["mountPath"]), default={})


def _mount_over_path(one: Container, program: str) -> Body:
    """The volume that hides a folder in which programs are looked for by their name alone."""
    if not program or "/" in program:
        return {}
    # An image's own entrypoint was found by its name when nothing was mounted over its folder.
    folders = _PATH | _OWN if source_of(one) == "image" else _PATH
    set_by = {str(each.get("name")): str(each.get("value") or "") for each in one.spec.get("env") or []}
    folders |= {each.rstrip("/") for each in set_by.get("PATH", "").split(":") if each.strip("/")}
    mounts = one.spec.get("volumeMounts") or []
    return next(
        (
            each
            for each in mounts
            if str(each.get("mountPath")).rstrip("/") in folders and not _one_file(each)
        ),
        {},
    )


def _one_file(mount: Body) -> bool:
    """Whether the mount shows one entry of its volume: it hides no more than that."""
    return bool(mount.get("subPath") or mount.get("subPathExpr"))


def _kind_of(snapshot: Snapshot, volume: str) -> str:
    """What a volume is made of, such as ``configMap``."""
    for each in ((pod_of(snapshot) or {}).get("spec") or {}).get("volumes") or []:
        if each.get("name") == volume:
            return next((key for key in each if key != "name"), "")
    return ""


def _memory(one: Container) -> dict[str, str]:
    limit = ((one.spec.get("resources") or {}).get("limits") or {}).get("memory")
    amount = quantity(limit) if limit is not None else None
    if amount is None:
        return {}
    wanted = max(amount * 2, quantity("64Mi") or amount)
    found = {"limit": str(limit), "suggested_limit": show_bytes(wanted)}
    if str(limit).endswith("m"):
        # A lower-case m means thousandths of a byte.
        found["unit_slip"] = str(limit)
        found["suggested_limit"] = f"{str(limit)[:-1]}Mi"
    elif str(limit).isdigit() and amount < 1024**2:
        found["suggested_limit"] = f"{limit}Mi" if amount >= 16 else found["suggested_limit"]
    elif str(limit).endswith(("Ki", "k")) and amount >= 16 * 1000:
        found["suggested_limit"] = f"{str(limit).rstrip('Kik')}Mi"
    return found


def _asked(one: Container, problem: str) -> list[tuple[str, str]]:
    """What the pod asked to be started, as further evidence."""
    if problem == "memory":
        limit = ((one.spec.get("resources") or {}).get("limits") or {}).get("memory")
        return [(f"memory limit {limit}", f"{one.spec_path}.resources")] if limit is not None else []
    rows = [
        (f"{key} {line}", f"{one.spec_path}.{key}")
        for key in ("command", "args")
        if (line := words(one.spec.get(key)))
    ]
    return rows or [("command and args are those of the image", one.spec_path)]


def _log_lines(snapshot: Snapshot, one: Container) -> Iterator[tuple[str, str, int]]:
    """The lines that may hold a refused program, the last ones first: text, source, size of their log."""
    for path, end in (("state", one.terminated), ("lastState", one.last_terminated)):
        lines = str(end.get("message") or "").splitlines()
        for line in reversed(lines):
            yield line, f"{one.status_path}.{path}.terminated.message", len(lines)
    for read in log_reads(snapshot, one.name):
        lines = (log_text(snapshot, read) or "").splitlines()
        name = f"log {one.name}{' (previous)' if read.parameter('previous') else ''}"
        for number in range(len(lines), 0, -1):
            yield lines[number - 1], f"{name} line {number}", len(lines)


def _refused(line: str, size: int) -> tuple[str, Mapping[str, str]] | None:
    """What a line says when the kernel refused the program: then nothing else can have been printed."""
    return exec_problem(line) if size <= _FEW else None


def _in_log(snapshot: Snapshot, one: Container, problem: str) -> bool:
    for line, _, size in _log_lines(snapshot, one):
        for found in (_refused(line, size), shell_problem(line)):
            if found and found[0] == problem:
                return True
    return False


def _from_log(snapshot: Snapshot, one: Container) -> Symptom | None:
    end = next(iter(_ends(one)), {})
    code = _exit_code(end)
    if code not in _FAILED_EXEC or is_over(one, snapshot.clock):
        return None
    for line, source, size in _log_lines(snapshot, one):
        if found := _refused(line, size):
            return _logged(snapshot, one, end, (line, source), "log", found)
        if _LOADER.search(line):
            return None
        # Any script may print such a line and go on: only at these codes was it the last word.
        if code in (126, 127) and (shell := shell_problem(line)):
            return _logged(snapshot, one, end, (line, source), "shell", shell)
    return None


def _logged(
    snapshot: Snapshot,
    one: Container,
    end: Body,
    where: tuple[str, str],
    via: str,
    found: tuple[str, Mapping[str, str]],
) -> Symptom:
    problem, details = found
    info = (((node_of(snapshot) or {}).get("status") or {}).get("nodeInfo")) or {}
    attributes = {
        "problem": problem,
        "via": via,
        "reason": str(end.get("reason") or ""),
        "exit_code": str(_exit_code(end)),
        "architecture": str(info.get("architecture") or "") if problem == "format" else "",
        "interpreter": details.get("interpreter", ""),
        "carriage_return": "true" if details.get("cr") else "",
        "windows": details.get("interpreter", "") if details.get("cr") else "",
        **place(snapshot, one),
    }
    if via == "shell":
        attributes["shell_program"] = details.get("program", "")
        attributes["program"] = details.get("program", "")
        # Of a path the shell says the same when the file is there, and its interpreter or loader is not.
        attributes["shell_path"] = details["program"] if "/" in details.get("program", "") else ""
        attributes["source"] = source_of(one)
        if any(is_shell(word) for word in words(one.spec.get("command"))[:1]):
            attributes["shell_form"] = "command"
    else:
        attributes.update(_program(snapshot, one, problem, details.get("program", "")))
    notes = [
        (f"last exit code {_exit_code(end)}, reason {end.get('reason')}", one.status_path),
        *_asked(one, problem),
    ]
    if attributes["architecture"]:
        notes.append(
            (
                f"node is {info.get('operatingSystem', 'linux')}/{attributes['architecture']}",
                "node.status.nodeInfo",
            )
        )
    return Symptom(
        "startup.start-failed",
        one.subject,
        where[1],
        where[0].strip(),
        {key: value for key, value in attributes.items() if value},
        notes=tuple(notes),
    )


def _shell_exit(snapshot: Snapshot, one: Container) -> Symptom | None:
    end = next(iter(_ends(one)), {})
    code = _exit_code(end)
    if code not in (126, 127) or is_over(one, snapshot.clock):
        return None
    if any(_LOADER.search(line) for line, *_ in _log_lines(snapshot, one)):
        return None
    meaning = "command not found" if code == 127 else "command found but cannot be run"
    return Symptom(
        "startup.shell-exit",
        one.subject,
        f"{one.status_path}",
        f"exit code {code}, in a shell: {meaning}",
        {"exit_code": str(code), **place(snapshot, one)},
        notes=tuple(_asked(one, "")),
    )


def _hook(snapshot: Snapshot, one: Container, events: list[Event]) -> Symptom | None:
    handler = (one.spec.get("lifecycle") or {}).get("postStart")
    waiting = one.waiting
    about = [event for event in events if event.container == one.name]
    failed = next((event for event in reversed(about) if event.reason == "FailedPostStartHook"), None)
    stated = waiting.get("reason") == "PostStartHookError"
    if not (stated or (handler and failed)):
        return None
    handler = handler or {}
    text = str(waiting.get("message") or "") if stated else ""
    message = text or (failed.message if failed else "") or "PostStartHookError"
    attributes = {
        "hook": _hook_words(handler) if handler else "",
        "reason": str(waiting.get("reason") or ""),
        "why": _hook_why(text or (failed.message if failed else "")),
        **place(snapshot, one),
    }
    return Symptom(
        "startup.hook-failed",
        one.subject,
        f"{one.status_path}.state.waiting" if text else (failed.source if failed else one.status_path),
        message.strip(),
        {key: value for key, value in attributes.items() if value},
        past=is_over(one, snapshot.clock),
        notes=((f"postStart {_hook_words(handler)}", f"{one.spec_path}.lifecycle.postStart"),)
        if handler
        else (),
    )


def _hook_words(handler: Body) -> str:
    if command := words((handler.get("exec") or {}).get("command")):
        return shown(command)
    http = handler.get("httpGet") or {}
    if http:
        return f"GET :{http.get('port')}{http.get('path') or '/'}"
    return next(iter(handler), "hook")


def _hook_why(text: str) -> str:
    error = re.search(r"failed - error: (?P<said>[^\n]+)", text)
    said = (error["said"] if error else text).partition(", message:")[0]
    if found := re.search(r"exited with (?P<code>\d+)(?:: (?P<why>.+))?", said):
        return clip(f"exit code {found['code']}" + (f": {found['why'].strip()}" if found["why"] else ""), 120)
    return clip(said.strip(), 120) if error else ""


def _sandbox_memory(snapshot: Snapshot, pod: Body | None, events: list[Event]) -> Iterator[Symptom]:
    """A pod whose limits together are too low for the pause process fails before any container exists."""
    if not pod or any(one.status.get("containerID") for one in _containers(pod)):
        return
    event = next(
        (
            each
            for each in reversed(events)
            if each.reason == "FailedCreatePodSandBox" and problem_of(each.message)[0] == "memory"
        ),
        None,
    )
    limited = [one for one in _containers(pod) if _memory(one)]
    if limited and event is None and silent(snapshot, pod):
        yield from _tiny(snapshot, limited)
    if event is None or not limited:
        return
    least = min(limited, key=lambda one: quantity(_memory(one)["limit"]) or 0)
    text = core(event.message)
    symptom = Symptom(
        "startup.start-failed",
        least.subject if len(limited) == 1 else POD,
        event.source,
        text,
        {
            "problem": "memory",
            "via": "runtime",
            "reason": event.reason,
            "short": shown([text], 90),
            **place(snapshot, least),
            **_memory(least),
        },
        event.time,
        notes=tuple(row for one in limited for row in _asked(one, "memory")),
    )
    yield replace(symptom, attributes={key: value for key, value in symptom.attributes.items() if value})


def _tiny(snapshot: Snapshot, limited: list[Container]) -> Iterator[Symptom]:
    """A limit below what a runtime needs to make a container, of a waiting pod whose events are gone."""
    least = min(limited, key=lambda one: quantity(_memory(one)["limit"]) or 0)
    memory = _memory(least)
    if (quantity(memory["limit"]) or 0) >= (quantity(_LEAST) or 0):
        return
    attributes = {"problem": "memory", "via": "state", **place(snapshot, least), **memory}
    yield Symptom(
        "startup.start-failed",
        least.subject if len(limited) == 1 else POD,
        f"{least.spec_path}.resources.limits",
        f"memory limit {memory['limit']}; runtimes need some {_LEAST} to make a container",
        {key: value for key, value in attributes.items() if value},
    )
