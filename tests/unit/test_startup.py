from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from poddoctor.diagnostics._runtime_text import core, exec_problem, problem_of

from poddoctor import engine
from poddoctor.model import Absent, Answer, Finding, Found, Read, Snapshot, Target
from poddoctor.pod.reads import log_reads, node_read, pod_events_read, pod_read

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=timezone.utc)
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}
RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: "
)
OLD_RUNC = "OCI runtime create failed: container_linux.go:380: starting container process caused: "
OLDEST_RUNC = "OCI runtime create failed: container_linux.go:345: starting container process caused "
CRIO_RUNC = 'container create failed: time="2026-03-02T09:14:07Z" level=error msg="runc create failed: '
CRIO = "container create failed: "
DOCKER = 'failed to start container "app": Error response from daemon: '

TEXTS = {
    RUNC + "exec /app/start.sh: no such file or directory: unknown": "interpreter-missing",
    "failed to create containerd task: failed to create shim task: "
    "executable 'serve' for container is not found in $PATH": "command-not-found",
    'failed to create containerd container: container "4be1" already exists': "container-name-reserved",
    "container create failed: writing file `memory.max`: Device or resource busy": "memory-limit-too-low-to-start",
    "failed to create containerd container: mkdir /var/lib/containerd/x: no space left on device": "node-disk-full",
    RUNC + "unable to apply cgroup configuration: mkdir /sys/fs/cgroup/kubepods: no space left on device": (
        "runtime-error"
    ),
    RUNC + 'exec: "foo": executable file not found in $PATH: unknown': "command-not-found",
    RUNC + 'error during container init: exec: "/x": stat /x: no such file or directory': "command-not-found",
    OLD_RUNC + 'exec: "foo": executable file not found in $PATH: unknown': "command-not-found",
    OLDEST_RUNC + '"exec: \\"foo\\": executable file not found in $PATH": unknown': "command-not-found",
    CRIO_RUNC + 'exec: \\"foo\\": executable file not found in $PATH"\n': "command-not-found",
    CRIO + "executable file `foo` not found in $PATH: No such file or directory\n": "command-not-found",
    CRIO + "executable file `/opt/foo` not found: No such file or directory\n": "command-not-found",
    DOCKER + RUNC + 'exec: "foo": executable file not found in $PATH: unknown': "command-not-found",
    "failed to create containerd task: failed to create shim task: the file foo was not found": "command-not-found",
    RUNC + 'exec: "/x": permission denied: unknown': "command-not-executable",
    RUNC + 'exec: "/x": is a directory: unknown': "command-not-executable",
    CRIO + "open executable: Permission denied\n": "command-not-executable",
    'failed to generate container "1" spec: failed to generate spec: no command specified': "no-command",
    DOCKER + "No command specified": "no-command",
    RUNC + 'error during container init: chdir to cwd ("/srv") set in config.json failed: permission denied': (
        "working-directory-missing"
    ),
    CRIO + "chdir to `/srv`: No such file or directory\n": "working-directory-missing",
    RUNC + "error during container init: mkdir /etc/passwd: not a directory": "working-directory-missing",
    "failed to create containerd container: mount callback failed on /tmp/m: no users found": "user-not-in-image",
    CRIO + "unable to find user app: no matching entries in passwd file": "user-not-in-image",
    RUNC + "container init was OOM-killed (memory limit too low?): unknown": "memory-limit-too-low-to-start",
    CRIO + "OOM: the memory limit could be too low\n": "memory-limit-too-low-to-start",
    "set memory limit 4194304 too low; should be at least 12582912 bytes: container create failed": (
        "memory-limit-too-low-to-start"
    ),
    'failed to reserve container name "app_0": name "app_0" is reserved for "1f"': "container-name-reserved",
    CRIO + 'the container name "k8s_app" is already in use by 1f. You have to remove it': "container-name-reserved",
    RUNC + "nvidia-container-cli: initialization error: nvml error: driver not loaded": "device-unavailable",
    'failed to generate container "1" spec: unresolvable CDI devices nvidia.com/gpu=0': "device-unavailable",
    "context deadline exceeded": "runtime-timeouts",
    RUNC + "something that nobody has seen before: unknown": "runtime-error",
    "hcs::System::CreateProcess app: The directory name is invalid.: unknown": "working-directory-missing",
    'OCI runtime create failed: youki create failed: executable for container process not found in PATH: "foo"': (
        "command-not-found"
    ),
    # Programs of the node that the runtime lacks: the image is not at fault.
    'failed to create containerd container: get apparmor_parser version: exec: "apparmor_parser": executable file '
    "not found in $PATH": "runtime-error",
    'OCI runtime create failed: unable to retrieve OCI runtime error: exec: "runc": executable file not found in '
    "$PATH: unknown": "runtime-error",
}  # fmt: skip


