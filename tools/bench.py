"""The numbers to hold, as ratios, paired in one run: A B A B … and the ratio of the medians.

The API server is the fake one of the tests, over TLS, behind a relay that adds the round-trip time.
Kubectl is the one on the PATH, or ``KUBECTL``. A ratio over its bar makes the run fail, with a profile.
"""

from __future__ import annotations

import asyncio
import compileall
import contextlib
import dataclasses
import importlib
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from poddoctor import engine, recording
from poddoctor.model import Found, Snapshot
from poddoctor.stages import diagnostics

ROOT = Path(__file__).resolve().parent.parent
RECORDING = ROOT / "tests" / "recordings" / "crash" / "application-error.json"
PODDOCTOR = str(Path(sys.executable).parent / "poddoctor")
KUBECTL = os.environ.get("KUBECTL") or shutil.which("kubectl") or "kubectl"
LOGGED = ROOT / "tests" / "recordings" / "logs" / "file-missing.json"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
KINDS = {"pods": "Pod", "events": "Event", "nodes": "Node", "namespaces": "Namespace"}


def of_tests(name: str) -> Any:
    """A module of the contract tests: the fake server, the made-up cluster."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    return importlib.import_module(f"tests.api.{name}")


def replies(snapshot: Snapshot) -> dict[str, Any]:
    """What the server answers: the recording, and what kubectl asks before it asks for the pod."""
    found = {read.path: answer.body for read, answer in snapshot.answers.items() if isinstance(answer, Found)}
    verbs = ["get", "list"]
    resources = [
        {
            "name": name,
            "singularName": "",
            "namespaced": name not in ("nodes", "namespaces"),
            "kind": kind,
            "verbs": verbs,
        }
        for name, kind in KINDS.items()
    ]
    resources.append(
        {"name": "pods/log", "singularName": "", "namespaced": True, "kind": "Pod", "verbs": ["get"]}
    )
    return {
        **found,
        "/version": {"gitVersion": snapshot.version, "major": "1", "minor": "34"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": resources},
    }


def serve(folder: str, channel: Any) -> None:
    """The server's process: announces its port and certificate authority, then serves until it is ended."""
    module = of_tests("server")
    authority = module.Authority(Path(folder))
    tls = authority.issue("server", server=True)
    with module.FakeServer(replies(recording.load(RECORDING).snapshot), tls) as server:
        channel.send((server.port, str(authority.path)))
        time.sleep(3600)


def serve_crowd(folder: str, nodes: int, channel: Any) -> None:
    """The process of a made-up cluster of so many nodes: tells on request what it was asked, and sent."""
    authority = of_tests("server").Authority(Path(folder))
    crowd = of_tests("crowd")
    with crowd.Crowd(nodes, authority.issue("server", server=True)) as server:
        channel.send((server.port, str(authority.path)))
        while channel.recv():
            channel.send((len(server.requests), server.sent, sum(map(crowd.is_all_pods, server.requests))))
            server.requests.clear()
            server.sent = 0


