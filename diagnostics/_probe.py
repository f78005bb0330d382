"""One probe of a container: its handler and numbers, and what its failure texts mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from poddoctor.model import Body
from poddoctor.pod.containers import Container
from poddoctor.pod.pattern import lazy

ProbeKind = Literal["startup", "liveness", "readiness"]
KINDS: tuple[ProbeKind, ...] = ("startup", "liveness", "readiness")

# In this order: the first that matches the text names the failure.
_FAILURES = tuple(
    (name, lazy(pattern, re.IGNORECASE))
    for name, pattern in (
        (
            "scheme",
            (
                r"server gave HTTP response to HTTPS client|malformed HTTP response|"
                r"first record does not look like a TLS handshake|HTTP request to an HTTPS server"
            ),
        ),
        ("grpc-unimplemented", r"does not implement the grpc health protocol|unknown service grpc\.health"),
        ("grpc-unknown-service", r"code = NotFound desc = unknown service"),
        ("not-serving", r"service unhealthy \(responded with"),
        ("refused", r"connection refused|actively refused"),
        ("not-found", r"statuscode: 404\b"),
        ("http-error", r"statuscode: \d+"),
        ("port-unknown", r"strconv\.Atoi: parsing|couldn't find port|port .{1,60} not found"),
        (
            "command-missing",
            (
                r"executable file not found|exec: \"[^\"]+\": .*(?:no such file|permission denied)|"
                r"exec failed.*(?:no such file or directory|permission denied)|"
                r"(?:^|[\s/])(?:ba|da|a)?sh: (?:line \d+: |\d+: )?\S+: (?:command )?not found"
            ),
        ),
        ("unresolved", r"no such host|server misbehaving"),
        ("unreachable", r"no route to host|network is unreachable|host is down"),
        ("certificate", r"x509:|tls: (?!first record)"),
        (
            "timeout",
            r"deadline ?exceeded|Client\.Timeout|i/o timeout|timed out|did not complete within|^timeout: ",
        ),
        ("reset", r"connection reset|broken pipe|\bEOF\b"),
        ("redirects", r"stopped after \d+ redirects"),
    )
)
_STATUS = lazy(r"statuscode: (\d+)")
_MISSING = lazy(
    r'exec: "([^"]+)":|(?:^|[\s/])(?:ba|da|a)?sh: (?:line \d+: |\d+: )?(\S+): (?:command )?not found'
)
_FORBIDDEN = lazy(r'exec: "([^"]+)": permission denied')
_TELLING = lazy(
    r"(?i)error|denied|refused|fail|fatal|unable|cannot|can't|could ?n[o']t|not (?:\w+ )?ready|unhealthy|"
    r"unavailable|not running|no such|timed? ?out|invalid|expired|no response"
)
_TLS = lazy(r"(?:tls|x509): .{1,80}")
_JSON_WORDS = lazy(r'"(?:msg|message|error|err)"\s*:\s*"((?:[^"\\]|\\.)+)"')
_NOTICE = lazy(r"(?i)\bwarning\b|can be insecure")
_TLS_PORTS = ("443", "6443", "8443", "9443")


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe with the defaults that the API server fills in.

    ``port`` is the number (a name resolved against the container's ports), or empty when it has none;
    ``port_name`` is the name that was written.
    """

    kind: ProbeKind
    handler: Literal["http", "tcp", "exec", "grpc"]
    port: str
    port_name: str
    path: str
    scheme: str
    host: str
    command: tuple[str, ...]
    delay: int
    period: int
    timeout: int
    failures: int
    grace: int | None
    successes: int = 1
    service: str = ""

    @property
    def field(self) -> str:
        """The name in the container's spec, such as ``livenessProbe``."""
        return f"{self.kind}Probe"

    @property
    def budget(self) -> int:
        """Seconds from the start of the container to the last failure that it may have."""
        return self.delay + (self.failures + self.successes - 1) * self.period

    @property
    def arithmetic(self) -> str:
        """The budget in words."""
        tries = f"{self.failures} failures" + (
            f" and {self.successes} successes" if self.successes > 1 else ""
        )
        return f"{self.delay}s initial delay + {tries} x every {self.period}s"

    @property
    def asks(self) -> str:
        """What the probe does, in a few words."""
        where = f":{self.port or self.port_name}"
        if self.handler == "http":
            return f"{self.scheme} GET {where}{self.path}"
        if self.handler == "exec":
            words = " ".join(self.command).replace("\n", " ")
            return f"command {shorten(words, 40)}"
        return f"{self.handler} connect {where}" if self.handler == "tcp" else f"grpc health {where}"


def probes_of(one: Container) -> Iterator[Probe]:
    """The probes of a container, in the order in which they act."""
    for kind in KINDS:
        raw = one.spec.get(f"{kind}Probe")
        if raw:
            yield probe_from(kind, raw, one)


def probe_from(kind: ProbeKind, raw: Mapping[str, Any], one: Container) -> Probe:
    """A probe as the API has it, with the port's name looked up among the container's."""
    http, tcp, grpc = raw.get("httpGet"), raw.get("tcpSocket"), raw.get("grpc")
    handler: Literal["http", "tcp", "exec", "grpc"] = (
        "http" if http is not None else "tcp" if tcp is not None else "grpc" if grpc is not None else "exec"
    )
    body = http or tcp or grpc or {}
    written = str(body.get("port") or "")
    path = str(body.get("path") or "/")
    return Probe(
        kind=kind,
        handler=handler,
        port=written if written.isdigit() else resolve(one, written),
        port_name="" if written.isdigit() else written,
        path=path if path.startswith("/") else f"/{path}",
        scheme=str(body.get("scheme") or "HTTP").upper(),
        host=str(body.get("host") or ""),
        command=tuple(map(str, (raw.get("exec") or {}).get("command") or ())),
        delay=int(raw.get("initialDelaySeconds") or 0),
        period=int(raw.get("periodSeconds") or 10),
        timeout=int(raw.get("timeoutSeconds") or 1),
        failures=int(raw.get("failureThreshold") or 3),
        grace=raw.get("terminationGracePeriodSeconds"),
        successes=int(raw.get("successThreshold") or 1),
        service=str((grpc or {}).get("service") or ""),
    )


