"""Every method of the client against a running service."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from eemu_client import Client, EemuError
from eemu_client.client import ROUTES


def items_of(admin: Client, user: str) -> list[str]:
    return [record["item"] for record in admin.interactions(user)]


def test_every_route_has_a_method(anybody: Client) -> None:
    document = json.loads(anybody._bytes("GET", "/api/v1/openapi.json"))
    there = {(method, path) for path, ways in document["paths"].items() for method in ways if method != "parameters"}
    assert set(ROUTES) == there
    for name in ROUTES.values():
        assert getattr(Client, name).__doc__, name


def test_recommendations_and_rules(admin: Client, anybody: Client) -> None:
    page = anybody.catalog_items(limit=3)
    picks = [item["id"] for item in page["items"]]
    plain = anybody.recommend(items=picks, top=20)
    assert not plain["degraded"] and len(plain["items"]) == 20 and "unknown" not in plain
    first, second = plain["items"][:2]
    without = anybody.recommend(items=picks, top=19, exclude=[first["item"]])
    assert [item["item"] for item in without["items"]] == [item["item"] for item in plain["items"][1:]]
    assert without["items"][0]["score"] == second["score"]
    only = anybody.recommend(items=[*picks, "no such"], only=[second["item"]])
    assert [item["item"] for item in only["items"]] == [second["item"]]
    assert only["unknown"] == ["no such"]
    told = anybody.recommend(items=[{"item": picks[0], "time": 5.0}], explain=True, top=1)
    assert told["adapted_to"][0]["item"] == picks[0]
    assert len(told["items"][0]["per_shard"]) == len(told["shards"])
    with pytest.raises(EemuError) as wrong:
        anybody.recommend(items=picks, category=["nothing=1"])
    assert (wrong.value.status, wrong.value.code) == (400, "bad_request")
    assert "nothing" in wrong.value.message


def test_a_batch(operator: Client, anybody: Client) -> None:
    pick = anybody.catalog_items(limit=1)["items"][0]["id"]
    first, wrong, last = operator.recommend_many([{"items": [pick], "top": 2}, {"top": 1}, {"items": [pick], "top": 3}])
    assert not isinstance(first, EemuError) and len(first["items"]) == 2
    assert isinstance(wrong, EemuError) and wrong.code == "bad_request"
    assert not isinstance(last, EemuError) and len(last["items"]) == 3


def test_lists_about_nobody(operator: Client, anybody: Client) -> None:
    popular = operator.popular(top=5)
    assert popular["exact"]
    counts = [item["people"] for item in popular["items"]]
    assert len(counts) == 5 and counts == sorted(counts, reverse=True)
    top = popular["items"][0]["item"]
    assert not anybody.popular(top=5)["exact"]
    similar = anybody.similar(top, top=7, exclude=["no such", popular["items"][1]["item"]])
    assert len(similar["items"]) == 7 and similar["unknown"] == ["no such"]
    assert top not in [item["item"] for item in similar["items"]]
    since = [item.get("since", float("inf")) for item in operator.new(top=5)["items"]]
    assert len(since) == 5 and since == sorted(since, reverse=True)
    # What may be in a name is in a query as it is.
    with pytest.raises(EemuError) as missing:
        anybody.similar("a&b=ü /?#%")
    assert missing.value.status == 404


def test_hidden_items(operator: Client, anybody: Client) -> None:
    item = operator.popular(top=1)["items"][0]["item"]
    hidden = operator.hide([item, "no such"])
    try:
        assert (hidden["changed"], hidden["unknown"], item in hidden["hidden"]) == (1, ["no such"], True)
        assert operator.hidden() == hidden["hidden"]
        assert operator.popular(top=1)["items"][0]["item"] != item
        with pytest.raises(EemuError) as refused:
            anybody.hide([item])
        assert refused.value.status == 401
    finally:
        assert operator.show([item])["changed"] == 1
    assert operator.popular(top=1)["items"][0]["item"] == item


def test_a_record_comes_and_goes(admin: Client, anybody: Client) -> None:
    items = [item["id"] for item in anybody.catalog_items(limit=2)["items"]]
    user = "somebody, “new” and\tnot of the catalogue"
    assert admin.add([{"item": items[0]}, {"item": items[1], "timestamp": 5.0}], user) == 2
    assert sorted(items_of(admin, user)) == sorted(items)
    kept = admin.export(user)
    assert (kept["user"], len(kept["records"])) == (user, 2)
    assert admin.delete_dry_run(user, items=[items[0]])["removed"] == 1
    assert admin.delete_account_dry_run(user)["removed"] == 2
    assert admin.take_down_dry_run(items[0])["removed"] >= 1
    # Many people at once; what is wrong is said line by line.
    answers = admin.add_many([{"user": user, "item": items[0]}, {"user": "another", "item": "no such"}])
    assert [answer["status"] for answer in answers] == ["known", "refused"] and "catalogue" in answers[1]["problem"]
    came = [{"item": "a thing that came", "name": "A thing"}, {"item": items[0]}, {"item": " "}]
    assert [answer["status"] for answer in admin.add_items(came)] == ["added", "known", "refused"]
    request = admin.delete(user, items=[items[0]])
    assert request["removed"] == 1 and items_of(admin, user) == [items[1]]
    assert admin.retrain()["shards_total"] > 0
    phases = [now["phase"] for now in admin.follow(request["id"])]
    assert phases[-1] == "done"
    done = admin.wait(request["id"], timeout=120)
    assert done["removed"] == 1 and done["receipt_index"] is not None
    assert json.loads(admin.receipt(request["id"]))
    gone = admin.delete_account(user)
    assert gone["removed"] == 1
    with pytest.raises(EemuError) as nobody:
        admin.interactions(user)
    assert nobody.value.status == 404
    admin.retrain()
    assert admin.wait(gone["id"], timeout=120)["phase"] == "done"
    assert admin.unlearning(gone["id"])["phase"] == "done"
    with pytest.raises(EemuError) as unknown:
        admin.unlearning("../metrics")
    assert unknown.value.status == 404


def test_an_item_is_taken_down(admin: Client, operator: Client) -> None:
    # The rarest: little is retrained.
    item = operator.popular(top=1000)["items"][-1]["item"]
    request = admin.take_down(item)
    assert request["removed"] >= 1
    assert item not in [one["item"] for one in operator.popular(top=1000)["items"]]
    admin.retrain()
    admin.wait(request["id"], timeout=120)


def test_what_everybody_may_read(admin: Client, operator: Client, anybody: Client) -> None:
    assert anybody.health()["status"] in ("ok", "degraded")
    assert anybody.ready()["shards_total"] > 0
    manifest = anybody.manifest()
    file = next(file for shard in manifest["shards"] for file in shard["files"])
    assert len(anybody.model(file["blake3"])) == file["bytes"]
    assert anybody.catalog()["items"]["ids"]
    assert isinstance(anybody.catalog_dense(), bytes)
    checkpoint = anybody.log_checkpoint()
    assert checkpoint
    entries = anybody.log_entries(count=1)["entries"]
    assert len(entries) == 1
    assert anybody.log_inclusion(0)["entry"] == entries[0]
    assert "proof" in anybody.log_consistency(1)
    assert isinstance(anybody.demo(), list)
    assert admin.whoami()["role"] == "admin" and operator.whoami()["role"] == "operator"
    assert "shards" in operator.queue()
    assert "eemu_" in operator.metrics()
    page = admin.audit(count=1)
    assert len(page["entries"]) == 1 and admin.audit(before=page["next"])["entries"][0]["number"] < page["next"]
    user = anybody.demo()[0]["user"]
    assert admin.rows(user)["rows"] is not None


@contextmanager
def answering(answers: list[tuple[int, dict[str, str], Any]]) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers, and notes what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.do_GET()

        def do_GET(self) -> None:
            asked.append(self.path)
            status, headers, body = answers.pop(0)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


PROBLEM = {"code": "unavailable", "message": "wait"}


def test_what_was_turned_away_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    good = (200, {}, {"status": "ok"})
    with answering([(429, {"Retry-After": "2"}, PROBLEM), (503, {}, PROBLEM), good]) as (address, asked):
        assert Client(address).health()["status"] == "ok"
        assert len(asked) == 3 and pauses[0] == 2.0
    # A change may be made although the answer is 503: it is not sent twice.
    with answering([(503, {"Retry-After": "1"}, PROBLEM), good]) as (address, asked):
        with pytest.raises(EemuError) as unavailable:
            Client(address).delete("u", items=["i"])
        assert (unavailable.value.status, len(asked)) == (503, 1)
    with answering([(429, {}, PROBLEM)] * 2) as (address, asked):
        with pytest.raises(EemuError):
            Client(address, retries=1).health()
        assert len(asked) == 2
