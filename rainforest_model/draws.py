"""Keyed random draws: (seed, purpose, entity, index) always gives the same value.

A *stream* is a 64-bit state made from seed, purpose and entity; its i-th draw mixes state + i * golden
ratio (splitmix64; Steele, Lea and Flood, OOPSLA 2014).  A draw that rejects goes on from its own word, so
that one sample always advances its stream by one, and systems under comparison stay in step.
Exponential and normal values come from 256-layer ziggurats (Marsaglia and Tsang, J. Stat. Softw. 2000).
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from .compiled import compiled


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


GOLDEN = _signed(0x9E3779B97F4A7C15)
_M1 = _signed(0xBF58476D1CE4E5B9)
_M2 = _signed(0x94D049BB133111EB)
_AGAIN = _signed(0xD1342543DE82EF95)

_EXP_R, _EXP_V = 7.697117470131050, 3.949659822581572e-3
_NOR_R, _NOR_V = 3.654152885361009, 4.928673233992336e-3


def _ziggurat(r, v, density, inverse):
    """Layer edges: words below ``k`` are inside, ``w`` scales a word, ``f`` is the density at the edge."""
    scale = float(2**52)
    k, w, f = np.zeros(256, np.int64), np.zeros(256), np.zeros(256)
    x = previous = r
    q = v / density(r)
    k[0], w[0], f[0] = int(r / q * scale), q / scale, 1.0
    w[255], f[255] = r / scale, density(r)
    for i in range(254, 0, -1):
        x = inverse(v / x + density(x))
        k[i + 1] = int(x / previous * scale)
        previous = x
        w[i], f[i] = x / scale, density(x)
    return k, w, f


_KE, _WE, _FE = _ziggurat(_EXP_R, _EXP_V, lambda x: math.exp(-x), lambda y: -math.log(y))
_KN, _WN, _FN = _ziggurat(
    _NOR_R, _NOR_V, lambda x: math.exp(-0.5 * x * x), lambda y: math.sqrt(-2.0 * math.log(y))
)


@compiled
def mix(z):
    """The splitmix64 finaliser on a signed 64-bit word."""
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * _M1
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * _M2
    return z ^ ((z >> 31) & 0x1FFFFFFFF)


@compiled
def unit(word):
    """A uniform value in (0, 1) from the upper 53 bits of a word."""
    return (((word >> 11) & 0x1FFFFFFFFFFFFF) + 0.5) * (1.0 / 9007199254740992.0)


@compiled
def exponential(word):
    """A standard exponential value from one word of a stream."""
    layer = word & 255
    magnitude = (word >> 12) & 0xFFFFFFFFFFFFF
    # All but one word in fifty: short enough to be inlined, as the rest is a function of its own.
    if magnitude < _KE[layer]:
        return magnitude * _WE[layer]
    return _exponential_at_edge(word)


@compiled
def _exponential_at_edge(word):
    """As `exponential`, from any word."""
    while True:
        layer = word & 255
        magnitude = (word >> 12) & 0xFFFFFFFFFFFFF
        x = magnitude * _WE[layer]
        if magnitude < _KE[layer]:
            return x
        word = mix(word + _AGAIN)
        if layer == 0:
            return _EXP_R - math.log(unit(word))
        if _FE[layer] + unit(word) * (_FE[layer - 1] - _FE[layer]) < math.exp(-x):
            return x
        word = mix(word + _AGAIN)


@compiled
def normal(word):
    """A standard normal value from one word of a stream."""
    layer = word & 255
    magnitude = (word >> 12) & 0xFFFFFFFFFFFFF
    if magnitude < _KN[layer]:
        x = magnitude * _WN[layer]
        return -x if (word >> 8) & 1 else x
    return _normal_at_edge(word)


@compiled
def _normal_at_edge(word):
    """As `normal`, from any word."""
    while True:
        layer = word & 255
        negative = (word >> 8) & 1
        magnitude = (word >> 12) & 0xFFFFFFFFFFFFF
        x = magnitude * _WN[layer]
        if magnitude < _KN[layer]:
            return -x if negative else x
        if layer == 0:
            while True:
                word = mix(word + _AGAIN)
                a = -math.log(unit(word)) / _NOR_R
                word = mix(word + _AGAIN)
                if -2.0 * math.log(unit(word)) > a * a:
                    return -(_NOR_R + a) if negative else _NOR_R + a
        word = mix(word + _AGAIN)
        if _FN[layer] + unit(word) * (_FN[layer - 1] - _FN[layer]) < math.exp(-0.5 * x * x):
            return -x if negative else x
        word = mix(word + _AGAIN)


@compiled
def duration(distribution, p, q, word):
    """A duration in ticks, from its distribution's parameters and one word of a stream.

    ``distribution`` is a code of `rainforest_model.opcodes`; p and q are its real parameters.
    """
    if distribution == 1:
        return np.int64(p * exponential(word) + 0.5)
    if distribution == 2:
        return np.int64(math.exp(p + q * normal(word)) + 0.5)
    if distribution == 3:
        return np.int64(2.0 * p * unit(word))
    return np.int64(p)


@compiled
def below(word, n):
    """A whole number uniform on 0 .. n - 1."""
    return np.int64(unit(word) * n)


def stream(seed, purpose: str, entity) -> int:
    """Start of the stream for this seed, purpose and entity.

    Examples
    --------
    >>> stream(1, "think", 0) == stream(1, "think", 0) != stream(1, "think", 1)
    True
    """
    digest = hashlib.blake2b(f"{seed}/{purpose}/{entity}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


@compiled
def _fill_units(state, values):
    for i in range(len(values)):
        values[i] = unit(mix(state + i * GOLDEN))


@compiled
def _fill_normals(state, values):
    for i in range(len(values)):
        values[i] = normal(mix(state + i * GOLDEN))


def units(state: int, count: int) -> np.ndarray:
    """`count` uniform values in (0, 1) of a stream: float64[count].

    Examples
    --------
    >>> values = units(stream(1, "think", 0), 1000)
    >>> bool((0 < values).all() and (values < 1).all())
    True
    """
    values = np.empty(count)
    _fill_units(state, values)
    return values


def normals(state: int, count: int) -> np.ndarray:
    """`count` standard normal values of a stream: float64[count]."""
    values = np.empty(count)
    _fill_normals(state, values)
    return values
