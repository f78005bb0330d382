"""What the diagnosis of a Pending pod asks of a large cluster: never all pods, and few requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from poddoctor import session

from . import crowd

# The pod, its events, the version, and the pods of twenty nodes; then the pages of nodes.
_BESIDES = 23
_RULES = 1


@pytest.mark.parametrize(("nodes", "pages"), [(50, 1), (500, 1), (1200, 3)])
@pytest.mark.parametrize("ruled", [False, True])
def test_a_large_cluster_is_not_downloaded(
    nodes: int, pages: int, ruled: bool, kubeconfig: Callable[..., str]
) -> None:
    with crowd.Crowd(nodes, ruled=ruled) as server:
        request = session.Request("shop", kubeconfig=kubeconfig(server.url), timeout=30)
        [report] = session.diagnose("web", None, request, None)
    assert not [one for one in server.requests if crowd.is_all_pods(one)]
    listed = [one for one in server.requests if one.path == "/api/v1/nodes"]
    assert len(listed) == pages
    assert len(server.requests) == _BESIDES + pages + (_RULES if ruled else 0)
    found = report.findings[0]
    assert found.cause.id == "scheduling/insufficient-resources"
    assert found.confidence == "certain"
    assert not report.not_seen
    notes = [text for one in found.symptoms for text, _ in one.notes]
    assert f"the pods of 20 of the {nodes - (nodes + 9) // 10} nodes in question were looked at" in notes


def test_a_list_of_nodes_that_breaks_off_is_told_as_a_part(kubeconfig: Callable[..., str]) -> None:
    class Breaking(crowd.Crowd):
        def find(self, request: crowd.Request) -> crowd.Reply | None:
            if "continue=500" in request.query:
                return crowd.Reply({"message": "the continue token has expired"}, 410)
            return super().find(request)

    with Breaking(1200) as server:
        request = session.Request("shop", kubeconfig=kubeconfig(server.url), timeout=30)
        [report] = session.diagnose("web", None, request, None)
    notes = [text for one in report.findings[0].symptoms for text, _ in one.notes]
    assert "only the first 500 of 1200 nodes were looked at" in notes
