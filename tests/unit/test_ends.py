"""Who ended a container: one row for each story that an end can tell."""

from __future__ import annotations

from typing import Any

import pytest

from poddoctor import engine
from poddoctor.model import CONFIDENCES

from .test_crash import BACK_OFF, LIMIT, LIVENESS, ago, ended, event, pod, snapshot

LIVE = "Container app failed liveness probe, will be restarted"
WINDOWS = {"os": {"name": "windows"}}
OOM_EVENT = event("SystemOOM", "System OOM encountered, victim process: app, pid: 7", 31, "Node", "n1")
OTHER_OOM = event("SystemOOM", "System OOM encountered, victim process: x, pid: 7", 3000, "Node", "n1")
CGROUP = event("OOMKilling", "Memory cgroup out of memory: Killed process 7 (x)", 31, "Node", "n1")
REBOOT = event("Rebooted", "Node n1 has been rebooted, boot id: 1f", 5, "Node", "n1")
HOOK = {"lifecycle": {"postStart": {"exec": {"command": ["x"]}}}}
LOST = "The container could not be located when the pod was terminated"
TAKEN = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory. "}
DRAIN = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}

# container, its last end, events, pod status, the first cause or none, how sure at the most, what the title says
Row = tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]] | None, dict[str, Any], str, str, str]
ROWS: dict[str, Row] = {
    # --- the runtime's word ---
    "OOMKilled 137": (LIMIT, ended(137, "OOMKilled"), [], {}, "crash/oom-killed", "certain", "limit of 64Mi"),
    "OOMKilled 128": (LIMIT, ended(128, "OOMKilled"), [], {}, "crash/oom-killed", "certain", "limit of 64Mi"),
    "OOMKilled 143": (LIMIT, ended(143, "OOMKilled"), [], {}, "crash/child-process-oom-killed", "certain", "143"),
    "OOMKilled 1": (LIMIT, ended(1, "OOMKilled"), [], {}, "crash/child-process-oom-killed", "certain", "with 1"),
    "OOMKilled 0": (LIMIT, ended(0, "OOMKilled"), [], {}, "crash/child-process-oom-killed", "certain", "with 0"),
    "OOMKilled 139": (LIMIT, ended(139, "OOMKilled"), [], {}, "crash/child-process-oom-killed", "certain", "139"),
    "OOMKilled 137 and a failed probe": (
        {**LIMIT, **LIVENESS}, ended(137, "OOMKilled"), [event("Killing", LIVE)], {},
        "crash/child-process-oom-killed", "certain", "A process in container app",
    ),
    "OOMKilled, no limit": ({}, ended(137, "OOMKilled"), [], {}, "crash/node-out-of-memory", "likely", ""),
    "OOMKilled, no limit, node says so": (
        {}, ended(137, "OOMKilled"), [OOM_EVENT], {}, "crash/node-out-of-memory", "certain", "",
    ),
    "OOMKilled, node event, own limit": (
        LIMIT, ended(137, "OOMKilled"), [OOM_EVENT], {}, "crash/oom-killed", "certain", "64Mi",
    ),
    # --- 137 and 143 without a word ---
    "137": ({}, ended(137), [], {}, "crash/killed-unproven", "possible", "SIGKILL"),
    "137 with a limit": (LIMIT, ended(137), [], {}, "crash/killed-unproven", "possible", "SIGKILL"),
    "137, events unreadable": (
        {}, ended(137), None, {}, "crash/killed-unproven", "possible", "its events, which may say by whom, cannot be read",
    ),
    "137, SystemOOM now": ({}, ended(137), [OOM_EVENT], {}, "crash/node-out-of-memory", "certain", ""),
    "137, SystemOOM long ago": ({}, ended(137), [OTHER_OOM], {}, "crash/killed-unproven", "possible", ""),
    "137, some cgroup's kill": (
        {}, ended(137), [CGROUP], {}, "crash/killed-unproven", "possible", "just as node n1 killed x for memory",
    ),
    "137, node rebooted": ({}, ended(137), [REBOOT], {}, "crash/node-rebooted", "certain", ""),
    "137, liveness": (LIVENESS, ended(137), [event("Killing", LIVE)], {}, "probes/liveness-kills-container", "certain", ""),
    "137, events of the probe gone": (
        {"livenessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1}}, ended(137), [], {},
        "probes/liveness-may-kill", "likely", "may have done it",
    ),
    "137, died too soon for its probe": (
        {"livenessProbe": {"httpGet": {"port": 8080}, "initialDelaySeconds": 60}}, ended(137), [], {},
        "crash/killed-unproven", "possible", "",
    ),
    "137, changed": (
        {}, ended(137), [event("Killing", "Container app definition changed, will be restarted")], {}, "", "", "",
    ),
    "137, evicted": ({}, ended(137), [], TAKEN, "node/evicted-memory", "certain", ""),
    "137, drained": ({}, ended(137), [], {"conditions": [DRAIN]}, "", "", ""),
    "143": ({}, ended(143), [], {}, "crash/killed-unproven", "possible", "SIGTERM"),
    "143, liveness": (LIVENESS, ended(143), [event("Killing", LIVE)], {}, "probes/liveness-kills-container", "certain", ""),
    "143, hook": (HOOK, ended(143), [event("Killing", "FailedPostStartHook")], {}, "", "", ""),
    # --- a lost record ---
    "lost": ({}, ended(137, "ContainerStatusUnknown", message=LOST), [], {}, "crash/container-lost", "likely", "stand-in"),
    "lost, evicted": ({}, ended(137, "ContainerStatusUnknown", message=LOST), [], TAKEN, "node/evicted-memory", "certain", ""),
    "lost, rebooted": ({}, ended(137, "ContainerStatusUnknown", message=LOST), [REBOOT], {}, "crash/node-rebooted", "certain", ""),
    "255 Unknown": ({}, ended(255, "Unknown"), [], {}, "crash/node-rebooted", "likely", ""),
    "255 of the program": ({}, ended(255), [], {}, "crash/application-error", "likely", "255"),
    # --- signals ---
    "129, as git ends when it is called wrongly": (
        {}, ended(129), [], {}, "crash/application-error", "likely", "error code 129",
    ),
    "130": ({}, ended(130), [], {}, "crash/killed-unproven", "possible", "SIGINT"),
    "130, liveness": (LIVENESS, ended(130), [event("Killing", LIVE)], {}, "probes/liveness-kills-container", "certain", ""),
    "131": ({}, ended(131), [], {}, "crash/application-error", "likely", "SIGQUIT"),
    "132": ({}, ended(132), [], {}, "crash/illegal-instruction", "certain", ""),
    "133": ({}, ended(133), [], {}, "crash/fatal-signal", "certain", "SIGTRAP"),
    "134": ({}, ended(134), [], {}, "crash/aborted", "certain", "SIGABRT"),
    "135": ({}, ended(135), [], {}, "crash/bus-error", "certain", ""),
    "136": ({}, ended(136), [], {}, "crash/fatal-signal", "certain", "SIGFPE"),
    "138": ({}, ended(138), [], {}, "crash/killed-unproven", "possible", "SIGUSR1"),
    "139": ({}, ended(139), [], {}, "crash/segmentation-fault", "certain", ""),
    "139, liveness": (LIVENESS, ended(139), [event("Killing", LIVE)], {}, "probes/liveness-kills-container", "certain", ""),
    "141": ({}, ended(141), [], {}, "crash/broken-pipe", "certain", "SIGPIPE"),
    "153": ({}, ended(153), [], {}, "crash/application-error", "likely", "a file beyond its limit"),
    "159": ({}, ended(159), [], {}, "crash/forbidden-system-call", "certain", ""),
    "162, a real-time signal": ({}, ended(162), [], {}, "crash/application-error", "likely", "error code 162"),
    "200": ({}, ended(200), [], {}, "crash/application-error", "likely", "error code 200"),
    "a signal instead of a code": ({}, ended(0, signal=9), [], {}, "crash/killed-unproven", "possible", "SIGKILL"),
    "a fault instead of a code": ({}, ended(0, signal=11), [], {}, "crash/segmentation-fault", "certain", "139"),
    # --- Windows ---
    "access violation": (
        {}, ended(-1073741819), [], {}, "crash/application-error", "likely", "an access violation (0xC0000005)",
    ),
    "access violation, unsigned": ({}, ended(3221225477), [], {}, "crash/application-error", "likely", "0xC0000005"),
    "a stopped console": ({}, ended(-1073741510), [], {}, "crash/killed-unproven", "possible", "STATUS_CONTROL_C_EXIT"),
    "a missing DLL": ({}, ended(-1073741515), [], {}, "crash/application-error", "likely", "a DLL that is missing"),
    "-1": ({}, ended(-1), [], {}, "crash/application-error", "likely", "error code -1"),
    # --- the program itself ---
    "1": ({}, ended(1), [], {}, "crash/application-error", "likely", "error code 1"),
    "1, probes and no events": (LIVENESS, ended(1), [], {}, "crash/application-error", "possible", ""),
    "1 with a message": ({}, ended(1, message="gave up"), [], {}, "crash/application-error", "likely", ""),
    "1, crashed before the drain": (
        {}, ended(1), [], {"conditions": [{**DRAIN, "lastTransitionTime": ago(5)}]}, "crash/application-error", "likely", "",
    ),
    "nothing is recorded": ({}, {}, [], {}, "crash/application-error", "possible", "keeps ending (4 times)"),
    "0 under Always": ({}, ended(0, "Completed"), [], {}, "crash/finishes-immediately", "certain", ""),
    "0, liveness": (LIVENESS, ended(0, "Completed"), [event("Killing", LIVE)], {}, "probes/liveness-kills-container", "certain", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_an_end_is_told_as_what_it_was(name: str) -> None:
    app, end, events, status, cause, most, words = ROWS[name]
    body = pod(app, {"state": BACK_OFF, "lastState": end})
    if status:
        body = pod(app, {"state": end})
        body["status"] |= status
    findings = engine.diagnose(snapshot(body, events)).findings
    ids = [one.cause.id for one in findings]
    if not cause:
        assert not [one for one in ids if one.startswith("crash/")]
        return
    assert ids[:1] == [cause]
    assert CONFIDENCES.index(findings[0].confidence) <= CONFIDENCES.index(most)
    assert words in findings[0].title
    assert len([one for one in ids if one.startswith("crash/")]) <= 1


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_a_task_that_is_done_is_well_though_a_process_of_it_was_killed(policy: str) -> None:
    body = pod(LIMIT, {"state": ended(0, "OOMKilled"), "restartCount": 0}, restartPolicy=policy)
    body["status"]["phase"] = "Succeeded"
    report = engine.diagnose(snapshot(body, []))
    assert [(one.standing, one.cause.id) for one in report.findings] == [
        ("past", "crash/child-process-oom-killed")
    ]
