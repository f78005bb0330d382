"""docs/rbac.yaml is the whole list: no recording holds a Read that it does not allow."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from poddoctor.model import Read

from .conftest import ROOT, healthy, recorded, snapshot_of


def allowed() -> set[tuple[str, str, str]]:
    """(API group, resource, verb) of all rules."""
    return {
        (group, resource, verb)
        for role in yaml.safe_load_all((ROOT / "docs" / "rbac.yaml").read_text())
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def needed(read: Read) -> tuple[str, str, str]:
    group = read.api.partition("/")[0] if "/" in read.api else ""
    return (group, "pods/log", "get") if read.verb == "log" else (group, read.resource, read.verb)


def asked() -> Iterator[Read]:
    for path in (*recorded().values(), *healthy().values()):
        yield from snapshot_of(path).answers


def test_every_read_is_in_the_list() -> None:
    reads = {needed(read) for read in asked()}
    assert len(reads) > 30
    assert sorted(reads - allowed()) == []