def pod(app: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "u1"},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "app:1", **app}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": "app", "restartCount": 2, "ready": False, **status}],
        },
    }


def end(message: str = "", code: int = 128, reason: str = "StartError") -> dict[str, Any]:
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "message": message,
            "startedAt": "1970-01-01T00:00:00Z",
        }
    }


def diagnosed(
    body: dict[str, Any], log: str = "", events: list[dict[str, Any]] | None = None
) -> list[Finding]:
    target = Target("pod", "shop", "web")
    empty = Snapshot(target, {}, NOW)
    previous, current = log_reads(empty, "app")
    answers: dict[Read, Answer] = {
        pod_read(empty): Found(body),
        pod_events_read(empty): Found({"items": events or []}),
        previous: Found(log) if log else Absent(),
        current: Absent(),
        node_read("n1"): Found({"status": {"nodeInfo": {"architecture": "amd64"}}}),
    }
    report = engine.diagnose(Snapshot(target, answers, NOW))
    assert not [one for one in report.not_seen if "bug" in one.answer.message]
    return list(report.findings)


def first(*args: Any) -> tuple[str, str]:
    finding = diagnosed(*args)[0]
    return finding.cause.id, finding.title


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_runtimes(text: str) -> None:
    states = (
        {"state": {"waiting": {"reason": "RunContainerError", "message": text}}},
        {"state": {"waiting": {"reason": "CreateContainerError", "message": text}}},
        {"state": end(text)},
        {"state": BACK_OFF, "lastState": end(text)},
        {"state": BACK_OFF, "lastState": end(text, 127, "ContainerCannotRun")},
    )
    for state in states:
        assert [one.cause.id for one in diagnosed(pod({}, state))] == [f"startup/{TEXTS[text]}"]


def test_only_the_event_is_left() -> None:
    event = {
        "metadata": {"name": "web.1"},
        "involvedObject": {
            "kind": "Pod", "name": "web", "namespace": "shop", "uid": "u1", "fieldPath": "spec.containers{app}",
        },
        "reason": "Failed",
        "message": "Error: " + RUNC + 'exec: "foo": executable file not found in $PATH: unknown',
        "lastTimestamp": "2026-05-04T11:59:00Z",
    }  # fmt: skip
    body = pod({}, {"state": BACK_OFF, "lastState": {}})
    assert first(body, "", [event])[0] == "startup/command-not-found"
    crashed = pod({}, {"state": BACK_OFF, "lastState": end("", 1, "Error")})
    assert first(crashed, "", [event])[0] == "crash/application-error"


LOGS = {
    "exec /app: exec format error": "exec-format-error",
    "standard_init_linux.go:228: exec user process caused: exec format error": "exec-format-error",
    '{"msg":"exec container process `/app`: Exec format error","level":"error"}': "exec-format-error",
    "exec /start.sh: no such file or directory": "interpreter-missing",
    'standard_init_linux.go:190: exec user process caused "no such file or directory"': "interpreter-missing",
    "exec container process (missing dynamic library?) `/app`: No such file or directory": "interpreter-missing",
    "exec /app: permission denied": "command-not-executable",
    "exec /app: operation not permitted": "file-capabilities-denied",
    "exec /bin/sh: argument list too long": "environment-too-large",
}


@pytest.mark.parametrize("code", [1, 255])
@pytest.mark.parametrize("line", LOGS)
def test_lines_of_a_refused_program(line: str, code: int) -> None:
    body = pod({"command": ["/app"]}, {"state": BACK_OFF, "lastState": end("", code, "Error")})
    assert [one.cause.id for one in diagnosed(body, line + "\n")] == [f"startup/{LOGS[line]}"]


