"""What a container runtime said when it could not start a process, read into a problem and its details.

The texts of containerd and CRI-O with runc, crun, youki, Kata and gVisor, and of Docker, from many versions:
each pattern keeps to the words that did not change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from poddoctor.pod.pattern import lazy

_NAME = r"\\*[\"'`‘](?P<program>.*?)\\*[\"'`’]"
# In this order: the first that matches says what the problem is.
_PROBLEMS: tuple[tuple[str, str], ...] = (
    ("memory", r"container init was OOM-killed|OOM: the memory limit could be too low"),
    ("memory", r"memory limit (?P<limit>\S+) too low"),
    ("memory", r"unable to set memory limit to (?P<limit>\d+) \(current usage"),
    (
        "memory",
        r"memory(?:\.limit_in_bytes|\.max)\\*[\"'`]?: (?:[Dd]evice or resource busy|[Ii]nvalid argument)",
    ),
    ("memory", r"Minimum memory limit (?:allowed is|can not be less than)"),
    (
        "name-reserved",
        r"failed to reserve container name|is reserved for \\*[\"']?\w",
    ),
    ("name-reserved", r"container \\*\"[^\"]+\" already exists"),
    ("name-reserved", r"[Nn]ame .{0,200}is already in use by|reserving \w+ name .*name is reserved"),
    ("user", r"no (?:users|groups) found"),
    ("user", r"unable to find (?:user|group) (?P<user>[^:\s]+)"),
    ("user", r"user (?P<user>\S+) not found in /etc/passwd|no such user|setup user: |linux spec user: "),
    ("directory", r"chdir to cwd \(\\*[\"'](?P<directory>.*?)\\*[\"']\).*?failed: (?P<why>[\w ]+)"),
    ("directory", r"chdir (?:to )?[`'\"]?(?P<directory>/[^`'\":]*)[`'\"]?: (?P<why>[\w ]+)"),
    ("directory", r"hcs::\S+ \S+: (?P<why>The directory name is invalid)"),
    ("directory", r"working directory \\*['\"](?P<directory>.*?)\\*['\"] is invalid"),
    ("directory", r"container (?:init|process): mkdir (?P<directory>/[^:]*): (?P<why>[\w -]+)"),
    ("directory", r"[Cc]wd must be (?P<why>an absolute path)"),
    ("device", r"nvidia-container-cli: (?P<why>[^\n\"\\]{1,120})"),
    ("device", r"unresolvable CDI devices (?P<device>[^\s:\"]+)|failed to inject CDI devices"),
    ("device", r"CDI host device \\*[\"']?(?P<device>/dev/[^\"'\\:\s]+)"),
    ("device", r"while adding custom device \\*[\"'](?P<device>[^\"'\\]+)"),
    ("device", r"(?:lstat|stat|open) (?P<device>/dev/[^:\s]+): no such (?:file|device)"),
    ("device", r"failed to set devices mapping|could not select device driver"),
    ("too-long", r"argument list too long"),
    ("no-command", r"[Nn]o command specified|args must not be empty|process\.args.{0,20}(?:empty|must)"),
    ("interpreter", rf"exec container process \(missing dynamic library\?\) {_NAME}"),
    ("interpreter", rf"exec container process {_NAME}: No such file or directory"),
    ("interpreter", r"exec user process caused:? \\*\"?no such file or directory"),
    (
        "interpreter",
        r": exec (?P<program>[./][^\s:\"'`\\]*): no such file or directory",
    ),  # found, and not run
    ("format", rf"exec container process {_NAME}: Exec format error"),
    ("format", r"[Ee]xec format error"),
    # Programs of the node, which the runtime itself could not run: nothing is said of the image.
    (
        "other",
        (
            r"exec: \\*\"(?:\S*/)?(?:apparmor_parser|runc|crun|youki|runsc|conmon\w*|containerd-shim[\w.-]*"
            r"|ip6?tables[\w-]*|mount(?:\.\w+)?|modprobe|fuse-overlayfs|newuidmap|nvidia-c[\w-]+)\\*\": "
            r"executable file not found"
        ),
    ),
    ("not-executable", rf"exec: {_NAME}: (?:stat [^:]*: )?(?P<why>permission denied|is a directory)"),
    ("not-executable", rf"executable file {_NAME} .{{0,30}}Permission denied"),
    ("not-executable", r"open executable: (?P<why>Permission denied|Operation not permitted)"),
    ("not-executable", rf"exec container process {_NAME}: Permission denied"),
    ("not-executable", r"exec user process caused:? \\*\"?permission denied"),
    ("not-found", rf"exec: {_NAME}: (?:stat [^:]*: no such file|executable file not found|no such file)"),
    ("not-found", rf"executable (?:file )?{_NAME}(?: for container)?(?: is)? not found"),
    ("not-found", rf"error finding executable {_NAME}"),
    ("not-found", rf"executable for container process not found in PATH: {_NAME}"),
    ("not-found", r"failed to load (?P<program>/\S+): no such file"),
    ("not-found", r"the file (?P<program>\S+) was not found"),
    ("not-found", r"CreateProcess\S* (?P<program>.+?): (?:The system cannot find|failure in a Windows)"),
    ("not-found", r"executable file not found in \$PATH|open executable: No such file"),
    # The limit of cgroups or of inotify watches has the same words.
    ("disk-full", r"^(?!.*(?:cgroup|inotify|fsnotify)).*no space left on device"),
    ("timeout", r"context deadline exceeded|DeadlineExceeded|context canceled"),
)
# Only after the runtime's own words: an application may print any of the above.
_RUNTIME = lazy(
    r"OCI runtime|containerd task|containerd container|shim task|runc create|container create failed"
    r"|failed to (?:start|create|generate|reserve) container|container init|crun:|container_linux\.go"
    r"|Error response from daemon|no command specified|reserved for|name is reserved|hcs::System"
)
# In the log of a container whose exec failed: the runtime's process writes there until it is replaced.
_EXEC_LOG = lazy(
    r"^(?:\{\"msg\":\s*\"|exec container process caused \")?"
    r"(?:standard_init_linux\.go:\d+: |panic: standard_init_linux\.go:\d+: )?"
    r"exec (?:user process caused:? \\*[\"']?"
    r"|container process (?:\(missing dynamic library\?\) )?[`'\"\\]*)?"
    r"(?P<program>(?:[./][^\s:`'\"\\]*)?)[`'\"\\]*(?:: )?"
    r"(?P<why>exec format error|no such file or directory|permission denied|operation not permitted"
    r"|argument list too long)",
    re.IGNORECASE,
)
_EXEC_WHY = {
    "exec format error": "format",
    "no such file or directory": "interpreter",
    "permission denied": "not-executable",
    "operation not permitted": "not-permitted",
    "argument list too long": "too-long",
}
# What shells and init programs say of a command that they cannot run, by problem.
_SHELL = (
    ("interpreter", r"env: .?(?P<interpreter>[\w./+-]+)(?P<cr>\\r|\r|\^M)?\S*: No such file or directory"),
    ("interpreter", r"env: can't execute '(?P<interpreter>[^'\r]+?)(?P<cr>\\r|\r)?'"),
    ("interpreter", r"(?P<program>\S+): (?P<interpreter>\S*?)(?P<cr>\^M|\r)?: bad interpreter"),
    ("interpreter", r"(?P<program>\S+): cannot execute: required file not found"),
    ("format", r"(?P<program>\S+): cannot execute binary file"),
    ("format", r"(?P<program>[^\s:]+): Exec format error"),
    ("not-executable", r"^\S*sh: (?:(?:line )?\d+: )?(?P<program>[^\s:]+): [Pp]ermission denied"),
    ("not-executable", r"^/\S+: (?:line )?\d+: (?P<program>[^\s:]+): [Pp]ermission denied"),
    (
        "not-found",
        r"^\S*: (?:exec: )?(?:(?:line )?\d+: )?(?:exec: )?(?P<program>[^\s:]+): (?:command )?not found$",
    ),
    ("not-found", r"^\S*: (?:line )?\d+: (?:exec: )?(?P<program>/[^\s:]+): No such file or directory$"),
    ("not-found", r"^\S*sh: (?P<program>/[^\s:]+): No such file or directory$"),
    ("not-found", r"^\[FATAL tini.*\] exec (?P<program>\S+) failed: No such file or directory"),
    ("not-found", r"^\[dumb-init\] (?P<program>\S+): No such file or directory"),
    ("not-executable", r"^\[FATAL tini.*\] exec (?P<program>\S+) failed: Permission denied"),
    ("not-found", r"^\S*sh: (?:\d+: )?(?:[Cc]an't|[Cc]annot) open '?(?P<program>[^\s':]+)"),
)
_SHELL_HINT = lazy(r"not found|No such file|ermission denied|xec|interpreter|[Cc]annot|[Cc]an't")
_NOISE = lazy(
    r"^(?:Error: |rpc error: code = \w+ desc = |failed to (?:create|start) container(?:d task)?[^:]*: "
    r"|failed to create (?:shim )?task: |OCI runtime (?:create|start) failed: |runc create failed: "
    r"|failed to generate container \"[^\"]*\" spec: |failed to generate spec: |youki create failed: "
    r"|container create failed: |container_linux\.go:\d+: |process_linux\.go:\d+: "
    r"|Error response from daemon: |unable to start container process: |starting container process caused:? "
    r"|error during container init: |time=\S+ level=\w+ msg=)+"
)


def is_runtime_text(text: str) -> bool:
    """Whether this text comes from the runtime, and not from the application."""
    return bool(_RUNTIME.search(text))


def problem_of(text: str) -> tuple[str, Mapping[str, str]]:
    """The problem that a runtime's text states, and the details in it; ``other`` when it is none we know."""
    for problem, pattern in _PROBLEMS:
        if found := re.search(pattern, text, re.DOTALL):
            return problem, {key: _clean(value) for key, value in found.groupdict().items() if value}
    return "other", {}


def exec_problem(line: str) -> tuple[str, Mapping[str, str]] | None:
    """The problem in a log line that the runtime wrote when the kernel refused the program, else None."""
    found = _EXEC_LOG.search(line.strip()) if "exec" in line else None
    if found is None:
        return None
    program = found["program"]
    return _EXEC_WHY[found["why"].lower()], {"program": program} if program else {}


def shell_problem(line: str) -> tuple[str, Mapping[str, str]] | None:
    """The problem in a line of a shell that could not run a command, and its details, else None."""
    if not _SHELL_HINT.search(line):
        return None
    for problem, pattern in _SHELL:
        if found := re.search(pattern, line.rstrip("\n")):
            return problem, {key: value for key, value in found.groupdict().items() if value}
    return None


def core(text: str) -> str:
    """The runtime's text without the names of the layers that passed it on."""
    short = _NOISE.sub("", text.strip())
    return short.removesuffix(": unknown").strip() or text.strip()


def _clean(text: str) -> str:
    return text.replace('\\"', '"').replace("\\", "").strip().removesuffix(": unknown").rstrip(",;")
