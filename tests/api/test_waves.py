"""What a wave does with pages, budgets, limits and refusals."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poddoctor.kube import exchange
from poddoctor.kube.errors import CertificateFailed, Unauthorized
from poddoctor.kube.transport import Cluster
from poddoctor.model import Absent, Found, Unknown
from poddoctor.pod.reads import get, list_of, log_read

from .asking import ask
from .server import Authority, FakeServer, Reply, raw_server

POD = get("v1", "pods", "shop", "web")
PODS = list_of("v1", "pods", "shop")
LOG = log_read("shop", "web", "app")
STATUS = {"kind": "Status", "status": "Failure"}
Write = Callable[..., str]


def test_the_first_wave_does_not_wait_for_the_version(
    authority: Authority, tls: tuple[Path, Path], kubeconfig: Write
) -> None:
    replies = {"/version": Reply({"gitVersion": "v1.34.4"}, delay=0.6), POD.path: {}}
    with FakeServer(replies, tls) as server:
        cluster = Cluster.open(
            kubeconfig(server.url, {}, {"certificate-authority": str(authority.path)}), None, 5
        )
        cluster.prewarm()
        time.sleep(0.1)
        start = time.monotonic()
        cluster.ask([POD])
        assert time.monotonic() - start < 0.4
        assert cluster.version == "v1.34.4"
        assert len(server.requests) == 2
        cluster.close()
        cluster.close()


def test_without_prewarm_the_version_travels_with_the_first_wave(kubeconfig: Write) -> None:
    with FakeServer({"/version": {"gitVersion": "v1.34.4"}, POD.path: {}}) as server:
        cluster = Cluster.open(kubeconfig(server.url), None, 5)
        cluster.ask([POD])
        cluster.ask([POD])
        assert cluster.version == "v1.34.4"
        assert [one.path for one in server.requests].count("/version") == 1
        cluster.close()


def test_a_version_that_is_refused_is_empty(kubeconfig: Write) -> None:
    for reply in (Reply({}, 403), Reply("[1]"), Reply("junk")):
        with FakeServer({"/version": reply, POD.path: {}}) as server:
            cluster = Cluster.open(kubeconfig(server.url), None, 5)
            assert cluster.ask([POD]) == {POD: Found({})}
            assert not cluster.version
            cluster.close()


def test_closing_while_dialing_does_not_wait(kubeconfig: Write) -> None:
    with raw_server(b"", hang=True) as url:
        cluster = Cluster.open(kubeconfig(url), None, 5)
        cluster.prewarm()
        start = time.monotonic()
        cluster.close()
        assert time.monotonic() - start < 0.5


def test_a_hanging_log_leaves_time_for_what_follows(kubeconfig: Write) -> None:
    with FakeServer({POD.path: {}, LOG.path: Reply("x", delay=9)}) as server:
        cluster = Cluster.open(kubeconfig(server.url), None, 2)
        cluster.ask([POD])
        answer = cluster.ask([LOG])[LOG]
        assert isinstance(answer, Unknown)
        assert answer.why == "timed-out"
        assert cluster.ask([POD]) == {POD: Found({})}
        cluster.close()


def test_a_used_up_budget_sends_nothing_more(kubeconfig: Write) -> None:
    with FakeServer({POD.path: {}}) as server:
        cluster = Cluster.open(kubeconfig(server.url), None, 0.3)
        cluster.ask([POD])
        time.sleep(0.35)
        assert cluster.ask([PODS]) == {PODS: Unknown("timed-out", "the time of 0.3 s is used up")}
        cluster.close()
        assert len(server.asked) == 1


def test_a_server_that_restarts_is_asked_again(kubeconfig: Write) -> None:
    with FakeServer({POD.path: {}}) as server:
        cluster = Cluster.open(kubeconfig(server.url), None, 5)
        cluster.ask([POD])
    with FakeServer({POD.path: {"n": 2}}, port=server.port, late=0.3):
        assert cluster.ask([POD]) == {POD: Found({"n": 2})}
    cluster.close()


def test_a_server_that_went_away_is_unknown(kubeconfig: Write) -> None:
    with FakeServer({POD.path: {}}) as server:
        cluster = Cluster.open(kubeconfig(server.url), None, 5)
        cluster.ask([POD])
    [answer] = cluster.ask([POD]).values()
    cluster.close()
    assert isinstance(answer, Unknown)
    assert answer.why == "unreachable"


def test_a_log_behind_a_dead_kubelet_is_tried_twice(kubeconfig: Write) -> None:
    message = "Get https://10.0.0.1:10250/containerLogs/shop/web/app: dial tcp: connection refused"
    with FakeServer({LOG.path: Reply({**STATUS, "message": message}, 500)}) as server:
        assert ask(kubeconfig(server.url), LOG) == [Unknown("error", message)]
        assert len(server.asked) == 2


def test_a_missing_log_and_a_missing_group_are_absent(kubeconfig: Write) -> None:
    metrics = list_of("metrics.k8s.io/v1beta1", "pods", "shop")
    with FakeServer({}) as server:
        assert all(isinstance(one, Absent) for one in ask(kubeconfig(server.url), LOG, metrics))


def test_a_limit_of_the_caller_is_kept(kubeconfig: Write) -> None:
    read = list_of("v1", "pods", "shop", limit="1")
    body = {"items": [{"n": 1}], "metadata": {"continue": "more"}}
    with FakeServer({read.path: body}) as server:
        assert ask(kubeconfig(server.url), read) == [Found(body)]
        assert [one.query for one in server.asked] == ["limit=1"]


def test_pages_of_several_lists_are_read_side_by_side(kubeconfig: Write) -> None:
    def paged(delay: float) -> Reply:
        last = Reply({"items": [{"n": 3}], "metadata": {"resourceVersion": "9"}}, delay=delay)
        middle = Reply({"items": [{"n": 2}], "metadata": {"continue": "c2"}}, delay=delay, then=last)
        return Reply(
            {
                "kind": "PodList",
                "items": [{"n": 1}],
                "metadata": {"continue": "c1", "remainingItemCount": 2},
            },
            then=middle,
        )

    others = [list_of("v1", kind) for kind in ("nodes", "events", "services")]
    with FakeServer({read.path: paged(0.2) for read in (PODS, *others)}) as server:
        start = time.monotonic()
        answers = ask(kubeconfig(server.url), PODS, *others)
        assert time.monotonic() - start < 1.2, "the pages of four lists came one after the other"
    whole = Found(
        {
            "kind": "PodList",
            "items": [{"n": 1}, {"n": 2}, {"n": 3}],
            "metadata": {"resourceVersion": "9"},
        }
    )
    assert answers == [whole] * 4


def test_a_list_that_expires_is_read_once_more_and_whole(kubeconfig: Write) -> None:
    whole = Reply({"items": [{"n": 1}, {"n": 2}], "metadata": {}})
    gone = Reply({**STATUS, "message": "the provided continue parameter is too old"}, 410, then=whole)
    with FakeServer({PODS.path: Reply({"items": [{}], "metadata": {"continue": "c"}}, then=gone)}) as server:
        assert ask(kubeconfig(server.url), PODS) == [Found(whole.body)]
        assert server.asked[-1].query == "limit=0"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply({}, 403), "forbidden"),
        (Reply("x"), "error"),
        (Reply({}, 404, then=Reply({}, 403)), "forbidden"),
        (Reply({}, 410, then=Reply({}, 410)), "expired"),
    ],
    ids=["403", "garbage", "404 then 403", "410 twice"],
)
def test_half_a_list_is_no_list(reply: Reply, why: str, kubeconfig: Write) -> None:
    first = Reply({"items": [{}], "metadata": {"continue": "c"}}, then=reply)
    with FakeServer({PODS.path: first}) as server:
        [answer] = ask(kubeconfig(server.url), PODS)
    assert isinstance(answer, Unknown)
    assert answer.why == why


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"items": {"a": 1}}',
        b'{"metadata": "x"}',
        b'{"items": [], "metadata": [1]}',
        b"\xff\xfe{",
        b"",
        b"null",
    ],
    ids=["deep", "items", "metadata", "metadata list", "encoding", "empty", "null"],
)
def test_odd_bodies_are_unknown(body: bytes, kubeconfig: Write) -> None:
    with FakeServer({PODS.path: Reply(body)}) as server:
        [answer] = ask(kubeconfig(server.url), PODS)
    assert isinstance(answer, Unknown)
    assert answer.why == "error"


def test_a_list_without_items_is_found(kubeconfig: Write) -> None:
    for body in ({"kind": "PodList"}, {"kind": "PodList", "items": None}, {"items": ["odd", None]}):
        with FakeServer({PODS.path: body}) as server:
            assert ask(kubeconfig(server.url), PODS) == [Found(body)]


def test_a_redirect_is_not_followed(kubeconfig: Write) -> None:
    with (
        FakeServer({"/login": "secret"}) as other,
        FakeServer({POD.path: Reply("", 302, {"location": f"{other.url}/login"})}) as server,
    ):
        assert ask(kubeconfig(server.url, {"token": "t"}), POD) == [Unknown("error", "HTTP 302")]
        assert other.requests == []


def test_a_body_over_the_cap_is_cut(kubeconfig: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MAX_BODY", 1000)
    with FakeServer({POD.path: Reply("x" * 2000), PODS.path: {}}) as server:
        large, small = ask(kubeconfig(server.url), POD, PODS)
        assert len(server.asked) == 2
    assert isinstance(large, Unknown)
    assert large.why == "cut"
    assert small == Found({})


def test_503_to_the_end_is_told_with_its_message(kubeconfig: Write) -> None:
    with FakeServer({POD.path: Reply({**STATUS, "message": "starting"}, 503)}) as server:
        assert ask(kubeconfig(server.url), POD) == [Unknown("error", "starting")]
        assert len(server.asked) > 2


def test_a_single_401_among_answers_is_one_unknown(kubeconfig: Write) -> None:
    metrics = get("metrics.k8s.io/v1beta1", "pods", "shop", "web")
    with FakeServer({POD.path: {}, metrics.path: Reply({**STATUS, "message": "who?"}, 401)}) as server:
        assert ask(kubeconfig(server.url), POD, metrics) == [Found({}), Unknown("unauthorized", "who?")]


def test_a_token_that_expired_is_had_anew_once(tmp_path: Path, kubeconfig: Write) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    with FakeServer({POD.path: Reply({}, 401, then=Reply({"ok": 1}))}) as server:
        cluster = Cluster.open(kubeconfig(server.url, {"tokenFile": "token"}), None, 5)
        token.write_text("new")
        assert cluster.ask([POD]) == {POD: Found({"ok": 1})}
        cluster.close()
        assert [one.header("authorization") for one in server.asked] == ["Bearer old", "Bearer new"]
    with FakeServer({POD.path: Reply({}, 401)}) as server, pytest.raises(Unauthorized):
        ask(kubeconfig(server.url, {"tokenFile": "token"}), POD)
    assert len(server.asked) == 1, "the same token was sent twice"


def test_a_401_tells_an_expired_client_certificate(
    authority: Authority, tls: tuple[Path, Path], kubeconfig: Write
) -> None:
    # The API server asks for a certificate, takes any, and then does not know who it is.
    certificate, key = authority.issue("expired-401", days=-1)
    user = {"client-certificate": str(certificate), "client-key": str(key)}
    cluster = {"certificate-authority": str(authority.path)}
    with (
        FakeServer({POD.path: Reply({}, 401)}, tls) as server,
        pytest.raises(
            Unauthorized, match=r"client certificate of context main expired 20.* \(401\): renew it"
        ),
    ):
        ask(kubeconfig(server.url, user, cluster), POD)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"days": -1}, "has expired: renew it on the cluster"),
        ({"names": ["elsewhere.example"]}, "is for another name"),
    ],
)
def test_a_bad_server_certificate_is_told(
    authority: Authority, kubeconfig: Write, change: dict[str, Any], says: str
) -> None:
    pair = authority.issue("bad-server", server=True, **change)
    cluster = {"certificate-authority": str(authority.path)}
    with FakeServer({POD.path: {}}, pair) as server, pytest.raises(CertificateFailed, match=says):
        ask(kubeconfig(server.url, {}, cluster), POD)
    assert server.requests == []


def test_the_wrong_scheme_is_told(tls: tuple[Path, Path], kubeconfig: Write) -> None:
    with FakeServer({}) as server, pytest.raises(CertificateFailed, match="does not speak TLS"):
        ask(kubeconfig(server.url.replace("http:", "https:")), POD)
