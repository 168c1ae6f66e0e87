"""SASRec with full cross-entropy, on everybody at once: a model of our own split that cannot forget.

A person's items in order, learned positions, blocks of causal self-attention, the
item vectors of the input also at the output. Every place predicts the item after it
among all items. Read from what `eemu export` writes; measured as eemu measures: the
held-out item's rank among all items that the person does not have.
"""

import argparse
import copy
import csv
import json
import math
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

TILE = 128  # places whose scores of all items exist at once


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", help="CSV by `eemu export`: user,item,time,shard,role; a person's records oldest first")
    defaults = {
        "width": (64, "numbers of an item's vector"),
        "blocks": (2, "attention blocks"),
        "heads": (1, "heads a block"),
        "length": (200, "records that are attended to"),
        "dropout": (0.2, "share dropped after the embedding, attention and each layer"),
        "rate": (3e-3, "Adam's rate"),
        "batch": (2048, "places a step"),
        "epochs": (60, "at most"),
        "patience": (5, "epochs without a better validation NDCG@10 before it stops"),
        "minutes": (0, "after which training ends whatever the epochs, 0 for no such limit"),
        "seed": (1, "of everything random"),
        "threads": (1, "torch threads"),
    }
    for name, (default, text) in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"{text} (default {default})")
    parser.add_argument("--cosine", action="store_true", help="the rate falls to a fiftieth over the epochs, or the minutes where they end first; else it is constant")
    return parser.parse_args()