SHELLS = {
    (127, "sh: backup: not found"): ("command-not-found", "backup"),
    (127, "/bin/sh: 1: backup: not found"): ("command-not-found", "backup"),
    (127, "bash: line 1: backup: command not found"): ("command-not-found", "backup"),
    (127, "/bin/sh: /app/migrate: not found"): ("command-not-found", "or the interpreter or loader"),
    (127, "/entrypoint.sh: line 7: backup: command not found"): ("command-not-found", "backup"),
    (127, "/usr/local/bin/docker-entrypoint.sh: exec: line 11: backup: not found"): (
        "command-not-found",
        "backup",
    ),
    (127, "[FATAL tini (7)] exec backup failed: No such file or directory"): ("command-not-found", "backup"),
    (127, "bash: line 1: /opt/backup: No such file or directory"): ("command-not-found", "/opt/backup"),
    (127, "/usr/bin/env: 'bash\\r': No such file or directory"): ("interpreter-missing", "Windows line ends"),
    (127, "env: can't execute 'bash': No such file or directory"): (
        "interpreter-missing",
        'needs "bash", which the image lacks',
    ),
    (126, "/run.sh: /bin/bash^M: bad interpreter: No such file or directory"): (
        "interpreter-missing",
        "Windows",
    ),
    (126, "sh: ./run.sh: Permission denied"): ("command-not-executable", "./run.sh"),
    (126, "bash: /app: cannot execute binary file: Exec format error"): ("exec-format-error", "amd64"),
    (127, "starting"): ("shell-could-not-run", "127"),
    (126, ""): ("shell-could-not-run", "126"),
}


@pytest.mark.parametrize("case", SHELLS, ids=lambda case: case[1])
def test_words_of_shells(case: tuple[int, str]) -> None:
    code, line = case
    cause, named = SHELLS[case]
    body = pod({"command": ["sh", "-c", "x"]}, {"state": BACK_OFF, "lastState": end("", code, "Error")})
    found, title = first(body, line + "\n" if line else "")
    assert found == f"startup/{cause}"
    assert named in title


def test_a_missing_library_is_not_a_missing_command() -> None:
    body = pod({}, {"state": BACK_OFF, "lastState": end("", 127, "Error")})
    log = "/app: error while loading shared libraries: libpq.so.5: cannot open shared object file\n"
    assert all(not one.cause.id.startswith("startup/") for one in diagnosed(body, log))


def test_a_script_that_goes_on_is_judged_by_its_end() -> None:
    body = pod({}, {"state": BACK_OFF, "lastState": end("", 3, "Error")})
    log = "/entrypoint.sh: line 2: jq: command not found\nstarting anyway\n"
    assert all(not one.cause.id.startswith("startup/") for one in diagnosed(body, log))


