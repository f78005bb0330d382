"""Makes every healthy situation of healthy.yaml, and records it together with the pods of kube-system."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from harness import RECORDINGS, ROOT, Scenario, list_raw, namespace, provenance, wait_broken

from poddoctor import recording, session
from poddoctor.model import Snapshot


class Situation(Scenario):
    """A healthy situation: its manifest stands in the list itself."""

    @property
    def manifest(self) -> str:
        """The objects, as the text of one or more documents."""
        body = self.raw["manifest"]
        return yaml.safe_dump_all(body["items"] if body["kind"] == "List" else [body])


def write(name: str, snapshot: Snapshot) -> None:
    path = RECORDINGS / "healthy" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        recording.dump(snapshot, provenance(f"healthy/{name}", snapshot.version, snapshot.clock.isoformat()))
    )


def record(raw: dict[str, Any]) -> str:
    situation = Situation(f"healthy/{raw['name']}", "", raw["target"], raw)
    try:
        with namespace(situation) as name:
            wait_broken(situation, name)
            write(raw["name"], session.snapshots(raw["target"], session.Request(namespace=name))[0])
    except Exception as error:  # noqa: BLE001 - one situation's failure must not end the others
        return f"FAILED {raw['name']}: {type(error).__name__}: {error}"
    return f"ok {raw['name']}"


def main() -> int:
    rows = yaml.safe_load((Path(ROOT) / "healthy.yaml").read_text())
    wanted = [row for row in rows if not sys.argv[1:] or row["name"] in sys.argv[1:]]
    with ThreadPoolExecutor(6) as pool:
        said = list(pool.map(record, wanted))
    if not sys.argv[1:]:
        seen = set()
        for pod in list_raw("/api/v1/namespaces/kube-system/pods"):
            name = pod["metadata"].get("labels", {}).get("k8s-app") or pod["metadata"]["labels"].get(
                "component", "other"
            )
            if name not in seen:
                seen.add(name)
                request = session.Request(namespace="kube-system")
                write(f"kube-system-{name}", session.snapshots(pod["metadata"]["name"], request)[0])
    print("\n".join(said))
    return 1 if any(line.startswith("FAILED") for line in said) else 0


if __name__ == "__main__":
    sys.exit(main())
