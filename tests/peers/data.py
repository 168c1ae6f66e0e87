"""ML-1M as the peers need it: feature tables, and one shard's records of each user.

Two sources. A folder of RecBole atomic files (`ml-1m.inter.gz`, `.user.gz`,
`.item.gz`, and `ml-1m.title.safetensors`) gives the real thing. Without a folder
the same shapes are filled with made-up values: what is timed depends on how many
rows there are and how wide, not on what they say.
"""

import gzip
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

USERS, ITEMS, INTERACTIONS = 6040, 3883, 1_000_209
GENDERS, AGES, OCCUPATIONS, YEARS, GENRES, TITLE = 2, 7, 21, 81, 18, 384


@dataclass
class Data:
    """Everything is indexed by row; `history[u]` holds u's items, oldest first."""

    gender: np.ndarray
    age: np.ndarray
    occupation: np.ndarray
    year: np.ndarray
    genre: np.ndarray  # [items, 18], 0 or 1
    title: np.ndarray  # [items, 384]
    history: list
    source: str


def load(folder=None, seed=1):
    """Real data from `folder`, or made-up data of ML-1M's shape."""
    return _read(Path(folder)) if folder else _made_up(np.random.default_rng(seed))


def shard_of(history, shards, seed=1):
    """Shard 0 of `shards`: every record goes to a shard of its own by chance.

    The last two records of a user are held out (validation, test), as in the paper.
    """
    rng = np.random.default_rng(seed)
    return [items[:-2][rng.integers(0, shards, len(items) - 2) == 0] for items in history]


def _rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        names = [column.split(":")[0] for column in next(lines).rstrip("\n").split("\t")]
        for line in lines:
            yield dict(zip(names, line.rstrip("\n").split("\t")))


def _codes(values):
    """A category's number is its place in the sorted list of categories."""
    place = {value: i for i, value in enumerate(sorted(set(values)))}
    return np.array([place[value] for value in values])


def _read(folder):
    users = list(_rows(folder / "ml-1m.user.gz"))
    items = list(_rows(folder / "ml-1m.item.gz"))
    user_row = {user["user_id"]: i for i, user in enumerate(users)}
    item_row = {item["item_id"]: i for i, item in enumerate(items)}

    words = [item["genre"].split() for item in items]
    vocabulary = {word: i for i, word in enumerate(sorted({w for ws in words for w in ws}))}
    genre = np.zeros((len(items), len(vocabulary)), dtype=np.float32)
    for row, ws in enumerate(words):
        genre[row, [vocabulary[w] for w in ws]] = 1

    history = [[] for _ in users]
    for record in _rows(folder / "ml-1m.inter.gz"):
        history[user_row[record["user_id"]]].append((float(record["timestamp"]), item_row[record["item_id"]]))
    return Data(
        gender=_codes([user["gender"] for user in users]),
        age=_codes([user["age"] for user in users]),
        occupation=_codes([user["occupation"] for user in users]),
        year=_codes([item["release_year"] for item in items]),
        genre=genre,
        title=_tensor(folder / "ml-1m.title.safetensors", "title"),
        history=[np.array([i for _, i in sorted(h, key=lambda r: r[0])]) for h in history],
        source="ml-1m",
    )


def _tensor(path, name):
    """One f32 tensor of a safetensors file: length, JSON header, then the values."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    entry = json.loads(raw[8 : 8 + length])[name]
    if entry["dtype"] != "F32":
        raise SystemExit(f"{path}: tensor {name} is {entry['dtype']}, and only F32 is read here")
    start, end = (8 + length + offset for offset in entry["data_offsets"])
    return np.frombuffer(raw[start:end], dtype="<f4").reshape(entry["shape"]).copy()


def _made_up(rng):
    # Skewed as real users are, never below ML-1M's floor of 20 records.
    degree = np.minimum(20 + rng.lognormal(4.3, 1.1, USERS), 2000)
    degree = np.maximum(20, degree * (INTERACTIONS / degree.sum())).astype(int)
    title = rng.standard_normal((ITEMS, TITLE)).astype(np.float32)
    return Data(
        gender=rng.integers(0, GENDERS, USERS),
        age=rng.integers(0, AGES, USERS),
        occupation=rng.integers(0, OCCUPATIONS, USERS),
        year=rng.integers(0, YEARS, ITEMS),
        genre=(rng.random((ITEMS, GENRES)) < 1.65 / GENRES).astype(np.float32),
        title=title / np.linalg.norm(title, axis=1, keepdims=True),
        history=[rng.permutation(ITEMS)[:n] for n in degree],
        source="made up",
    )
