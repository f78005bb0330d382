"""One scenario on a real cluster: break, diagnose, fix with the printed commands, prove health.

Also makes the recordings: the same start, then the snapshot is written with its provenance.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config, dynamic
from kubernetes.client.exceptions import ApiException

from poddoctor import engine, recording, session
from poddoctor.pod.containers import restart_count, status_word

ROOT = Path(__file__).resolve().parent
SCENARIOS = ROOT / "scenarios"
RECORDINGS = ROOT.parent / "tests" / "recordings"
PODDOCTOR = str(Path(sys.executable).parent / "poddoctor")
_KEYS = {
    "cause", "target", "subject", "wait", "values", "env", "setup", "after", "heal", "cleanup", "healthy",
    "recover_timeout", "exclusive", "also", "then", "core", "fix", "reason",
}  # fmt: skip


class ScenarioError(AssertionError):
    """A scenario that did not go as it says."""


@dataclass(frozen=True)
class Scenario:
    """What scenario.yaml says; ``name`` is its path below ``scenarios``."""

    name: str
    cause: str
    target: str
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def manifest(self) -> str:
        """The text of the manifest, with ``$NS`` still in it."""
        return (SCENARIOS / self.name / "manifest.yaml").read_text()

    @property
    def exclusive(self) -> bool:
        """Whether it touches nodes or cluster-wide settings, and so never runs beside those that do not."""
        return bool(self.raw.get("exclusive"))

    @property
    def node(self) -> str | None:
        """The one node that it breaks, so that another node may be broken meanwhile; None: it runs alone."""
        named = self.raw.get("exclusive")
        return named if isinstance(named, str) else None

    @property
    def core(self) -> bool:
        """Whether it belongs to the small set that every change must pass."""
        return bool(self.raw.get("core"))


@dataclass(frozen=True)
class Outcome:
    """What one run showed: seconds to break, the first finding, and seconds to heal (None: not tried)."""

    scenario: Scenario
    broken_in: float
    first: str
    confidence: str
    fixed_in: float | None


def scenarios(pattern: str = "") -> list[Scenario]:
    """All scenarios, or those whose name is the pattern, begins with ``pattern--`` or lies below it."""
    found = [load(path.parent) for path in sorted(SCENARIOS.glob("*/*/scenario.yaml"))]
    return [
        one
        for one in found
        if not pattern
        or one.name == pattern
        or one.name.startswith((f"{pattern}--", pattern.rstrip("/") + "/"))
    ]


def load(folder: Path) -> Scenario:
    """The scenario of one folder."""
    raw = yaml.safe_load((folder / "scenario.yaml").read_text())
    name = folder.relative_to(SCENARIOS).as_posix()
    if unknown := set(raw) - _KEYS:
        raise ScenarioError(f"{name}: unknown keys {sorted(unknown)}")
    if raw["cause"] != name.partition("--")[0]:
        raise ScenarioError(f"{name}: cause {raw['cause']} is not the folder's name")
    return Scenario(name, raw["cause"], raw["target"], raw)


@contextlib.contextmanager
def namespace(scenario: Scenario, *, keep: bool = False) -> Iterator[str]:
    """A fresh namespace for the scenario, with its objects in it; removed without waiting."""
    core = _core()
    name = re.sub(r"[^a-z0-9]+", "-", scenario.name)[:50].strip("-") + f"-{os.getpid() % 10000:04d}"
    with _turn(scenario):
        core.create_namespace({"metadata": {"name": name}})
        _until("the default service account", 30, lambda: _exists(core, name))
        env = {"NS": name}
        try:
            _bash(scenario.raw.get("setup"), name, env)
            apply(scenario.manifest.replace("$NS", name), name)
            _bash(scenario.raw.get("after"), name, env)
            yield name
        finally:
            if not keep:
                _bash(scenario.raw.get("cleanup"), name, env)
                remove(scenario.manifest.replace("$NS", name), name)
                core.delete_namespace(name, grace_period_seconds=0)


@contextlib.contextmanager
def _turn(scenario: Scenario) -> Iterator[None]:
    """Waits until nobody else, in any process, breaks the same node; or any node, for one that runs alone."""
    if not scenario.exclusive:
        yield
        return
    with contextlib.ExitStack() as held:
        # Who waits for the whole cluster holds the queue: those that take a node each would pass it for ever.
        with _lock("queue", fcntl.LOCK_EX):
            held.enter_context(_lock("cluster", fcntl.LOCK_SH if scenario.node else fcntl.LOCK_EX))
        if scenario.node:
            held.enter_context(_lock(scenario.node, fcntl.LOCK_EX))
        yield


@contextlib.contextmanager
def _lock(name: str, kind: int) -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / f"poddoctor-e2e-{name}.lock").open("w") as file:
        fcntl.flock(file, kind)
        yield


def run(scenario: Scenario, *, record: bool = False, fix: bool = True, keep: bool = False) -> Outcome:
    """Breaks, diagnoses, and (unless told otherwise) heals.

    Raises:
        ScenarioError: when the first finding is another one, a fix fails, or the pod does not get well.
    """
    with namespace(scenario, keep=keep) as name:
        start = time.monotonic()
        wait_broken(scenario, name)
        broken_in = time.monotonic() - start
        finding = expect(scenario, name)
        if record:
            write_recording(scenario, name)
        fixed_in = None
        if fix and scenario.raw.get("fix", True):
            start = time.monotonic()
            heal(scenario, name, finding)
            wait_healthy(scenario, name)
            fixed_in = time.monotonic() - start
        return Outcome(scenario, broken_in, finding["cause"], finding["confidence"], fixed_in)


def wait_broken(scenario: Scenario, name: str) -> None:
    """Until the pods of the namespace show what ``wait`` asks for, all of it at once."""
    wait = dict(scenario.raw.get("wait") or {})
    time.sleep(float(wait.pop("seconds", 0)))
    timeout = float(wait.pop("timeout", 90))
    if wait:
        _until(f"{scenario.name}: {wait}", timeout, lambda: _broken(scenario, wait, name))


def _broken(scenario: Scenario, wait: Mapping[str, Any], name: str) -> bool:
    words = [wait["status"]] if isinstance(wait.get("status"), str) else wait.get("status")
    if words or "restarts" in wait:
        pods = [pod for pod in list_raw(f"/api/v1/namespaces/{name}/pods") if _meant(scenario, pod)]
        if not any(
            (not words or status_word(pod) in words) and restart_count(pod) >= int(wait.get("restarts", 0))
            for pod in pods
        ):
            return False
    if "event" in wait:
        return any(
            event.get("reason") == wait["event"]
            and re.search(wait.get("message", ""), event.get("message") or "")
            for event in list_raw(f"/api/v1/namespaces/{name}/events")
        )
    return True


def _meant(scenario: Scenario, pod: Mapping[str, Any]) -> bool:
    """Whether this pod is the target, or one whose name begins with the target's name."""
    return str(pod["metadata"]["name"]).startswith(scenario.target.rpartition("/")[2])


