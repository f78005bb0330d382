"""What a step does to running pods is said of the pods that it touches."""

from __future__ import annotations

import pytest

from poddoctor.model import Step
from poddoctor.render import text

OWNED = {"workload": "deployment/orders", "workload_name": "orders", "pod": "orders-1"}


@pytest.mark.parametrize(
    ("run", "names", "said"),
    [
        ("kubectl rollout restart deployment/orders", OWNED, "restarts the pods of deployment/orders"),
        ("kubectl delete pod orders-1", OWNED, "restarts the pods of deployment/orders"),
        ("kubectl scale deployment/db --replicas=1", OWNED, "acts on other pods"),
        ("kubectl replace --force -f web.yaml", {"workload": "pod/web", "pod": "web"}, "restarts the pod"),
        (
            "kubectl rollout restart daemonset/gpu",
            {"workload": "pod/web", "pod": "web"},
            "acts on other pods",
        ),
        ("kubectl scale deployment/db --replicas=1", {}, "restarts pods"),
    ],
)
def test_risk(run: str, names: dict[str, str], said: str) -> None:
    assert text._risk(Step("do", run, risk="restarts-pods"), names) == said
