"""Lists of nodes, trimmed: what diagnostics know stays as it was, and nothing else is kept."""

from __future__ import annotations

import json

import pytest

from poddoctor.kube.trim import lean, trimmed
from poddoctor.model import Read
from tests.api import crowd

LIST = Read("list", "v1", "nodes")


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_images_go_before_parsing_and_nothing_else(separators: tuple[str, str]) -> None:
    nodes = [crowd.node(index) for index in range(3)]
    nodes[0]["metadata"]["annotations"]["tool"] = json.dumps({"images": [{"names": ["a"], "sizeBytes": 1}]})
    nodes[1]["status"]["images"] = []
    nodes[2]["status"]["images"] = [{"names": ["x"]}, {"names": [], "sizeBytes": 5}]
    raw = json.dumps({"items": nodes}, separators=separators).encode()
    for node in nodes:
        node["status"]["images"] = []
    assert json.loads(lean(LIST, raw)) == {"items": nodes}
    assert lean(Read("list", "v1", "pods"), raw) is raw
    assert lean(Read("get", "v1", "nodes", "", "a"), raw) is raw


def test_a_list_is_trimmed_and_a_single_node_is_not() -> None:
    node = crowd.node(10)
    [slim] = trimmed(LIST, {"items": [node]})["items"]
    assert set(slim["metadata"]) == {"name", "uid", "labels", "creationTimestamp"}
    assert slim["spec"] == {"taints": node["spec"]["taints"]}
    for key in ("allocatable", "capacity", "conditions", "addresses", "nodeInfo"):
        assert slim["status"][key] == node["status"][key]
    assert "images" not in slim["status"]
    one = Read("get", "v1", "nodes", "", "a")
    assert trimmed(one, node) is node


def test_equal_parts_are_one_object() -> None:
    first, second = trimmed(LIST, {"items": [crowd.node(3), crowd.node(6)]})["items"]
    assert first["status"]["allocatable"] is second["status"]["allocatable"]
    assert first["status"]["conditions"] is not second["status"]["conditions"]


@pytest.mark.parametrize("item", [None, "x", {}, {"metadata": None, "spec": 3, "status": []}])
def test_what_is_no_node_is_left_alone(item: object) -> None:
    assert trimmed(LIST, {"items": [item]}) == {"items": [item]}
