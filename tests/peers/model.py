"""The two-tower network at the paper's size, 1,530,720 parameters on ML-1M, or with towers of one layer."""

import torch
from torch import nn

WIDTH = 96


def tower(*widths):
    """Linear, LayerNorm, GELU for each hidden layer; the last layer is linear alone."""
    layers = []
    for fan_in, fan_out in zip(widths[:-2], widths[1:-1]):
        layers += [nn.Linear(fan_in, fan_out), nn.LayerNorm(fan_out), nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))


class TwoTower(nn.Module):
    """Scores are dot products of a user's and an item's 128 numbers."""

    def __init__(self, data, deep=True):
        super().__init__()
        users, items = len(data.history), len(data.year)
        self.user_id = nn.Embedding(users, WIDTH)
        self.gender = nn.Embedding(int(data.gender.max()) + 1, WIDTH)
        self.age = nn.Embedding(int(data.age.max()) + 1, WIDTH)
        self.occupation = nn.Embedding(int(data.occupation.max()) + 1, WIDTH)
        self.item_id = nn.Embedding(items, WIDTH)
        self.year = nn.Embedding(int(data.year.max()) + 1, WIDTH)
        self.genre = nn.Linear(data.genre.shape[1], WIDTH, bias=False)
        nn.init.xavier_normal_(self.genre.weight)
        self.title = nn.Linear(data.title.shape[1], WIDTH)
        self.user_tower = tower(4 * WIDTH, *([512, 256, 128, 64] if deep else []), 128)
        self.item_tower = tower(4 * WIDTH, *([256, 128, 64] if deep else []), 128)

        # Frozen features: no parameters, so not part of the copies that are timed.
        def frozen(name, values):
            self.register_buffer(name, torch.as_tensor(values), persistent=False)

        frozen("genders", data.gender)
        frozen("ages", data.age)
        frozen("occupations", data.occupation)
        frozen("years", data.year)
        frozen("genres", data.genre)
        frozen("titles", data.title)

    def users(self, rows):
        features = [
            self.user_id(rows),
            self.gender(self.genders[rows]),
            self.age(self.ages[rows]),
            self.occupation(self.occupations[rows]),
        ]
        return self.user_tower(torch.cat(features, dim=1))

    def items(self, rows):
        features = [
            self.item_id(rows),
            self.year(self.years[rows]),
            self.genre(self.genres[rows]),
            self.title(self.titles[rows]),
        ]
        return self.item_tower(torch.cat(features, dim=1))

    def forward(self, users, items):
        return (self.users(users) * self.items(items)).sum(dim=1)


def margin_loss(positive, negative):
    """Mean over pairs of max(0, negative - positive + 1)."""
    return torch.relu(negative - positive + 1).mean()
