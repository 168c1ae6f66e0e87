"""Training as published: one user at a time, each with copies of the whole model.

One Adam serves both steps of every user and is never reset. From the weights at the
start of the mini-batch it steps on the user's support loss; the query loss is
differentiated there; the weights reached so far come back, and the same Adam
steps on that gradient. Measured: users per second through that loop.
"""

import copy

import numpy as np
import torch

from common import adam, arguments, clock, report
from data import load, shard_of
from model import TwoTower, margin_loss

BATCH = 32


def draws(positives, own, others, item_count, rng, model):
    """Rows of one loss: n positives, n negatives from anywhere, n from the mini-batch (the paper's model alone)."""
    n = len(positives)
    anywhere = np.setdiff1d(np.arange(item_count), own)
    if model == "default":
        return np.concatenate([positives, rng.choice(anywhere, n)])
    nearby = others[~np.isin(others, own)]
    nearby = nearby if len(nearby) else anywhere
    return np.concatenate([positives, rng.choice(anywhere, n), rng.choice(nearby, n, replace=len(nearby) < n)])


def mini_batches(shard, item_count, rng, model):
    """Users in shuffled groups of 32, each with its support and its query rows."""
    able = [u for u in rng.permutation(len(shard)) if len(shard[u]) >= 2]
    for start in range(0, len(able), BATCH):
        group = able[start : start + BATCH]
        tasks = []
        for u in group:
            own = shard[u]
            others = np.concatenate([shard[v] for v in group if v != u] or [own])
            support, query = own[:-1], own[-1:]
            tasks.append((int(u), *(torch.as_tensor(draws(p, own, others, item_count, rng, model)) for p in (support, query))))
        yield tasks


def loss_of(model, user, rows, each):
    """The published pairing: positives repeated in place, met by their `each` negatives in order."""
    n = len(rows) // (1 + each)
    scores = model(torch.full((len(rows),), user), rows)
    return margin_loss(scores[:n].repeat_interleave(each), scores[n:])


def train(model, optimiser, tasks, each, deadline):
    """One mini-batch; returns how many users it served before the deadline."""
    start = copy.deepcopy(model.state_dict())
    current = copy.deepcopy(start)
    for done, (user, support, query) in enumerate(tasks):
        if clock() >= deadline:
            return done
        model.load_state_dict(start)
        optimiser.zero_grad()
        loss_of(model, user, support, each).backward()
        optimiser.step()

        optimiser.zero_grad()
        (loss_of(model, user, query, each) / BATCH).backward()
        model.load_state_dict(current)
        optimiser.step()
        current = copy.deepcopy(model.state_dict())
    return len(tasks)


def main():
    args = arguments(__doc__.splitlines()[0], shards=8)
    data = load(args.data)
    rng = np.random.default_rng(1)
    shard = shard_of(data.history, args.shards)
    model = TwoTower(data, deep=args.model == "paper")
    each = 2 if args.model == "paper" else 1
    optimiser = adam(model, args)

    # Only the loop is on the clock: its random draws are made beside it, and the
    # first two users (allocation, Adam's first state) come before it.
    train(model, optimiser, next(mini_batches(shard, len(data.year), rng, args.model))[:2], each, float("inf"))
    users, seconds = 0, 0.0
    while seconds < args.seconds:
        for tasks in mini_batches(shard, len(data.year), rng, args.model):
            began = clock()
            users += train(model, optimiser, tasks, each, began + args.seconds - seconds)
            seconds += clock() - began
            if seconds >= args.seconds:
                break
    report("train", "users_per_second", users, seconds, data, args)


if __name__ == "__main__":
    main()