def expect(scenario: Scenario, name: str) -> dict[str, Any]:
    """The first finding of the report, which is the expected one."""
    for report in diagnose(scenario.target, name):
        now = [one for one in report["findings"] if one["standing"] in ("now", "waiting")]
        if now and now[0]["cause"] == scenario.cause:
            subject = scenario.raw.get("subject")
            if subject and subject not in now[0]["subjects"]:
                raise ScenarioError(
                    f"{scenario.name}: the subject is {now[0]['subjects']}, expected {subject}"
                )
            missing = set(scenario.raw.get("also") or []) - {one["cause"] for one in now}
            if missing:
                raise ScenarioError(f"{scenario.name}: not found: {sorted(missing)}")
            first: dict[str, Any] = now[0]
            return {**first, "steps": [*first["steps"], *_then(scenario, report)]}
    text = subprocess.run(
        [PODDOCTOR, "diagnose", scenario.target, "-n", name], capture_output=True, text=True, check=False
    )
    raise ScenarioError(
        f"{scenario.name}: the first finding is not {scenario.cause}:\n{text.stdout}{text.stderr}"
    )


def _then(scenario: Scenario, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps of the reasons that the report says come next, which must be those of ``then``, in order."""
    wanted = list(scenario.raw.get("then") or [])
    ahead = [one for one in report["findings"] if one["standing"] == "next" and one["cause"] in wanted]
    if [one["cause"] for one in ahead] != wanted:
        raise ScenarioError(f"{scenario.name}: then also {[one['cause'] for one in ahead]}, not {wanted}")
    return [step for one in ahead for step in one["steps"]]


def diagnose(target: str, name: str) -> list[dict[str, Any]]:
    """The reports of the command line in JSON, as a user would get them."""
    command = [PODDOCTOR, "diagnose", target, "-n", name, "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if not done.stdout.strip():
        raise ScenarioError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr}")
    document = json.loads(done.stdout)
    reports: list[dict[str, Any]] = document.get("reports") or [document]
    return reports


def heal(scenario: Scenario, name: str, finding: Mapping[str, Any]) -> None:
    """Runs the steps marked ``fixes`` verbatim in bash, with the values that only a human knows.

    They run in a folder of their own: some save an object to a file there.
    """
    if scenario.raw.get("heal"):
        _bash(scenario.raw["heal"], name, {"NS": name})
        return
    steps = [step for step in finding["steps"] if step["fixes"]]
    if not steps:
        raise ScenarioError(f"{scenario.name}: no step fixes it")
    given = {**(scenario.raw.get("env") or {}), **(scenario.raw.get("values") or {})}
    values = {key: str(value).replace("$NS", name) for key, value in given.items()}
    with tempfile.TemporaryDirectory() as folder:
        for step in steps:
            _bash(step["run"], name, values, Path(folder))
    if scenario.raw.get("then"):
        return  # a check asks for what only the last of several fixes brings about
    for step in steps:
        _bash(step["check"], name, values)


def wait_healthy(scenario: Scenario, name: str) -> None:
    """Until poddoctor finds nothing any more on the healed workload."""
    target = scenario.raw.get("healthy") or scenario.target
    last: dict[str, Any] = {}

    def well() -> bool:
        try:
            reports = diagnose(target, name)
        except ScenarioError as error:
            last["said"] = str(error)
            return False
        last["said"] = [
            (report["facts"], [one["cause"] for one in report["findings"] if one["standing"] != "past"])
            for report in reports
        ]
        return all(
            report["healthy"] and not findings
            for report, (_, findings) in zip(reports, last["said"], strict=True)
        )

    def stays_well() -> bool:
        # A container that crashes after a second is well for that second.
        if not well():
            return False
        time.sleep(3)
        return well()

    seconds = float(scenario.raw.get("recover_timeout", 90))
    _until(f"{scenario.name}: healthy again", seconds, stays_well, lambda: str(last.get("said")))


def write_recording(scenario: Scenario, name: str) -> Path:
    """Writes the snapshot whose first finding is the scenario's cause."""
    for snapshot in session.snapshots(scenario.target, session.Request(namespace=name)):
        report = engine.diagnose(snapshot)
        if report.findings and report.findings[0].cause.id == scenario.cause:
            path = RECORDINGS / f"{scenario.name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                recording.dump(
                    snapshot, provenance(scenario.name, snapshot.version, snapshot.clock.isoformat())
                )
            )
            return path
    raise ScenarioError(f"{scenario.name}: no snapshot has {scenario.cause} first")


