"""The recommenders in the words of PyTorch; see `torch_families.py`.

Each gives the scores of the next items `[batch]`, those of drawn items `[batch, draws]`, and the draws.
"""

# pyright: reportMissingImports=false
# (PyTorch lives in an environment of its own.)

import torch
from torch import Tensor, nn
from torch_models import Batch, mean_of_tokens, perceptron


class Recommender(nn.Module):
    draws = 512

    def __init__(self, items: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(items))

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        drawn = torch.randint(1, len(self.bias), (self.draws,))
        own, others = self.scores(batch, drawn)
        return own + self.bias[batch["y"]], others + self.bias[drawn], drawn

    def scores(self, batch: Batch, drawn: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


def products(person: Tensor, own: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    return (person * own).sum(1), person @ others.T


class MatrixFactorisation(Recommender):
    def __init__(self, items: int, users: int):
        super().__init__(items)
        self.users, self.items = nn.Embedding(users, 64), nn.Embedding(items, 64)

    def scores(self, batch: Batch, drawn: Tensor) -> tuple[Tensor, Tensor]:
        return products(self.users(batch["user"]), self.items(batch["y"]), self.items(drawn))


class NCF(Recommender):
    draws = 128

    def __init__(self, items: int, users: int):
        super().__init__(items)
        self.p, self.q = nn.Embedding(users, 32), nn.Embedding(items, 32)
        self.users, self.items = nn.Embedding(users, 32), nn.Embedding(items, 32)
        self.weights, self.network = nn.Parameter(torch.ones(32)), perceptron(64, 32, 16, 1)

    def scores(self, batch: Batch, drawn: Tensor) -> tuple[Tensor, Tensor]:
        p = self.p(batch["user"]) * self.weights
        own, others = products(p, self.q(batch["y"]), self.q(drawn))
        chosen = drawn[None].expand(len(p), -1)
        item = self.items(torch.cat([batch["y"][:, None], chosen], 1))
        person = self.users(batch["user"])[:, None].expand(-1, item.shape[1], -1)
        network = self.network(torch.cat([person, item], -1))[..., 0]
        return own + network[:, 0], others + network[:, 1:]


class TwoTower(Recommender):
    def __init__(self, items: int, users: int):
        super().__init__(items)
        self.users, self.items = nn.Embedding(users, 64), nn.Embedding(items, 64)
        self.person, self.tower = perceptron(128, 64, 64), perceptron(64, 64, 64)

    def scores(self, batch: Batch, drawn: Tensor) -> tuple[Tensor, Tensor]:
        history = mean_of_tokens(self.items(batch["history"]), batch["history"])
        person = self.person(torch.cat([history, self.users(batch["user"])], 1))
        return products(person, self.tower(self.items(batch["y"])), self.tower(self.items(drawn)))


class SASRec(Recommender):
    def __init__(self, items: int, users: int):
        super().__init__(items)
        self.items, self.positions = nn.Embedding(items, 32), nn.Parameter(torch.zeros(1, 20, 32))
        self.norms = nn.ModuleList([nn.LayerNorm(32) for _ in range(3)])
        self.attention = nn.MultiheadAttention(32, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU("tanh"), nn.Linear(64, 32))

    def scores(self, batch: Batch, drawn: Tensor) -> tuple[Tensor, Tensor]:
        history = batch["history"]
        x = self.items(history) + self.positions
        read, x, padding = self.norms[0](x), x[:, -1:], history == 0
        # the latest item alone reads
        x = x + self.attention(read[:, -1:], read, read, padding, need_weights=False)[0]
        x = x + self.mlp(self.norms[1](x))
        return products(self.norms[2](x[:, 0]), self.items(batch["y"]), self.items(drawn))
