"""Episodes in order in PyTorch: the default model's training and ranking, batched, by autograd to second order.

A shard's model is item vectors y, biases b, a start x_0, a step alpha and a fading tau.
Of a person's records those before a place move x_0 by one step, each weighing less the
older it is; the item at that place is then predicted among all items. `--what train`
measures such places a second (forward, backward, Adam) on one shard of people, `--what
rank` full rankings a second, each by one shard adapted to one person's newest records.
"""

import argparse
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from common import clock, report
from data import load


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", help="folder with ml-1m.inter.gz and so on; without it, made-up data of that shape")
    parser.add_argument("--what", choices=["train", "rank"], default="train", help="default train")
    parser.add_argument("--seconds", type=float, default=60, help="how long to measure (default 60)")
    parser.add_argument("--device", default="cpu", help="where the model is: cpu or cuda (default cpu)")
    parser.add_argument("--fused", action="store_true", help="PyTorch's fused Adam in place of its default one")
    parser.add_argument("--processor", action="store_true", help="seconds that the processor gave the process, in place of the wall's: for a busy machine")
    defaults = {
        "threads": (1, "torch threads"),
        "shards": (8, "shards that people are cut into"),
        "width": (64, "numbers of an item's vector"),
        "piece": (50, "places of one person that are queries together"),
        "pieces": (16, "such pieces a step of training"),
        "context": (100, "records before a piece that its places still see"),
        "newest": (20, "records that a person is adapted to"),
        "people": (256, "people ranked together"),
    }
    for name, (default, text) in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{text} (default {default})")
    args = parser.parse_args()
    args.model = "episodes (seconds of the processor)" if args.processor else "episodes"
    args.clock = time.process_time if args.processor else clock
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    torch.set_default_device(args.device)
    return args


class Episodes(nn.Module):
    def __init__(self, items, width):
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(items, width) * 0.1)
        self.biases, self.start = nn.Parameter(torch.zeros(items)), nn.Parameter(torch.zeros(width))
        self.log_step, self.log_fading = nn.Parameter(torch.tensor(math.log(0.5))), nn.Parameter(torch.tensor(math.log(10.0)))

    def mean_item(self):
        """What the model expects of a person it knows nothing of."""
        return torch.softmax(self.vectors @ self.start + self.biases, dim=0) @ self.vectors

    def adapted(self, records, ages, mean_item):
        """x_0 after a step on `records` [people, records], for each row of `ages` [people, places, records].

        The gradient of a record's cross-entropy at x_0 is the mean item less its own. Records
        of negative age are not seen.
        """
        weights = torch.where(ages >= 0, torch.exp(-ages.clamp(min=0) / self.log_fading.exp()), 0.0)
        moves = weights @ (F.embedding(records, self.vectors) - mean_item)
        return self.start + self.log_step.exp() * moves / weights.sum(dim=2, keepdim=True).sqrt()

    def scores(self, people):
        return torch.addmm(self.biases, people, self.vectors.T)


def pieces(history, args, rng):
    """Pieces of a history with what they may see: every record but the first is a query, once an epoch."""
    start = 1
    end = 1 + (int(rng.integers(1, args.piece + 1)) if len(history) > args.piece + 1 else args.piece)
    while start < len(history):
        end = min(end, len(history))
        yield history[max(0, start - args.context) : end], end - start
        start, end = end, end + args.piece


def batch(group, args):
    """Pieces as rectangles: the items, the age of each record at each place, which places are real, and their items."""
    size = max(len(items) for items, _ in group)
    records = np.zeros((len(group), size), dtype=np.int64)
    asked = np.full((len(group), args.piece), -1)
    for row, (items, queries) in enumerate(group):
        records[row, : len(items)] = items
        asked[row, :queries] = np.arange(len(items) - queries, len(items))
    real = asked >= 0
    asked = np.maximum(asked, 1)  # what only fills up sees the first record, or its weights would add up to nothing
    ages = (asked[:, :, None] - 1 - np.arange(size)).astype(np.float32)
    queries = np.take_along_axis(records, asked, axis=1)[real]
    return tuple(torch.as_tensor(part, device=args.device) for part in (records, ages, real, queries))


def epoch(shard, args, rng):
    """One epoch's batches of a shard, made beside the clock."""
    every = [piece for history in shard for piece in pieces(history, args, rng)]
    order = rng.permutation(len(every))
    return [batch([every[i] for i in order[at : at + args.pieces]], args) for at in range(0, len(order), args.pieces)]


def step(model, optimiser, records, ages, real, queries):
    """One step of training; returns its loss, which goes through the inner step."""
    people = model.adapted(records, ages, model.mean_item())[real]
    loss = F.cross_entropy(model.scores(people), queries)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.detach()


def train(model, shard, args, rng):
    """Places learned at, and the seconds of it."""
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3, fused=args.fused or None)
    places, seconds, turn = 0, 0.0, 0
    while True:
        for parts in epoch(shard, args, rng):
            began = args.clock()
            step(model, optimiser, *parts)
            turn += 1
            if turn <= 2:
                continue  # allocation and Adam's first state, once
            places, seconds = places + len(parts[-1]), seconds + args.clock() - began
            if seconds >= args.seconds:
                return places, seconds


@torch.no_grad()
def rank(model, histories, args, rng):
    """Rankings made, and the seconds of it: the step, all scores, the ten best."""
    mean_item = model.mean_item()
    ages = torch.arange(args.newest - 1, -1, -1.0).expand(args.people, 1, -1)
    able = [history[-args.newest :] for history in histories if len(history) >= args.newest]
    done, seconds, turn = 0, 0.0, 0
    while True:
        some = torch.as_tensor(np.stack([able[i] for i in rng.integers(0, len(able), args.people)]), device=args.device)
        began = args.clock()
        model.scores(model.adapted(some, ages, mean_item)[:, 0]).topk(10)
        turn += 1
        if turn == 1:
            continue  # allocation, once
        done, seconds = done + args.people, seconds + args.clock() - began
        if seconds >= args.seconds:
            return done, seconds


def main():
    args = arguments()
    data = load(args.data)
    rng = np.random.default_rng(1)
    histories = [history[:-2] for history in data.history]
    model = Episodes(len(data.year), args.width)
    if args.what == "train":
        people = rng.permutation(len(histories))[: len(histories) // args.shards]
        places, seconds = train(model, [histories[u] for u in people], args, rng)
        report("episodes-train", "places_per_second", places, seconds, data, args)
    else:
        rankings, seconds = rank(model, histories, args, rng)
        report("episodes-rank", "rankings_per_second", rankings, seconds, data, args)


if __name__ == "__main__":
    main()