SLIPS = {
    "one string": (["sh -c echo hi"], None, {"command": ["sh", "-c", "echo hi"], "args": None}),
    "one string and args": (["node server.js"], ["--port=1"], {"command": ["node", "server.js"], "args": ["--port=1"]}),
    "operators": (["cd /app && run"], None, {"command": ["sh", "-c", "cd /app && run"], "args": None}),
    "line end": (["run\n", "-x"], None, {"command": ["run", "-x"]}),
    "option": (["--port=1"], None, {"command": None, "args": ["--port=1"]}),
    "variable of the pod": (["$BIN", "-x"], None, {"command": ["$(BIN)", "-x"]}),
    "variable of the image": (["$HOME/run"], None, {"command": ["sh", "-c", "$HOME/run"], "args": None}),
    "builtin": (["cd", "/app", "&&", "run"], None, {"command": ["sh", "-c", "cd /app && run"], "args": None}),
    "bash": (["bash", "-c", "x"], None, {"command": ["/bin/sh", "-c", "x"]}),
    "args as program": (None, ["node server.js"], {"command": ["node", "server.js"], "args": None}),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_slips_in_commands(name: str) -> None:
    command, args, change = SLIPS[name]
    word = (command or args)[0]
    app = {"command": command, "args": args, "env": [{"name": "BIN", "value": "run"}]}
    text = RUNC + f'exec: "{word}": executable file not found in $PATH: unknown'
    finding = diagnosed(pod(app, {"state": BACK_OFF, "lastState": end(text)}))[0]
    patch = json.loads(finding.attributes["patch"])
    assert patch["spec"]["containers"] == [{"name": "app", **change}]


def test_got_over_it() -> None:
    text = RUNC + 'exec: "foo": executable file not found in $PATH: unknown'
    running = {
        "state": {"running": {"startedAt": "2026-05-04T11:00:00Z"}},
        "lastState": end(text),
        "ready": True,
    }
    assert [one.standing for one in diagnosed(pod({}, running))] == ["past"]


def test_a_hook_that_fails() -> None:
    app = {"lifecycle": {"postStart": {"exec": {"command": ["register"]}}}}
    message = 'Exec lifecycle hook ([register]) for Container "app" in Pod "web" failed - error: command exited with 3'
    waiting = {"waiting": {"reason": "PostStartHookError", "message": message}}
    body = pod(app, {"state": waiting, "lastState": end("", 137, "Error")})
    assert [one.cause.id for one in diagnosed(body)] == ["startup/post-start-hook-failed"]


UNITS = {
    "128m": ("128Mi", "fraction of a byte"),
    "64": ("64Mi", "64"),
    "512Ki": ("512Mi", "512Ki"),
    "4Mi": ("64Mi", "4Mi"),
}


@pytest.mark.parametrize("limit", UNITS)
def test_slips_in_units(limit: str) -> None:
    suggested, named = UNITS[limit]
    text = RUNC + "container init was OOM-killed (memory limit too low?): unknown"
    body = pod({"resources": {"limits": {"memory": limit}}}, {"state": BACK_OFF, "lastState": end(text)})
    finding = diagnosed(body)[0]
    assert finding.attributes["suggested_limit"] == suggested
    assert named in finding.title


def test_the_layers_that_passed_a_text_on_are_left_out() -> None:
    assert core(RUNC + 'exec: "foo": permission denied: unknown') == 'exec: "foo": permission denied'
    assert core("anything else") == "anything else"


def test_a_program_below_a_volume_is_looked_for_in_the_volume() -> None:
    text = RUNC + 'exec: "/app/server": stat /app/server: no such file or directory: unknown'
    for path, title in {
        "/app": 'Program "/app/server" is not in volume code, which container app has mounted over /app',
        "/ap": 'Program "/app/server" of container app does not exist in image',
    }.items():
        spec = {"command": ["/app/server"], "volumeMounts": [{"name": "code", "mountPath": path}]}
        assert diagnosed(pod(spec, {"state": BACK_OFF, "lastState": end(text)}))[0].title.startswith(title)


def test_what_an_application_prints_is_not_taken_for_the_runtime() -> None:
    assert exec_problem("2026/05/04 exec failed: no such file or directory") is None
    assert exec_problem("could not exec /app: exec format error") is None


def test_the_kernel_s_limit_on_arguments_is_told_by_the_runtime() -> None:
    text = "unable to start container process: exec /usr/local/bin/entrypoint.sh: argument list too long: unknown"
    assert problem_of(f"OCI runtime create failed: runc create failed: {text}")[0] == "too-long"


@pytest.mark.parametrize(
    ("reason", "cause"),
    [("SandboxHandlerGone", "startup/runtime-error"), ("Provisioning", ""), ("ContainerCreating", "")],
)
def test_a_reason_to_wait_that_nobody_knows(reason: str, cause: str) -> None:
    waiting = {"state": {"waiting": {"reason": reason, "message": "the handler is no more"}}}
    found = diagnosed(pod({}, {"restartCount": 0, **waiting}))
    assert [one.cause.id for one in found] == ([cause] if cause else [])


def test_a_hook_that_is_only_named() -> None:
    waiting = {"state": {"waiting": {"reason": "PostStartHookError", "message": "it failed"}}}
    assert [one.cause.id for one in diagnosed(pod({}, waiting))] == ["startup/post-start-hook-failed"]


@pytest.mark.parametrize(
    ("mount", "hidden"),
    [
        ({"name": "init", "mountPath": "/usr/local/bin"}, True),
        ({"name": "init", "mountPath": "/usr/local/bin/wait.sh", "subPath": "wait.sh"}, False),
        ({"name": "init", "mountPath": "/data"}, False),
    ],
)
def test_a_volume_over_a_folder_of_programs(mount: dict[str, Any], hidden: bool) -> None:
    said = end('exec: "docker-entrypoint.sh": executable file not found in $PATH: unknown')
    title = first(pod({"image": "postgres:16", "volumeMounts": [mount]}, {"lastState": said}))[1]
    assert ("is not in volume init, which container app has mounted over /usr/local/bin" in title) is hidden


@pytest.mark.parametrize(
    ("spec", "folder", "hidden"),
    [
        # The image's own entrypoint may stand in /app; a word of the pod may be misspelt just as well.
        ({}, "/app", True),
        ({"command": ["serve"]}, "/app", False),
        ({"command": ["serve"], "env": [{"name": "PATH", "value": "/app/:/bin"}]}, "/app", True),
        ({}, "/app/cache", False),
    ],
)
def test_folders_that_are_programs_own(spec: dict[str, Any], folder: str, hidden: bool) -> None:
    said = end('exec: "serve": executable file not found in $PATH: unknown')
    mounts = [{"name": "code", "mountPath": folder}]
    title = first(pod({"image": "shop:1", "volumeMounts": mounts, **spec}, {"lastState": said}))[1]
    assert ("is not in volume code" in title) is hidden