def resolve(one: Container, name: str) -> str:
    """The number of a named port of this container, or an empty string."""
    return next(
        (str(port.get("containerPort")) for port in ports_of(one) if name and port.get("name") == name), ""
    )


def ports_of(one: Container) -> list[Body]:
    """The declared ports."""
    return list(one.spec.get("ports") or [])


def declared(one: Container) -> str:
    """The declared ports for reading: ``8080 (http), 9090``."""
    return ", ".join(
        f"{port.get('containerPort')} ({port['name']})"
        if port.get("name")
        else f"{port.get('containerPort')}"
        for port in ports_of(one)
    )


def failure_of(text: str, probe: Probe | None) -> str:
    """What kind of failure this text of the kubelet is."""
    name = next((name for name, pattern in _FAILURES if pattern.search(text)), "")
    if name == "http-error" and probe and plain_http_to_tls(text, probe):
        return "scheme"
    if name in _OF_THE_OUTPUT and probe and probe.handler == "exec":
        # An exec probe's text is the command's own output: only kubelet's own words are its time limit.
        own = re.match(
            r'(?:command (?:timed out: )?".*timed out|command timed out\s*$|'
            r"rpc error: code = DeadlineExceeded|$)",
            text,
            re.DOTALL,
        )
        return "timeout" if name == "timeout" and own and text else "exit"
    return name or "other"


_OF_THE_OUTPUT = frozenset(
    {"", "timeout", "refused", "unresolved", "unreachable", "certificate", "reset", "redirects", "scheme"}
)
"""What an exec probe's command may say of what it asked itself: it is not the kubelet that was refused."""


def plain_http_to_tls(text: str, probe: Probe) -> bool:
    """A TLS server answers 400 to plain HTTP: believed where the port, too, is one of TLS."""
    tls = probe.port in _TLS_PORTS or "https" in probe.port_name or "tls" in probe.port_name
    return probe.scheme == "HTTP" and tls and status_code(text) == "400"


def status_code(text: str) -> str:
    """The HTTP status in the kubelet's text, or an empty string."""
    found = _STATUS.search(text)
    return found[1] if found else ""


def why(probe: Probe, failure: str, text: str) -> str:
    """The failure in a few words, for a title."""
    port = probe.port or probe.port_name
    request = f"GET {probe.path} on port {port}" if probe.handler == "http" else f"port {port}"
    if probe.host:
        # It does not ask the pod at all, unless the host happens to be the pod's own address.
        request += f" of host {probe.host}, not of the pod,"
    command = shorten(" ".join(probe.command).replace("\n", " "), 40)
    phrases = {
        "refused": f"connection refused on port {port}"
        + (f" of host {probe.host}, not of the pod" if probe.host else ""),
        "not-found": f"{request} answers 404",
        "http-error": f"{request} answers {status_code(text)}",
        "scheme": f"port {port} does not speak {probe.scheme}",
        "timeout": f"no answer within {probe.timeout}s from "
        + (f'"{command}"' if probe.handler == "exec" else request),
        "port-unknown": f'port "{port}" is not declared',
        "command-missing": f'its command "{missing(text) or program(probe)}" cannot be run in the container',
        "unresolved": f"{request} cannot be asked: that name has no address",
        "unreachable": f"the node has no route to {request}",
        "reset": f"{request} closes the connection",
        "redirects": f"{request} redirects without end",
        "grpc-unimplemented": f"port {port} does not offer the gRPC health service",
        "grpc-unknown-service": f'gRPC health on port {port} does not know service "{probe.service}"',
        "not-serving": f"gRPC health on port {port} says it does not serve",
        "certificate": f"TLS fails on port {port}"
        + (f": {found[0]}" if (found := _TLS.search(text)) else ""),
    }
    if failure == "exit":
        words = said(text)
        return f'"{words}"' if words else f'"{command}" fails'
    return phrases.get(failure) or shorten(text, 60)


def program(probe: Probe) -> str:
    """The program of an exec probe."""
    return probe.command[0] if probe.command else ""


def missing(text: str) -> str:
    """The program that could not be run, as the runtime or a shell names it: often not the first word."""
    found = _MISSING.search(text.replace('\\"', '"'))
    return next((group for group in found.groups() if group), "") if found else ""


def forbidden(text: str) -> str:
    """The program that is there and may not be run, as the runtime names it."""
    found = _FORBIDDEN.search(text.replace('\\"', '"'))
    return found[1] if found else ""


def said(text: str) -> str:
    """The line of a command's output that says what is wrong, or its first; empty when it has none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line) and not _NOTICE.search(line)]
    line = (telling or lines or [""])[-1 if telling else 0]
    if line.startswith("{") and (words := _JSON_WORDS.search(line)):
        line = words[1].replace('\\"', '"')
    return shorten(line, 90)


def shorten(text: str, most: int) -> str:
    """The text on one line, cut at ``most`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