def provenance(name: str, version: str, clock: str) -> dict[str, Any]:
    """Where a recording comes from."""
    info = list_raw("/api/v1/nodes")[0]["status"]["nodeInfo"]
    return {
        "kubernetes": version or info["kubeletVersion"],
        "runtime": info["containerRuntimeVersion"],
        "node": info["osImage"],
        "scenario": name,
        "recorded": clock,
        "synthetic": False,
    }


def apply(manifest: str, name: str) -> None:
    """Creates the objects of a manifest; namespaced ones go into the namespace."""
    api = _dynamic()
    for body in filter(None, yaml.safe_load_all(manifest)):
        resource = api.resources.get(api_version=body["apiVersion"], kind=body["kind"])
        resource.create(body=body, namespace=name) if resource.namespaced else resource.create(body=body)


def remove(manifest: str, name: str) -> None:
    """Removes the cluster-scoped objects of a manifest; the namespace takes the others along."""
    api = _dynamic()
    for body in filter(None, yaml.safe_load_all(manifest)):
        resource = api.resources.get(api_version=body["apiVersion"], kind=body["kind"])
        if not resource.namespaced and body["metadata"]["name"] != name:
            with contextlib.suppress(ApiException):
                resource.delete(name=body["metadata"]["name"])


def _bash(script: str | None, name: str, values: Mapping[str, str], folder: Path = ROOT) -> None:
    """Runs a script, by default beside the stubs that it takes along."""
    if not script:
        return
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=folder,
        env={**os.environ, **values},
    )
    if done.returncode:
        raise ScenarioError(f"{name}: exit {done.returncode} of:\n{script}\n{done.stdout}{done.stderr}")


def _until(what: str, seconds: float, holds: Callable[[], bool], detail: Callable[[], str] = str) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise ScenarioError(f"gave up after {seconds:.0f} s: {what} {detail()}")
        time.sleep(1)


def _exists(core: client.CoreV1Api, name: str) -> bool:
    try:
        core.read_namespaced_service_account("default", name)
    except ApiException:
        return False
    return True


def list_raw(path: str) -> list[dict[str, Any]]:
    """The items of a list, as the API sent them."""
    answer = _dynamic().request("get", path, serialize=False)
    items: list[dict[str, Any]] = json.loads(answer.data).get("items") or []
    return items


def _core() -> client.CoreV1Api:
    config.load_kube_config()
    return client.CoreV1Api()


def _dynamic() -> dynamic.DynamicClient:
    config.load_kube_config()
    return dynamic.DynamicClient(client.ApiClient())
