"""What the pod's own spec adds to a log line: variables of ConfigMaps, mounts nearby, a runtime's options."""

from __future__ import annotations

from collections.abc import Iterator

from poddoctor.model import Found, Read, Snapshot
from poddoctor.pod.containers import Container
from poddoctor.pod.names import nearest
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import get
from poddoctor.pod.units import quantity

_SOURCES = (("configMapRef", "configmaps", "ConfigMap"), ("secretRef", "secrets", "Secret"))
_TOKEN = "/var/run/secrets/"  # noqa: S105 - a path
# Last words of variables, those that mean the same together.
_ALIKE = (
    {"url", "uri", "dsn", "connection"},
    {"host", "hostname", "server", "addr", "address", "endpoint"},
    {"port"},
    {"user", "username", "login"},
    {"password", "passwd", "pass", "pwd"},
    {"name", "db", "database", "dbname"},
    {"token", "secret", "key"},
)
_HEAP = lazy(r"(?<!\S)-Xmx(?P<size>\d+[kKmMgG]?)(?!\S)|-XX:MaxHeapSize=(?P<size2>\d+[kKmMgG]?)(?!\S)")
_OLD_SPACE = lazy(r"--max[-_]old[-_]space[-_]size[= ](?P<size>\d+)")
# Directories that every second image has: that one of them is mounted elsewhere says nothing.
_COMMON = frozenset(
    {
        *("conf", "config", "configs", "etc", "data", "run", "tmp", "cache", "log", "logs", "lib", "bin"),
        *("certs", "ssl", "secrets", "work", "app"),
    }
)
# In the order in which a JVM lets one of them win.
_JAVA_VARIABLES = ("_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS")
_JAVA_LAUNCHER = lazy(r"^(?:JAVA\w*|JVM\w*|CATALINA|\w+_JAVA|\w+_JVM|\w+_HEAP)_?(?:OPTS|OPTIONS|ARGS|FLAGS)$")
# What a person may write into a ConfigMap; a program, a library or an archive is not.
_WRITTEN = lazy(
    r"(?i)\.(?:ya?ml|json|conf|cfg|cnf|config|properties|toml|ini|env|xml|pem|crt|cer|txt|hcl|"
    r"tmpl|tpl|rules|lua|sql|sh)$|"
    r"/(?:Caddyfile|Corefile|\.env|config|settings)$"
)


def from_reads(snapshot: Snapshot, one: Container) -> Iterator[Read]:
    """The ConfigMaps and Secrets whose keys become variables of the container."""
    for each in one.spec.get("envFrom") or []:
        for ref, resource, kind in _SOURCES:
            if name := (each.get(ref) or {}).get("name"):
                yield _source_read(snapshot, resource, kind, str(name))


def _source_read(snapshot: Snapshot, resource: str, kind: str, name: str) -> Read:
    purpose = f"would show which variables {kind} {name} gives"
    return get("v1", resource, snapshot.target.namespace, name, purpose)


def variables_from(snapshot: Snapshot, one: Container) -> tuple[dict[str, str], bool]:
    """The variables that envFrom gives, each with its source, and whether all sources could be read."""
    found: dict[str, str] = {}
    complete = True
    for each in one.spec.get("envFrom") or []:
        for ref, resource, kind in _SOURCES:
            source = each.get(ref) or {}
            if not source.get("name"):
                continue
            read = _source_read(snapshot, resource, kind, str(source["name"]))
            answer = snapshot.answers.get(read)
            if isinstance(answer, Found):
                body = answer.body
                keys = [*(body.get("data") or {}), *(body.get("binaryData") or {})]
                prefix = str(each.get("prefix") or "")
                found.update({f"{prefix}{key}": f"{kind} {source['name']}" for key in keys})
            elif not snapshot.absent(read):
                complete = False
    return found, complete


