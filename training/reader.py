"""The reader's network: a Llama-shaped decoder under transformers' weight names, started from structure.

Looking things up is what such a small network learns last from a random start. So the first layer starts as a
short convolution (each head looks a fixed number of words back), and later layers start by matching like with
like and copying what they find. Everything is trained from there.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes; `lookback` words back for the heads of each layer, 0 for a head that matches content."""

    vocab_size: int
    hidden_size: int = 256
    intermediate_size: int = 256
    num_hidden_layers: int = 4
    num_attention_heads: int = 8
    head_dim: int = 32
    rope_theta: float = 10_000.0
    lookback: tuple[tuple[int, ...], ...] = ((1, 2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 0, 0, 0, 0, 0))

    def llama(self) -> dict[str, object]:
        """The same sizes as transformers' LlamaConfig wants them."""
        sizes = {key: value for key, value in asdict(self).items() if key not in ("lookback", "rope_theta")}
        return sizes | {
            "num_key_value_heads": self.num_attention_heads,
            "attention_bias": True,
            "tie_word_embeddings": True,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": 1024,
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
        }


@dataclass(frozen=True, slots=True)
class Seen:
    """Who sees whom, as terms added to scores: documents first (`width` tokens), then the questions.

    earlier_told (w, w), told (b, 1, 1, w), earlier_own (l, l)
    """

    width: int
    questions: int
    earlier_told: Tensor
    told: Tensor
    earlier_own: Tensor

    @classmethod
    def of(cls, told: Tensor, width: int, questions: int, t: int, dtype: torch.dtype) -> Seen:
        """told (b,): the tokens of each row's documents; t: the width of the whole row."""
        never = -1e9
        length = (t - width) // questions
        hidden = torch.arange(width) >= told[:, None]
        return cls(
            width,
            questions,
            torch.full((width, width), never, dtype=dtype).triu(1),
            hidden[:, None, None, :].to(dtype) * never,
            torch.full((length, length), never, dtype=dtype).triu(1),
        )


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        inner = shape.num_attention_heads * shape.head_dim
        self.heads, self.head_dim = shape.num_attention_heads, shape.head_dim
        self.q_proj = nn.Linear(shape.hidden_size, inner)
        self.k_proj = nn.Linear(shape.hidden_size, inner)
        self.v_proj = nn.Linear(shape.hidden_size, inner)
        self.o_proj = nn.Linear(inner, shape.hidden_size)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], seen: Seen) -> Tensor:
        b, t, _ = x.shape
        linears = (self.q_proj, self.k_proj, self.v_proj)
        weight, bias = (
            torch.cat([getattr(linear, part) for linear in linears]) for part in ("weight", "bias")
        )
        q, k, v = F.linear(x, weight, bias).view(b, t, 3, self.heads, self.head_dim).permute(2, 0, 3, 1, 4)
        q, k = (_turned(q, *turn) * self.head_dim**-0.5).to(v.dtype), _turned(k, *turn).to(v.dtype)
        w, n = seen.width, seen.questions
        told = (q[:, :, :w] @ k[:, :, :w].transpose(2, 3)) + seen.earlier_told
        told = told.softmax(-1, dtype=torch.float32).to(v.dtype) @ v[:, :, :w]
        own_q, own_k, own_v = (each[:, :, w:].unflatten(2, (n, -1)) for each in (q, k, v))
        back = (q[:, :, w:] @ k[:, :, :w].transpose(2, 3)) + seen.told
        own = (own_q @ own_k.transpose(3, 4)) + seen.earlier_own
        weights = torch.cat((back, own.flatten(2, 3)), dim=-1).softmax(-1, dtype=torch.float32).to(v.dtype)
        asked = weights[..., :w] @ v[:, :, :w]
        asked = asked + (weights[..., w:].unflatten(2, (n, -1)) @ own_v).flatten(2, 3)
        return self.o_proj(torch.cat((told, asked), dim=2).transpose(1, 2).reshape(b, t, -1))


class MLP(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, shape.intermediate_size, bias=False)
        self.down_proj = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = MLP(shape)
        self.input_layernorm = nn.RMSNorm(shape.hidden_size, eps=1e-6)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden_size, eps=1e-6)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], seen: Seen) -> Tensor:
        dtype = seen.told.dtype
        x = x + self.self_attn(self.input_layernorm(x).to(dtype), turn, seen)
        return x + self.mlp(self.post_attention_layernorm(x).to(dtype))