def relay(port: int, delay: float, channel: Any) -> None:
    """A relay's process: every byte arrives ``delay`` seconds later, each way; nothing else changes."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(delay, writer.write, data)
        loop.call_later(delay, writer.close)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The handshake of TCP itself crosses the line once as well.
        await asyncio.sleep(2 * delay)
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))

    async def run() -> None:
        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        channel.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextlib.contextmanager
def processes() -> Iterator[dict[int, str]]:
    """Kubeconfigs by round-trip time in milliseconds; 0 is loopback without a relay."""
    with tempfile.TemporaryDirectory() as folder:
        mine, theirs = multiprocessing.Pipe()
        running = [multiprocessing.Process(target=serve, args=(folder, theirs), daemon=True)]
        running[0].start()
        port, authority = mine.recv()
        ports = {0: port}
        for rtt in (20, 50):
            process = multiprocessing.Process(target=relay, args=(port, rtt / 2000, theirs), daemon=True)
            process.start()
            running.append(process)
            ports[rtt] = mine.recv()
        try:
            yield {rtt: kubeconfig(folder, rtt, at, authority) for rtt, at in ports.items()}
        finally:
            for process in running:
                process.terminate()


def kubeconfig(folder: str, rtt: int, port: int, authority: str) -> str:
    path = Path(folder) / f"config-{rtt}"
    cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority": authority}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "bench", "user": {"token": "bench"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return str(path)


def seconds(commands: Sequence[Sequence[str]], config: str) -> float:
    """The wall time of commands run one after another."""
    env = {**os.environ, "KUBECONFIG": config, "HOME": str(Path(config).parent)}
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, env=env, capture_output=True, check=False)
        if done.returncode not in (0, 1) or not (done.stdout or command[1:2] == ["-c"]):
            sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.decode()[:300]}")
    return time.perf_counter() - start


def paired(
    ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]], config: str
) -> tuple[float, float]:
    """The medians of both, taken in turns after one warm-up of each."""
    seconds(ours, config), seconds(theirs, config)
    pairs = [(seconds(ours, config), seconds(theirs, config)) for _ in range(ROUNDS)]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def peak_memory(command: Sequence[str], config: str) -> float:
    """MiB at the most, as the kernel counted."""
    env = {**os.environ, "KUBECONFIG": config}
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return usage.ru_maxrss / 1024


@dataclasses.dataclass
class Cost:
    """What the diagnosis of a Pending pod costs in a cluster: the best time, and the last run's rest."""

    seconds: float
    peak: float
    requests: int
    megabytes: float
    all_pods: int


def pending_pod(nodes: int) -> Cost:
    """The cost of a Pending pod in a made-up cluster of so many nodes with thirty pods each."""
    command = [PODDOCTOR, "diagnose", "-n", "shop", "web", "--timeout", "60"]
    with tempfile.TemporaryDirectory() as folder:
        mine, theirs = multiprocessing.Pipe()
        process = multiprocessing.Process(target=serve_crowd, args=(folder, nodes, theirs), daemon=True)
        process.start()
        try:
            port, authority = mine.recv()
            config = kubeconfig(folder, 0, port, authority)
            times = [seconds([command], config) for _ in range(4)][1:]
            mine.send(True)
            mine.recv()
            peak = peak_memory(command, config)
            mine.send(True)
            requests, sent, all_pods = mine.recv()
        finally:
            process.terminate()
    return Cost(min(times), peak, requests, sent / 1e6, all_pods)


def large_clusters() -> list[bool]:
    """The rows of a Pending pod in clusters of three sizes: at most linear in the nodes, never all pods."""
    costs = {nodes: pending_pod(nodes) for nodes in (50, 500, 5000)}
    for nodes, cost in costs.items():
        print(
            f"  {nodes} nodes, {nodes * 30} pods: {cost.seconds:.2f} s, {cost.peak:.0f} MiB, "
            f"{cost.requests} requests, {cost.megabytes:.1f} MB, {cost.all_pods} lists of all pods"
        )
    most = costs[5000]
    return [
        row("Pending pod, 5,000 nodes and 150,000 pods", most.seconds, 3, "s"),
        row("  peak memory", most.peak, 150, "MiB"),
        row("  requests", most.requests, 40),
        row("  lists of all pods", most.all_pods, 0),
        row("  time of 5,000 nodes / time of 500 (linear: 10)", most.seconds / costs[500].seconds, 10),
    ]


