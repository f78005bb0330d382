"""A playbook that breaks the grammar is told with file and line."""

from pathlib import Path

import pytest

from poddoctor import playbook, variants
from poddoctor.model import Step, SymptomKind
from poddoctor.stages import symptom_kinds

KINDS = {"image.pull-failed": SymptomKind("the pull failed", ("tag", "reason"))}
GOOD = """\
title: 'Tag {tag} of {name} is not there'
severity: high
status: preview
since: 0.1.0
base: likely
when:
  - symptom: image.pull-failed
    matches: '(?P<name>\\w+): not found'
    where: {reason: [ErrImagePull]}
explain: Because.
steps:
  - do: Set another tag
    run: kubectl -n {namespace} set image {workload} {container}=x
    fixes: true
    check: kubectl -n {namespace} get pod {pod}
"""


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "image" / "tag.yaml"
    path.parent.mkdir()
    path.write_text(text)
    return playbook.load(path, tmp_path, KINDS)


def test_a_good_one(tmp_path: Path) -> None:
    cause = load(tmp_path, GOOD)
    assert cause.id == "image/tag"
    assert cause.when[0].where == {"reason": ("ErrImagePull",)}


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("severity: high", "severity: hihg", 2, "low, medium, high"),
        ("base: likely", "base: likely\nbases: x", 6, "unknown key 'bases'"),
        ("symptom: image.pull-failed", "symptom: image.pul", 7, "no diagnostic declares"),
        ("{reason: [ErrImagePull]}", "{raeson: x}", 9, "no attribute 'raeson'"),
        ("(?P<name>", "(?P<name", 8, "no regular expression"),
        ("{container}=x", "{cotnainer}=x", 13, "placeholder {cotnainer}"),
        ("    check: kubectl -n {namespace} get pod {pod}\n", "", 12, "needs run and check"),
        ("title: 'Tag {tag}", "title: 'Tag {tga}", 1, "placeholder {tga}"),
        ("explain: Because.", "explain: [", 12, ""),
        ("since: 0.1.0\n", "", 1, "since is missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    assert old in GOOD
    with pytest.raises(playbook.PlaybookError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert says in str(caught.value)
    assert f"tag.yaml:{line}:" in str(caught.value)


def test_a_playbook_whose_symptoms_were_not_seen_is_not_parsed() -> None:
    kinds = symptom_kinds()
    everything = {cause.id: cause for cause in playbook.load_all([playbook.BUNDLED], kinds)}
    for cause in everything.values():
        needed = {clause.symptom for clause in cause.when}
        chosen = {one.id for one in playbook.load_all([playbook.BUNDLED], kinds, needed)}
        could = {one.id for one in everything.values() if {clause.symptom for clause in one.when} <= needed}
        assert chosen == could
    assert not playbook.load_all([playbook.BUNDLED], kinds, {"image.nothing-of-the-kind"})


def test_a_layout_that_is_not_foreseen_is_parsed(tmp_path: Path) -> None:
    flow = GOOD.replace(
        "when:\n  - symptom: image.pull-failed\n", "when:\n  - {symptom: image.pull-failed}\n"
    )
    assert playbook.needed(flow) == frozenset()


def test_what_is_done_by_hand_is_told_for_each_owner(tmp_path: Path) -> None:
    cause = load(tmp_path, GOOD + "  - by_hand: change the image\n  - {by_hand: mend it, owners: [job]}\n")
    told = [(step.only.get("owner"), step.do) for step in cause.steps[1:]]
    assert [owner for owner, _ in told] == [(owner,) for owner in (*variants.BY_HAND, "job")]
    assert all("change the image" in do for _, do in told[:-1])
    assert "mend it" in told[-1][1]


def test_a_rewrite_serves_bare_pods_and_jobs(tmp_path: Path) -> None:
    steps = (
        "  - do: Set x\n    rewrite: kubectl set env --local -f - X={tag} -o yaml\n"
        "    only: {tag: any}\n    fixes: true\n"
    )
    bare, job = load(tmp_path, GOOD + steps).steps[1:]
    assert bare.only == {"tag": ("any",), "owner": ("none",)}
    assert job.only == {"tag": ("any",), "owner": ("job",)}
    assert "get pod {pod} -o yaml |\n  kubectl set env --local" in bare.run
    assert '"selector":null' in job.run
    assert bare.fixes
    assert bare.check.endswith("pod/{pod} --timeout=120s")


@pytest.mark.parametrize(
    ("command", "for_a_job"),
    [
        (
            'kubectl patch --local -f - -p \'{"spec":{"a":[{"b":1}]}}\' -o yaml',
            'kubectl patch --local -f - -p \'{"spec":{"template":{"spec":{"a":[{"b":1}]}}}}\' -o yaml',
        ),
        (
            'kubectl patch --local -f - --type=json -p \'[{"path":"/spec/a/0"}]\' -o yaml',
            'kubectl patch --local -f - --type=json -p \'[{"path":"/spec/template/spec/a/0"}]\' -o yaml',
        ),
    ],
)
def test_a_rewrite_changes_the_template_of_a_job(command: str, for_a_job: str) -> None:
    bare, job = variants.rewritten(Step("Change it"), command)
    assert command in bare.run
    assert for_a_job in job.run


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("  - {by_hand: x, owners: [workload]}", "owners is 'workload'"),
        ("  - {by_hand: x, run: y}", "unknown key 'run'"),
        ("  - {by_hand: '{nothing}'}", "placeholder {nothing}"),
        ("  - {do: x, rewrite: y, run: z}", "leave them out"),
        ("  - {do: x, rewrite: y, only: {owner: none}}", "leave them out"),
    ],
)
def test_wrong_variants(tmp_path: Path, step: str, said: str) -> None:
    with pytest.raises(playbook.PlaybookError) as caught:
        load(tmp_path, GOOD + step + "\n")
    assert said in str(caught.value)
    assert ":16: " in str(caught.value)
