"""The client: one method per route."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from .types import (
    BulkInteraction,
    DryRun,
    Health,
    HiddenItems,
    Interaction,
    ItemRow,
    LineAnswer,
    NewItems,
    Pick,
    PopularItems,
    Recommendations,
    RecommendRequest,
    Unlearning,
    Whoami,
)

#: Methods and paths of the API, and the method of :class:`Client` for each.
ROUTES: dict[tuple[str, str], str] = {}

_Method = TypeVar("_Method", bound=Callable[..., Any])


def _route(method: str, path: str) -> Callable[[_Method], _Method]:
    def note(function: _Method) -> _Method:
        ROUTES[(method, path)] = function.__name__
        return function

    return note


class EemuError(Exception):
    """An error response.

    ``status`` is HTTP's, ``code`` the API's own word (``bad_request``,
    ``not_found``, ...), ``message`` says what was wrong and what to do.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def _given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


class Client:
    """Calls one server. Threads may share it, since it keeps no state.

    ``token`` is one of ``eemu token create``; without one only what everybody
    may read is answered. ``timeout`` is in seconds. ``retries`` is how often a
    request is sent again that the server turned away (429), or could not
    answer for a moment (503) and that changes nothing.
    """

    def __init__(self, address: str, token: str | None = None, *, timeout: float = 60.0, retries: int = 3) -> None:
        self.address = address.rstrip("/")
        self.token = token
        self.timeout = timeout
        self.retries = retries

    # Lists.

    @_route("post", "/api/v1/recommendations")
    def recommend(
        self,
        *,
        user: str | None = None,
        items: Sequence[Pick] | None = None,
        top: int | None = None,
        exclude: Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        category: Sequence[str] | None = None,
        include_seen: bool | None = None,
        explain: bool | None = None,
    ) -> Recommendations:
        """The best items for a user, or for a visitor's picks (``items``).

        ``exclude``, ``only`` and ``category`` (``COLUMN=VALUE``) close items
        to the list and change no score of the others.
        """
        ask = _given(
            user=user,
            items=items,
            top=top,
            exclude=exclude,
            only=only,
            category=category,
            include_seen=include_seen,
            explain=explain,
        )
        return cast(Recommendations, self._json("POST", "/api/v1/recommendations", ask))

    @_route("post", "/api/v1/recommendations/batch")
    def recommend_many(self, asks: Iterable[RecommendRequest]) -> Iterator[Recommendations | EemuError]:
        """Answers to many requests, in order; an invalid request gets its error, and
        the others their answers. For operators."""
        body = "".join(json.dumps(ask) + "\n" for ask in asks).encode()
        with self._open("POST", "/api/v1/recommendations/batch", body, "application/x-ndjson", True) as answer:
            for line in answer:
                value = json.loads(line)
                if "items" in value:
                    yield cast(Recommendations, value)
                else:
                    yield EemuError(200, value["code"], value["message"])

    @_route("get", "/api/v1/similar")
    def similar(
        self,
        item: str,
        *,
        top: int | None = None,
        exclude: Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        category: Sequence[str] | None = None,
    ) -> Recommendations:
        """The items most similar to an item."""
        query = _given(item=item, top=top, exclude=exclude, only=only, category=category)
        return cast(Recommendations, self._json("GET", "/api/v1/similar", query=query))

    @_route("get", "/api/v1/popular")
    def popular(
        self,
        *,
        top: int | None = None,
        exclude: Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        category: Sequence[str] | None = None,
    ) -> PopularItems:
        """The items that most people have; exact, with counts, for operators."""
        query = _given(top=top, exclude=exclude, only=only, category=category)
        return cast(PopularItems, self._json("GET", "/api/v1/popular", query=query))

    @_route("get", "/api/v1/new")
    def new(
        self,
        *,
        top: int | None = None,
        exclude: Sequence[str] | None = None,
        only: Sequence[str] | None = None,
        category: Sequence[str] | None = None,
    ) -> NewItems:
        """The items whose first record is the latest. For operators."""
        query = _given(top=top, exclude=exclude, only=only, category=category)
        return cast(NewItems, self._json("GET", "/api/v1/new", query=query))

    # A person's own data and deletions. A subject's token speaks for its own
    # user; an administrator names one.

    @_route("post", "/api/v1/interactions/list")
    def interactions(self, user: str | None = None) -> list[dict[str, Any]]:
        """Everything that the server knows of what a person did."""
        answer = self._json("POST", "/api/v1/interactions/list", _given(user=user))
        return cast("list[dict[str, Any]]", answer["interactions"])

    @_route("post", "/api/v1/interactions/add")
    def add(self, interactions: Sequence[Interaction], user: str | None = None) -> int:
        """Adds what a person did; returns how many records were new."""
        ask = {**_given(user=user), "interactions": list(interactions)}
        return cast(int, self._json("POST", "/api/v1/interactions/add", ask, changes=True)["added"])

    @_route("post", "/api/v1/interactions/bulk")
    def add_many(self, records: Iterable[BulkInteraction]) -> list[LineAnswer]:
        """Adds records of many people, 100,000 at most; one answer each, in
        order. Sending the same again changes nothing."""
        return self._lines("/api/v1/interactions/bulk", records)

    @_route("post", "/api/v1/items")
    def add_items(self, items: Iterable[ItemRow]) -> list[LineAnswer]:
        """Adds items to the catalogue, 100,000 at most; one answer each, in
        order. Sending the same again changes nothing."""
        return self._lines("/api/v1/items", items)

    @_route("post", "/api/v1/interactions/delete")
    def delete(
        self,
        user: str | None = None,
        *,
        items: Sequence[str] | None = None,
        all: bool | None = None,
        before: float | None = None,
    ) -> Unlearning:
        """Forgets some records of a person (``items``), those ``before`` a
        time, or ``all``. When this returns they are gone from disk and no
        model that was trained on them serves."""
        ask = _given(user=user, items=items, all=all, before=before)
        return cast(Unlearning, self._json("POST", "/api/v1/interactions/delete", ask, changes=True))

    def delete_dry_run(
        self,
        user: str | None = None,
        *,
        items: Sequence[str] | None = None,
        all: bool | None = None,
        before: float | None = None,
    ) -> DryRun:
        """What :meth:`delete` would do; does nothing."""
        ask = _given(user=user, items=items, all=all, before=before)
        return cast(DryRun, self._json("POST", "/api/v1/interactions/delete", ask, query={"dry_run": "true"}))

    @_route("post", "/api/v1/account/delete")
    def delete_account(self, user: str | None = None) -> Unlearning:
        """Deletes an account: every record, every feature, the name, every token."""
        return cast(Unlearning, self._json("POST", "/api/v1/account/delete", _given(user=user), changes=True))

    def delete_account_dry_run(self, user: str | None = None) -> DryRun:
        """What :meth:`delete_account` would do; does nothing."""
        query = {"dry_run": "true"}
        return cast(DryRun, self._json("POST", "/api/v1/account/delete", _given(user=user), query=query))

    @_route("get", "/api/v1/unlearning/{id}")
    def unlearning(self, id: str) -> Unlearning:
        """The status of a deletion request."""
        return cast(Unlearning, self._json("GET", f"/api/v1/unlearning/{quote(id, safe='')}"))

    @_route("get", "/api/v1/unlearning/{id}/events")
    def follow(self, id: str) -> Iterator[Unlearning]:
        """The status of a deletion request each time that it changes, until it is done."""
        with self._open("GET", f"/api/v1/unlearning/{quote(id, safe='')}/events") as answer:
            for line in answer:
                if line.startswith(b"data:"):
                    yield cast(Unlearning, json.loads(line[5:]))

    def wait(self, id: str, *, timeout: float | None = None, every: float = 0.5) -> Unlearning:
        """Waits until a deletion request is done.

        Raises :class:`TimeoutError` after ``timeout`` seconds.
        """
        begun = time.monotonic()
        while True:
            now = self.unlearning(id)
            if now["phase"] == "done":
                return now
            if timeout is not None and time.monotonic() - begun > timeout:
                raise TimeoutError(f"the request is still {now['phase']} after {timeout} seconds")
            time.sleep(every)

    @_route("get", "/api/v1/unlearning/{id}/receipt")
    def receipt(self, id: str) -> bytes:
        """The receipt of a request that is done: a file for ``eemu receipt verify``."""
        return self._bytes("GET", f"/api/v1/unlearning/{quote(id, safe='')}/receipt")

    @_route("post", "/api/v1/person/export")
    def export(self, user: str | None = None, *, requests: Sequence[str] | None = None) -> dict[str, Any]:
        """Everything that is kept about a person."""
        ask = _given(user=user, requests=requests)
        return cast("dict[str, Any]", self._json("POST", "/api/v1/person/export", ask))

    @_route("post", "/api/v1/rows")
    def rows(self, user: str | None = None) -> dict[str, Any]:
        """A person's own row of every live model."""
        return cast("dict[str, Any]", self._json("POST", "/api/v1/rows", _given(user=user)))

    @_route("get", "/api/v1/whoami")
    def whoami(self) -> Whoami:
        """Whose token this is."""
        return cast(Whoami, self._json("GET", "/api/v1/whoami"))

    # For operators.

    @_route("post", "/api/v1/items/hide")
    def hide(self, items: Sequence[str]) -> HiddenItems:
        """Hides items from every list; their records stay."""
        return cast(HiddenItems, self._json("POST", "/api/v1/items/hide", {"items": list(items)}))

    @_route("post", "/api/v1/items/show")
    def show(self, items: Sequence[str]) -> HiddenItems:
        """Shows hidden items again."""
        return cast(HiddenItems, self._json("POST", "/api/v1/items/show", {"items": list(items)}))

    @_route("get", "/api/v1/items/hidden")
    def hidden(self) -> list[str]:
        """The items that are hidden from every list."""
        return cast("list[str]", self._json("GET", "/api/v1/items/hidden")["hidden"])

    @_route("post", "/api/v1/items/take-down")
    def take_down(self, item: str) -> Unlearning:
        """Takes an item down for everybody, for good; its records go."""
        return cast(Unlearning, self._json("POST", "/api/v1/items/take-down", {"item": item}, changes=True))

    def take_down_dry_run(self, item: str) -> DryRun:
        """What :meth:`take_down` would do; does nothing."""
        query = {"dry_run": "true"}
        return cast(DryRun, self._json("POST", "/api/v1/items/take-down", {"item": item}, query=query))

    @_route("post", "/api/v1/retrain")
    def retrain(self) -> Health:
        """Retrains now whatever waits."""
        return cast(Health, self._json("POST", "/api/v1/retrain"))

    @_route("get", "/api/v1/operate")
    def operate(self) -> dict[str, Any]:
        """The service as an operator sees it: requests with their age and
        deadline, shards, speed, quality, counts."""
        return cast("dict[str, Any]", self._json("GET", "/api/v1/operate"))

    @_route("get", "/api/v1/backups")
    def backups(self) -> list[dict[str, Any]]:
        """Backups that are out, and until when each must be destroyed."""
        return cast("list[dict[str, Any]]", self._json("GET", "/api/v1/backups")["backups"])

    @_route("post", "/api/v1/tokens/list")
    def tokens(self, user: str | None = None) -> dict[str, Any]:
        """Tokens of one person, or of operators and administrators."""
        return cast("dict[str, Any]", self._json("POST", "/api/v1/tokens/list", _given(user=user)))

    @_route("post", "/api/v1/tokens")
    def create_token(self, scope: str, user: str | None = None, days: int | None = None) -> dict[str, Any]:
        """Makes a token; it is in the answer and nowhere else."""
        ask = _given(scope=scope, user=user, days=days)
        return cast("dict[str, Any]", self._json("POST", "/api/v1/tokens", ask, changes=True))

    @_route("post", "/api/v1/tokens/revoke")
    def revoke_token(self, id: str) -> dict[str, Any]:
        """Ends a token, by its short name."""
        return cast("dict[str, Any]", self._json("POST", "/api/v1/tokens/revoke", {"id": id}, changes=True))

    @_route("get", "/api/v1/queue")
    def queue(self) -> dict[str, Any]:
        """What waits and what trains."""
        return cast("dict[str, Any]", self._json("GET", "/api/v1/queue"))

    @_route("get", "/api/v1/audit")
    def audit(self, *, before: int | None = None, count: int | None = None) -> dict[str, Any]:
        """Who asked what kind of thing, newest first; ``next`` leads to older entries."""
        query = _given(before=before, count=count)
        return cast("dict[str, Any]", self._json("GET", "/api/v1/audit", query=query))

    @_route("get", "/metrics")
    def metrics(self) -> str:
        """Counters, in Prometheus's own words."""
        return self._bytes("GET", "/metrics").decode()

    # What everybody may read.

    @_route("get", "/healthz")
    def health(self) -> Health:
        """Whether the process lives."""
        return cast(Health, self._json("GET", "/healthz"))

    @_route("get", "/readyz")
    def ready(self) -> Health:
        """Whether requests should be sent there; an error while it stops."""
        return cast(Health, self._json("GET", "/readyz"))

    @_route("get", "/api/v1/demo")
    def demo(self) -> list[dict[str, Any]]:
        """The demonstration's households, with tokens; usually none."""
        return cast("list[dict[str, Any]]", self._json("GET", "/api/v1/demo"))

    @_route("get", "/api/v1/manifest")
    def manifest(self) -> dict[str, Any]:
        """The ensemble as it is now: shards, versions, model files."""
        return cast("dict[str, Any]", self._json("GET", "/api/v1/manifest"))

    @_route("get", "/api/v1/catalog")
    def catalog(self) -> dict[str, Any]:
        """The whole catalogue of items."""
        return cast("dict[str, Any]", self._json("GET", "/api/v1/catalog"))

    @_route("get", "/api/v1/catalog/items")
    def catalog_items(self, *, offset: int = 0, limit: int | None = None) -> dict[str, Any]:
        """A page of the catalogue's items."""
        query = _given(offset=offset, limit=limit)
        return cast("dict[str, Any]", self._json("GET", "/api/v1/catalog/items", query=query))

    @_route("get", "/api/v1/catalog/dense")
    def catalog_dense(self) -> bytes:
        """The catalogue's dense features, as safetensors."""
        return self._bytes("GET", "/api/v1/catalog/dense")

    @_route("get", "/api/v1/models/{blake3}")
    def model(self, blake3: str) -> bytes:
        """A model file that the manifest lists."""
        return self._bytes("GET", f"/api/v1/models/{quote(blake3, safe='')}")

    @_route("get", "/api/v1/log/checkpoint")
    def log_checkpoint(self) -> dict[str, Any]:
        """The signed state of the receipt log."""
        return cast("dict[str, Any]", self._json("GET", "/api/v1/log/checkpoint"))

    @_route("get", "/api/v1/log/entries")
    def log_entries(self, *, start: int = 0, count: int | None = None) -> dict[str, Any]:
        """Entries of the receipt log."""
        query = {"from": start, **_given(count=count)}
        return cast("dict[str, Any]", self._json("GET", "/api/v1/log/entries", query=query))

    @_route("get", "/api/v1/log/inclusion")
    def log_inclusion(self, index: int) -> dict[str, Any]:
        """Proof that an entry is in the log."""
        return cast("dict[str, Any]", self._json("GET", "/api/v1/log/inclusion", query={"index": index}))

    @_route("get", "/api/v1/log/consistency")
    def log_consistency(self, earlier: int) -> dict[str, Any]:
        """Proof that the log only grew since it had so many entries."""
        return cast("dict[str, Any]", self._json("GET", "/api/v1/log/consistency", query={"from": earlier}))

    # How it is asked.

    def _json(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        changes: bool = False,
    ) -> Any:
        # Compact, and identifiers as they are.
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        return json.loads(self._bytes(method, path, data, query=query, changes=changes))

    def _bytes(
        self,
        method: str,
        path: str,
        data: bytes | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        changes: bool = False,
    ) -> bytes:
        if query:
            path = f"{path}?{urlencode(query, doseq=True)}"
        with self._open(method, path, data, "application/json", not changes) as answer:
            return cast(bytes, answer.read())

    def _lines(self, path: str, values: Iterable[Any]) -> list[LineAnswer]:
        body = "".join(json.dumps(value) + "\n" for value in values).encode()
        with self._open("POST", path, body, "application/x-ndjson", True) as answer:
            return [cast(LineAnswer, json.loads(line)) for line in answer]

    def _open(
        self, method: str, path: str, data: bytes | None = None, content: str = "application/json", again: bool = True
    ) -> Any:
        for attempt in range(self.retries + 1):
            request = Request(self.address + path, data=data, method=method)
            if data is not None:
                request.add_header("Content-Type", content)
            if self.token is not None:
                request.add_header("Authorization", f"Bearer {self.token}")
            try:
                return urlopen(request, timeout=self.timeout)
            except HTTPError as error:
                # Turned away: nothing was done. After 503 a change may be made.
                may_again = error.code == 429 or (error.code == 503 and again)
                if not may_again or attempt == self.retries:
                    raise _fault(error) from None
                time.sleep(_pause(error, attempt))
        raise AssertionError("the last attempt returns or raises")


def _pause(error: HTTPError, attempt: int) -> float:
    try:
        asked = float(error.headers.get("Retry-After", ""))
    except ValueError:
        asked = 0.0
    return min(max(asked, 0.1 * 2.0**attempt), 30.0)


def _fault(error: HTTPError) -> EemuError:
    body = error.read()
    try:
        problem = json.loads(body)
        return EemuError(error.code, problem["code"], problem["message"])
    except (ValueError, KeyError, TypeError):
        return EemuError(error.code, "unknown", body.decode(errors="replace")[:200] or str(error.reason))
