"""Scaffolds a cause: a playbook and a scenario, each with the questions to answer."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from poddoctor.model import STAGES

ROOT = Path(__file__).resolve().parent.parent
PLAYBOOK = """\
# What is THE answer in one line? Name object and number; {{placeholders}} come from the symptoms in `when`.
title: 'Container {{container}} …'
severity: high                # how much of the pod is lost: low, medium or high
status: preview               # stable needs a recording and a proven fix
since: 0.1.0
base: likely                  # certain: a component says it in its own words AND the state agrees
when:                         # which facts, all on one container or pod, mean this cause?
  - symptom: {family}.…
# confirms:                   # what would make it more certain?
# refutes:                    # what would veto it?
# outranks: [{family}/…]      # which general cause does it make precise?
explain: |
  What happened? Why does Kubernetes show it this way? What is it confused with?
steps:                        # what does the engineer type now?
  - do: …
    run: kubectl -n {{namespace}} …
    risk: restarts-pods
    fixes: true
    check: kubectl -n {{namespace}} rollout status {{workload}} --timeout=120s
    undo: kubectl -n {{namespace}} rollout undo {{workload}}
    only: {{owner: workload}}
references: [https://kubernetes.io/docs/…]
"""
SCENARIO = """\
cause: {family}/{name}
target: deployment/checkout         # what is diagnosed
subject: container app                # pod, workload, or container NAME
wait: {{status: [CrashLoopBackOff]}}  # when is it broken? status, restarts, event, message, seconds
# values: {{TAG: "1.36"}}               # for the variables that only a human knows
"""
MANIFEST = """\
# How does a real application get into this state? Break it that way.
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout}
spec:
  selector: {matchLabels: {app: checkout}}
  template:
    metadata: {labels: {app: checkout}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: app, image: "busybox:1.36", command: [sh, -c, "sleep 3600"]}
"""


def main(arguments: list[str]) -> int:
    if (
        len(arguments) != 2
        or arguments[0] not in STAGES
        or not re.fullmatch(r"[a-z][a-z0-9-]+", arguments[1])
    ):
        sys.stderr.write(f"usage: make new-cause FAMILY=… NAME=…, the family one of {', '.join(STAGES)}\n")
        return 2
    family, name = arguments
    scenario = ROOT / "e2e" / "scenarios" / family / name
    files = {
        ROOT / "playbooks" / family / f"{name}.yaml": PLAYBOOK.format(family=family),
        scenario / "scenario.yaml": SCENARIO.format(family=family, name=name),
        scenario / "manifest.yaml": MANIFEST,
    }
    for path in files:
        if path.exists():
            sys.stderr.write(f"{path.relative_to(ROOT)} is there already\n")
            return 2
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        print(f"answer the questions in {path.relative_to(ROOT)}")
    print(f"then: make record CAUSE={family}/{name}; make docs; make check")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