def rules_on_a_log(snapshot: Snapshot) -> float:
    """Milliseconds that the log rules take on the recorded snapshot with logs of 200 lines."""
    line = "2026-11-24T10:00:00.123Z INFO  [main] com.shop.Checkout - handled request {} in 12 ms\n"
    module = diagnostics()["logs"]

    def padded(number: int) -> Snapshot:
        # Each run reads another text: nothing may be remembered from the one before.
        before = "".join(line.format(number * 1000 + one) for one in range(190))
        answers = {
            read: Found(before + str(answer.body))
            if read.verb == "log" and isinstance(answer, Found)
            else answer
            for read, answer in snapshot.answers.items()
        }
        return Snapshot(snapshot.target, answers, snapshot.clock, snapshot.version)

    snapshots = [padded(number) for number in range(21)]
    list(module.examine(snapshots.pop()))
    start = time.perf_counter()
    for one in snapshots:
        list(module.examine(one))
    return (time.perf_counter() - start) / len(snapshots) * 1000


def row(what: str, value: float, bar: float, unit: str = "", detail: str = "") -> bool:
    verdict = "ok" if value <= bar else "MISSED"
    print(f"{what:<58} {value:7.2f}{unit:<4} bar {bar:g}{unit:<4} {verdict:<7} {detail}", flush=True)
    return value <= bar


def main() -> int:
    snapshot = recording.load(RECORDING).snapshot
    place = ["-n", snapshot.target.namespace, snapshot.target.name]
    engine.diagnose(snapshot)
    for folder in ("poddoctor", "diagnostics"):
        # What pip does when it installs; an editable installation may have no bytecode, or none that is new.
        compileall.compile_dir(ROOT / folder, quiet=1)
    print(
        subprocess.run(
            [KUBECTL, "version", "--client"], capture_output=True, text=True, check=False
        ).stdout.strip()
    )
    diagnose = [[PODDOCTOR, "diagnose", *place]]
    describe = [[KUBECTL, "describe", "pod", *place]]
    logs = [[KUBECTL, "logs", *place, "--tail=200"], [KUBECTL, "logs", *place, "--tail=200", "--previous"]]
    by_hand = [[KUBECTL, "get", "pod", *place, "-o", "yaml"], *describe, *logs]
    held = []
    with processes() as configs:
        for rtt, bar in ((0, 2.0), (20, 1.1), (50, 1.0)):
            held.append(
                ratio(f"diagnose / kubectl describe pod, {rtt} ms RTT", diagnose, describe, configs[rtt], bar)
            )
        for rtt, bar in ((0, 0.6), (50, 0.35)):
            held.append(
                ratio(
                    f"diagnose / get+describe+logs+previous, {rtt} ms", diagnose, by_hand, configs[rtt], bar
                )
            )
        quick = [[PODDOCTOR, "--version"]]
        held.append(
            ratio(
                "poddoctor --version / python -c pass", quick, [[sys.executable, "-c", "pass"]], configs[0], 4
            )
        )
        held.append(row("peak memory of a diagnose", peak_memory(diagnose[0], configs[0]), 45, "MiB"))
        if not all(held):
            profile(configs[0], diagnose[0])
    held += large_clusters()
    held.append(row("rules on a 200-line log", rules_on_a_log(recording.load(LOGGED).snapshot), 5, "ms"))
    return 0 if all(held) else 1


def ratio(
    what: str, ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]], config: str, bar: float
) -> bool:
    mine, other = paired(ours, theirs, config)
    return row(what, mine / other, bar, detail=f"{mine * 1000:.0f} against {other * 1000:.0f} ms")


def profile(config: str, command: Sequence[str]) -> None:
    """Which imports cost most, for the reader of a missed bar."""
    env: Mapping[str, str] = {**os.environ, "KUBECONFIG": config, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    rows = [
        line.split("|")
        for line in done.stderr.splitlines()
        if line.startswith("import time:") and "us" not in line
    ]
    print("\nthe dearest imports (own time in microseconds, module):")
    for own, _, name in sorted(rows, key=lambda one: -int(one[0].split(":")[1]))[:15]:
        print(f"  {own.split(':')[1].strip():>7} {name.strip()}")


if __name__ == "__main__":
    sys.exit(main())
