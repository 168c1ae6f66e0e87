"""Adapted ranking as published: per user and shard a copy of the model and a fresh Adam.

One step on 7 positives and 7 negatives (four on 10 and 10 with `--model default`), then the whole item tower over every item,
the user's vector, and the scores. Measured: rankings per second of one shard's model.
"""

import copy

import numpy as np
import torch

from common import adam, arguments, clock, report
from data import load
from model import TwoTower, margin_loss

TEMPERATURE = 0.01


def adaptation_set(own, degree, size, item_count, rng):
    """Positives drawn towards rare items, with replacement; negatives from the rest."""
    logit = 1 / degree[own] / TEMPERATURE
    weight = np.exp(logit - logit.max())
    positives = rng.choice(own, size, p=weight / weight.sum())
    negatives = rng.choice(np.setdiff1d(np.arange(item_count), own), size)
    return torch.as_tensor(np.concatenate([positives, negatives]))


def rank(model, stored, user, rows, args):
    """Scores of all items for one user, by a model that is thrown away."""
    model.load_state_dict(stored)
    optimiser = adam(model, args)
    for _ in range(4 if args.model == "default" else 1):
        optimiser.zero_grad()
        scores = model(torch.full((len(rows),), user), rows)
        positive, negative = scores.chunk(2)
        margin_loss(positive, negative).backward()
        optimiser.step()
    with torch.no_grad():
        return model.items(torch.arange(len(model.years))) @ model.users(torch.tensor([user]))[0]


def main():
    args = arguments(__doc__.splitlines()[0], adapt=None)
    size = args.adapt or (10 if args.model == "default" else 7)
    data = load(args.data)
    rng = np.random.default_rng(1)
    items = len(data.year)
    training = [history[:-2] for history in data.history]
    degree = np.maximum(np.bincount(np.concatenate(training), minlength=items), 1)
    # The weights don't matter to the clock: every user's pairs cost the same work.
    model = TwoTower(data, deep=args.model == "paper")
    stored = copy.deepcopy(model.state_dict())

    users, seconds = 0, 0.0
    for turn, user in enumerate(rng.integers(0, len(training), 1_000_000)):
        rows = adaptation_set(training[user], degree, size, items, rng)
        began = clock()
        rank(model, stored, int(user), rows, args)
        if turn == 0:
            continue  # allocation, once
        users, seconds = users + 1, seconds + clock() - began
        if seconds >= args.seconds:
            break
    report("rank", "rankings_per_second", users, seconds, data, args)


if __name__ == "__main__":
    main()
