"""What goes over the wire, as the server's OpenAPI document has it."""

from __future__ import annotations

from typing import Any, TypedDict, Union


class _TimedPick(TypedDict):
    item: str
    time: float


#: An item that a visitor picked: its identifier, or that with a time.
Pick = Union[str, _TimedPick]


class RecommendRequest(TypedDict, total=False):
    """One line of a batch; see :meth:`eemu_client.Client.recommend`."""

    user: str
    items: list[Pick]
    top: int
    exclude: list[str]
    only: list[str]
    category: list[str]
    include_seen: bool
    explain: bool


class _Named(TypedDict):
    rank: int
    item: str
    name: str


class _ScoresByShard(TypedDict, total=False):
    per_shard: list[float]


class Recommendation(_Named, _ScoresByShard):
    """One recommended item; ``per_shard`` where an explanation was asked for."""

    score: float


class _Against(TypedDict, total=False):
    weight: float
    against: str


class Adapted(_Against):
    """One record that the models were adapted to."""

    item: str
    name: str


class _Explained(TypedDict, total=False):
    unknown: list[str]
    adapted_to: list[Adapted]


class Recommendations(_Explained):
    """The best items, best first. ``unknown`` names what was skipped."""

    items: list[Recommendation]
    shards: list[tuple[int, int]]
    degraded: bool
    estimated_seconds: int | None


class _People(TypedDict, total=False):
    people: int


class PopularItem(_Named, _People):
    """One popular item; ``people`` for operators alone."""


class _Unknown(TypedDict, total=False):
    unknown: list[str]


class PopularItems(_Unknown):
    """Items by how many people have them."""

    items: list[PopularItem]
    exact: bool


class NewItem(_Named, total=False):
    """One new item, and the time of its first record; none where nobody has it."""

    since: float


class NewItems(_Unknown):
    """Items that nobody has yet, then by when their first record was made."""

    items: list[NewItem]


class HiddenItems(_Unknown):
    """Every hidden item, and how many of the request are newly so."""

    hidden: list[str]
    changed: int


class _Time(TypedDict, total=False):
    timestamp: float


class Interaction(_Time):
    """One thing to add: an item, and when, in the data's own unit."""

    item: str


class BulkInteraction(Interaction):
    """One thing to add, and whose it is."""

    user: str


class _MoreOfItem(TypedDict, total=False):
    name: str
    features: dict[str, str | float | list[str] | list[float]]


class ItemRow(_MoreOfItem):
    """An item that comes to the catalogue; features by the features' names."""

    item: str


class _MoreOfLine(TypedDict, total=False):
    problem: str
    unknown: list[str]


class LineAnswer(_MoreOfLine):
    """What became of a line: ``added``, ``known`` or ``refused``."""

    line: int
    status: str


class DryRun(TypedDict):
    """What a deletion would do."""

    removed: int
    shards: list[int]
    shards_left: int
    degraded: bool
    estimated_seconds: int


class Progress(TypedDict):
    """One shard on its way."""

    shard: int
    phase: str
    epoch: int
    epochs: int


class Unlearning(TypedDict):
    """A deletion request. When it is answered the records are gone."""

    id: str
    phase: str
    removed: int
    shards: int
    shards_done: int
    progress: list[Progress]
    estimated_seconds: int
    receipt_index: int | None
    erasure: dict[str, Any]


class Whoami(TypedDict):
    """Whose token it is."""

    role: str
    user: str | None
    demo: bool


class Health(TypedDict):
    """Whether the server works."""

    status: str
    shards_clean: int
    shards_total: int