def near_variable(wanted: str, names: list[str]) -> str:
    """The name that was probably meant: a slip, or the same thing by another word (``REDIS_URI``)."""
    head, kind = _split(wanted)
    same = [one for one in names if kind and _split(one) == (head, kind)]
    if same:
        return same[0] if len(same) == 1 else ""
    # Two names of which one means the host and one the port are no slip of each other.
    close = [one for one in nearest(wanted, names, 3) if not kind or _split(one)[1] in (0, kind)]
    least = len(wanted) / 3
    return next((one for one in close if least < len(one) < 3 * len(wanted)), "")


def _split(name: str) -> tuple[str, int]:
    """The first words of a variable, and the number of the group of words that its last one belongs to."""
    head, _, last = name.lower().replace("-", "_").replace(".", "_").rpartition("_")
    group = next((number for number, words in enumerate(_ALIKE, 1) if last in words), 0)
    return (head, group) if group else (name.lower(), 0)


def near_mount(one: Container, path: str) -> tuple[str, str, str]:
    """A volume that is mounted where the path nearly is: volume, its mount, and the directory it lacks."""
    directory = path.rpartition("/")[0]
    if directory.count("/") < 1:
        return "", "", ""
    places = {
        str(each.get("mountPath") or "").rstrip("/"): str(each.get("name"))
        for each in one.spec.get("volumeMounts") or []
        if not str(each.get("mountPath")).startswith(_TOKEN) and not each.get("subPath")
    }
    for at, volume in sorted(places.items()):
        parent, _, last = at.rpartition("/")
        wanted_parent, _, wanted_last = directory.rpartition("/")
        if parent == wanted_parent and _alike(last, wanted_last):
            return volume, at, directory
        if last and last == wanted_last and last not in _COMMON:
            return volume, at, directory
    return "", "", ""


def _alike(one: str, other: str) -> bool:
    short, long = sorted((one.lower(), other.lower()), key=len)
    return len(short) > 2 and (long.startswith(short) or bool(nearest(one, [other])))


def can_be_written(path: str) -> bool:
    """Whether a file is of the kind that one keeps in a ConfigMap."""
    return bool(_WRITTEN.search(path))


def heap_option(one: Container, runtime: str) -> dict[str, str]:
    """The option that bounds the heap now: its text and size, and the variable (with its words) of it."""
    java = runtime == "Java"
    pattern = _HEAP if java else _OLD_SPACE
    env = {str(each.get("name")): str(each.get("value") or "") for each in one.spec.get("env") or []}
    launchers = [name for name in env if _JAVA_LAUNCHER.match(name)] if java else []
    names = list(dict.fromkeys([*_JAVA_VARIABLES, *launchers])) if java else ["NODE_OPTIONS"]
    words = " ".join(str(word) for word in [*(one.spec.get("command") or ()), *(one.spec.get("args") or ())])
    # What the command says wins, except over the first of the variables of a JVM.
    places = [("its command", words), *((name, env.get(name, "")) for name in names)]
    if java and env.get(names[0]):
        places.insert(0, (names[0], env[names[0]]))
    for at, text in places:
        if found := pattern.search(text):
            kept = {"heap_words": text} if at in env else {}
            return {"heap_flag": found[0], "heap_size": _size(found.groupdict()), "heap_at": at, **kept}
    return {}


def _size(groups: dict[str, str | None]) -> str:
    return next((value for value in groups.values() if value), "")


def mebibytes(size: str, runtime: str) -> int:
    """A heap size in MiB; a plain number is bytes for Java and MiB for Node.js."""
    if size.isdigit():
        return int(size) if runtime != "Java" else int(size) >> 20
    amount = quantity(f"{size[:-1]}{size[-1].upper()}i")
    return int(amount or 0) >> 20


def options_with(one: Container, name: str, option: str) -> str:
    """The value of a variable with an option added to what it says now; empty if the spec does not say."""
    for each in one.spec.get("env") or []:
        if each.get("name") == name:
            if each.get("valueFrom"):
                return ""
            return f"{each.get('value') or ''} {option}".strip()
    return option