def read(path):
    """Each person's training items, validation item and test item, numbered; and how many items there are."""
    items, people = {}, {}
    with open(path, newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            roles = people.setdefault(row["user"], {"train": [], "validation": [], "test": []})
            roles[row["role"]].append(items.setdefault(row["item"], len(items)))
    return list(people.values()), len(items)


class Block(nn.Module):
    """Attention to what came before, then two layers at each place; both on normalised input, both added."""

    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before_attention, self.before_layers = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        people, places, width = x.shape
        parts = self.query_key_value(self.before_attention(x)).view(people, places, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.drop(self.out(seen.transpose(1, 2).reshape(x.shape)))
        return x + self.drop(self.outer(self.drop(torch.relu(self.inner(self.before_layers(x))))))

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)


class SasRec(nn.Module):
    def __init__(self, items, args):
        super().__init__()
        self.items, self.positions = nn.Embedding(items, args.width), nn.Embedding(args.length, args.width)
        self.blocks = nn.ModuleList(Block(args.width, args.heads, args.dropout) for _ in range(args.blocks))
        self.last, self.dropout = nn.LayerNorm(args.width), args.dropout
        for table in (self.items, self.positions):
            nn.init.normal_(table.weight, std=args.width**-0.5)

    def forward(self, histories):
        """[people, places] of items, oldest first, filled up at the end (nothing looks there): a vector for each place."""
        x = self.items(histories) + self.positions.weight[: histories.shape[1]]
        x = F.dropout(x, self.dropout, self.training)
        for block in self.blocks:
            x = block(x)
        return self.last(x)


class CrossEntropy(torch.autograd.Function):
    """Mean cross-entropy of places over all items, with both gradients made tile by tile on the way."""

    @staticmethod
    def forward(ctx, places, table, targets):
        at_places, at_table, loss = torch.empty_like(places), torch.zeros_like(table), 0.0
        tile = torch.empty(TILE, len(table))
        for start in range(0, len(places), TILE):
            rows, wanted = places[start : start + TILE], targets[start : start + TILE, None]
            chance = tile[: len(rows)]
            torch.mm(rows, table.T, out=chance)
            torch.softmax(chance, dim=1, out=chance)
            loss -= chance.gather(1, wanted).clamp(min=1e-30).log().sum()
            chance.scatter_add_(1, wanted, torch.full(wanted.shape, -1.0))
            torch.mm(chance, table, out=at_places[start : start + TILE])
            at_table.addmm_(chance.T, rows)
        ctx.save_for_backward(at_places.div_(len(places)), at_table.div_(len(places)))
        return loss / len(places)

    @staticmethod
    def backward(ctx, slope):
        at_places, at_table = ctx.saved_tensors
        return at_places * slope, at_table * slope, None


def segments(history, length, rng):
    """Pieces of at most `length` places to learn at: each record but the first is the next item once an epoch.

    A long history is cut elsewhere each time; a piece knows nothing of those before.
    """
    places = len(history) - 1
    end = int(rng.integers(1, length + 1)) if places > length else places
    start = 0
    while start < places:
        yield history[start : end + 1]
        start, end = end, min(end + length, places)


def together(histories):
    """Histories of one batch as a rectangle, filled up at the end, and where it holds records."""
    size = max(map(len, histories))
    block, real = np.zeros((len(histories), size), dtype=np.int64), np.zeros((len(histories), size), dtype=bool)
    for row, history in enumerate(histories):
        block[row, : len(history)], real[row, : len(history)] = history, True
    return torch.from_numpy(block), torch.from_numpy(real)


def batches(histories, args, rng):
    """Pieces of like length together, about `batch` places a batch, batches in any order."""
    pieces = [piece for history in histories for piece in segments(history, args.length, rng)]
    sizes = np.array([len(piece) - 1 for piece in pieces])
    group, groups, places = [], [], 0
    for number in np.argsort(sizes + rng.random(len(sizes)) * 4):
        group.append(pieces[number])
        places += sizes[number]
        if places >= args.batch:
            groups.append(group)
            group, places = [], 0
    if group:
        groups.append(group)
    for number in rng.permutation(len(groups)):
        block, real = together(groups[number])
        yield block[:, :-1], block[:, 1:], real[:, 1:]


def learn(model, optimiser, histories, args, rng, progress):
    """One epoch; `progress` says how much of the whole training is behind at which share of it. Returns the mean loss."""
    model.train()
    total, places = 0.0, 0
    every = sum(max(0, len(history) - 1) for history in histories)
    for known, following, real in batches(histories, args, rng):
        behind = progress(places / every)
        if behind >= 1:
            break
        if args.cosine:
            optimiser.param_groups[0]["lr"] = args.rate * max(0.02, 0.5 + 0.5 * math.cos(math.pi * behind))
        loss = CrossEntropy.apply(model(known)[real], model.items.weight, following[real])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total, places = total + loss.item() * int(real.sum()), places + int(real.sum())
    return total / max(1, places)


@torch.no_grad()
def ranks(model, histories, wanted, args):
    """How many items stand above the wanted one, those that a person has left out; equal scores share a rank."""
    model.eval()
    found, order = np.zeros(len(wanted)), np.argsort([min(len(history), args.length) for history in histories])
    for start in range(0, len(order), 64):
        some = order[start : start + 64]
        block, real = together([histories[person][-args.length :] for person in some])
        newest = model(block)[torch.arange(len(some)), real.sum(dim=1) - 1]
        scores = newest @ model.items.weight.T
        own = scores.gather(1, torch.as_tensor([wanted[person] for person in some])[:, None])
        for row, person in enumerate(some):
            scores[row, histories[person]] = -math.inf
        above, level = (scores > own).sum(dim=1), (scores == own).sum(dim=1) - 1
        found[some] = (above + level / 2).numpy()
    return found


def measures(found):
    """HR@10, NDCG@10, and half of HR@10's 95% interval over people."""
    hit = found < 10
    rate = hit.mean()
    return rate, np.where(hit, 1 / np.log2(found + 2), 0).mean(), 1.96 * math.sqrt(rate * (1 - rate) / len(found))


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    people, items = read(args.records)
    training = [person["train"] for person in people]
    checked = [person for person in people if person["train"] and person["validation"]]
    tested = [person for person in people if person["train"] and person["test"]]

    model = SasRec(items, args)
    optimiser = torch.optim.Adam(model.parameters(), lr=args.rate, betas=(0.9, 0.98), fused=True)
    began, worked = time.perf_counter(), time.process_time()
    best, best_epoch, kept = -1.0, 0, None
    for epoch in range(1, args.epochs + 1):
        progress = lambda share: max((epoch - 1 + share) / args.epochs, (time.perf_counter() - began) / 60 / (args.minutes or math.inf))
        loss = learn(model, optimiser, training, args, rng, progress)
        found = ranks(model, [p["train"] for p in checked], [p["validation"][0] for p in checked], args)
        hits, gain, _ = measures(found)
        print(f"epoch {epoch}: loss {loss:.4f}, validation HR@10 {hits:.4f} NDCG@10 {gain:.4f}, {time.process_time() - worked:.0f} s of CPU", file=sys.stderr, flush=True)
        if gain > best:
            best, best_epoch, kept = gain, epoch, copy.deepcopy(model.state_dict())
        if epoch - best_epoch >= args.patience or progress(1) >= 1:
            break
    seconds, worked = time.perf_counter() - began, time.process_time() - worked

    model.load_state_dict(kept)
    found = ranks(model, [p["train"] + p["validation"] for p in tested], [p["test"][0] for p in tested], args)
    hits, gain, half = measures(found)
    line = {
        "what": "sasrec",
        "hr@10": round(hits, 4),
        "ndcg@10": round(gain, 4),
        "hr@10_half_interval": round(half, 4),
        "validation_ndcg@10": round(best, 4),
        "best_epoch": best_epoch,
        "epochs": epoch,
        "seconds": round(seconds),
        "cpu_seconds": round(worked),
        "people": len(tested),
        "items": items,
        "parameters": sum(p.numel() for p in model.parameters()),
        "settings": {**vars(args), "records": Path(args.records).name},
        "torch": torch.__version__,
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
