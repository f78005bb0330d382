"""Probes that Istio rewrote: its agent is asked, and asks the program in the kubelet's place."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from poddoctor.model import Snapshot
from poddoctor.pod.containers import Container, containers
from poddoctor.pod.pattern import lazy
from poddoctor.pod.reads import log_reads, log_text, pod_of

from ._probe import Probe, probe_from, status_code
from ._probe_facts import Unhealthy

_REWRITTEN = lazy(r"^/app-health/[^/]+/(?:readyz|livez|startupz)$")
_ORIGINALS = "ISTIO_KUBE_APP_PROBERS"
# What the agent itself answers when the program did not answer it at all.
_NO_ANSWER = ("500", "502", "503", "504")


def is_rewritten(probe: Probe) -> bool:
    """Whether the kubelet asks Istio's agent in place of the program."""
    return probe.handler == "http" and bool(_REWRITTEN.match(probe.path))


def agent_of(snapshot: Snapshot, probe: Probe) -> Container | None:
    """The container whose agent asks the program, for a probe that was rewritten."""
    if not is_rewritten(probe):
        return None
    asked = [one for one in containers(pod_of(snapshot) or {}, "sidecar", "app") if _originals(one)]
    return asked[0] if asked else None


def original(snapshot: Snapshot, one: Container, probe: Probe) -> Probe:
    """The probe as its author wrote it; the same where it was not rewritten or is not known."""
    agent = agent_of(snapshot, probe)
    written = (_originals(agent) if agent else {}).get(probe.path)
    if not isinstance(written, dict) or not any(written.get(key) for key in ("httpGet", "tcpSocket", "grpc")):
        return probe
    asked = probe_from(probe.kind, written, one)
    # The agent's copy holds what to ask; how often and how patiently the kubelet's own probe says.
    return replace(
        asked,
        delay=probe.delay,
        period=probe.period,
        timeout=probe.timeout,
        failures=probe.failures,
        grace=probe.grace,
    )


def heard(snapshot: Snapshot, agent: Container, asked: Probe, seen: Unhealthy) -> Unhealthy:
    """The failure as the agent met it: the kubelet hears no more than a status of the agent's own."""
    if status_code(seen.text) not in _NO_ANSWER:
        return seen
    line = re.compile(rf"Request to probe app failed: (.*?), original URL path = {re.escape(asked.path)}\b")
    text = log_text(snapshot, log_reads(snapshot, agent.name)[1]) or ""
    said = [found[1] for found in map(line.search, text.splitlines()) if found]
    if not said:
        return seen
    return replace(seen, text=said[-1], notes=((said[-1], f"log {agent.name}"),))


def _originals(one: Container) -> Mapping[str, Any]:
    for each in one.spec.get("env") or []:
        if each.get("name") == _ORIGINALS:
            try:
                body = json.loads(str(each.get("value") or ""))
            except ValueError:
                return {}
            return body if isinstance(body, dict) else {}
    return {}