class Reader(nn.Module):
    """Hidden states for rows whose questions share documents; `logits` for the positions that matter."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = nn.RMSNorm(shape.hidden_size, eps=1e-6)
        start_from_structure(self)

    def forward(self, ids: Tensor, positions: Tensor, seen: Seen) -> Tensor:
        """ids, positions (b, t) int64 -> (b, t, hidden); every question sees the documents and itself."""
        x = self.embed_tokens(ids)
        turn = _angles(positions, self.shape.head_dim, self.shape.rope_theta)
        for layer in self.layers:
            x = layer(x, turn, seen)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self.embed_tokens.weight)


def _angles(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    rates = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = positions[:, None, :, None].float() * rates  # (b, 1, t, head_dim / 2)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


@torch.no_grad()
def start_from_structure(reader: Reader) -> None:
    """Writes the starting weights; draws from torch's generator.

    All heads share one short code of a word (`code`, head_dim numbers). A head that looks d words back has
    constant queries and keys (biases) whose turned product peaks at offset d, and writes that word's code
    into a slot of its own. A matching head compares the codes in slots it weighs at random, its own word's
    among them, and copies the word it finds, as a code that the next layer can match or as it is.
    """
    shape = reader.shape
    n, h, d = shape.num_attention_heads, shape.hidden_size, shape.head_dim
    nn.init.normal_(reader.embed_tokens.weight, std=0.1)
    code = _orthogonal(d, h)
    slots = [code, *_orthogonal(h, h).split(d)]  # slots[0] is a word's own code
    for number, layer in enumerate(reader.layers):
        attention = layer.self_attn
        lookback = shape.lookback[number] if number < len(shape.lookback) else (0,) * n
        for linear in (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj):
            nn.init.zeros_(linear.bias)
            nn.init.normal_(linear.weight, std=0.01)
        for head in range(n):
            rows = slice(head * d, (head + 1) * d)
            if lookback[head]:
                attention.v_proj.weight[rows] += code
                attention.o_proj.weight[:, rows] += 0.1 * slots[1 + (lookback[head] - 1) % (len(slots) - 1)].T
                _look_back(attention, rows, lookback[head], shape)
            else:
                reads = code if head % 2 else _orthogonal(d, h)
                attention.v_proj.weight[rows] += reads
                attention.o_proj.weight[:, rows] += 0.2 * reads.T
                _match(attention, rows, slots, shape)
        for linear in (layer.mlp.gate_proj, layer.mlp.up_proj):
            nn.init.normal_(linear.weight, std=h**-0.5)
        nn.init.normal_(layer.mlp.down_proj.weight, std=0.02 * shape.intermediate_size**-0.5)


def _rates(shape: Shape) -> Tensor:
    half = shape.head_dim // 2
    return shape.rope_theta ** (-torch.arange(half, dtype=torch.float32) / half)


def _match(attention: Attention, rows: slice, slots: list[Tensor], shape: Shape) -> None:
    """Queries and keys from codes, in the slowly turning dimensions, slightly preferring what is near."""
    slow = torch.where(_rates(shape) > 0.03, 0.2, 1.0).repeat(2)[:, None]
    for linear in (attention.q_proj, attention.k_proj):
        weights = torch.rand(len(slots)) ** 3
        linear.weight[rows] += 1.5 * slow * sum(w * slot for w, slot in zip(weights, slots, strict=True))
        linear.bias[rows.start + 7] = 3.0


def _orthogonal(rows: int, columns: int) -> Tensor:
    weight = torch.empty(rows, columns)
    nn.init.orthogonal_(weight)
    return weight


def _look_back(attention: Attention, rows: slice, offset: int, shape: Shape, sharpness: float = 9.0) -> None:
    """Biases with score(m - n) = sum_i a_i cos(rate_i (m - n - offset)), highest at m - n = offset."""
    half = shape.head_dim // 2
    rates = _rates(shape)
    weights = sharpness * (rates > 0.03) * torch.linspace(1.5, 0.5, half)
    size = (weights * math.sqrt(shape.head_dim)).sqrt()
    start = rows.start
    attention.k_proj.bias[start : start + half] = size
    attention.q_proj.bias[start : start + half] = size * torch.cos(-rates * offset)
    attention.q_proj.bias[start + half : rows.stop] = size * torch.sin(-rates * offset)
