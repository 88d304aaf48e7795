"""Where the nodes of a drawn graph go: each connected part for itself, no box over another, the parts side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

# Nodes up to which distances along the graph decide; their pairs grow with the square.
_FEW = 150
# Between two boxes, and between parts that are not connected.
_GAP = 26.0
_BETWEEN_PARTS = 36.0
_ROUNDS = 300
# An edge in five may be shorter than its label wants, but nothing is drawn larger than that for the sake of the rest.
_SHORT, _LARGEST = 0.2, 1.8


def place(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]], lengths: Sequence[float]) -> Any:
    """The middle of each box of that width and height; an edge is as long as its label wants, if it can be."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(sizes)))
    for (start, end), length in zip(edges, lengths, strict=True):
        if start != end:
            known = graph.get_edge_data(start, end, {}).get("length", 0.0)
            graph.add_edge(start, end, length=max(length, known))
    boxes = np.asarray(sizes, dtype=float).reshape(-1, 2)
    parts = sorted(nx.connected_components(graph), key=lambda part: (-len(part), min(part)))
    found = np.zeros((len(sizes), 2))
    blocks = []
    for part in parts:
        own = sorted(part)
        spots = _apart(_laid_out(graph.subgraph(own), own), boxes[own])
        low, high = (spots - boxes[own] / 2).min(axis=0), (spots + boxes[own] / 2).max(axis=0)
        found[own] = spots - low
        blocks.append((own, high - low))
    for (own, _), corner in zip(
        blocks, _shelves([size for _, size in blocks], sum(len(own) > 1 for own, _ in blocks)), strict=True
    ):
        found[own] += corner
    return found


def _laid_out(graph: Any, order: list[int]) -> Any:
    """By Kamada and Kawai (1989), by Fruchterman and Reingold (1991) where there are many; always the same."""
    if len(order) == 1:
        return np.zeros((1, 2))
    mean = sum(length for _, _, length in graph.edges(data="length")) / graph.number_of_edges()
    start = nx.circular_layout(graph)
    if len(order) == 2:
        return np.asarray([[0.0, 0.0], [mean, 0.0]])
    if len(order) <= _FEW:
        spots = nx.kamada_kawai_layout(graph, pos=start, weight="length")
    else:
        spots = nx.spring_layout(graph, pos=start, seed=0, iterations=200)
    found = np.asarray([spots[node] for node in order], dtype=float)
    steps = np.asarray([np.linalg.norm(np.subtract(spots[a], spots[b])) for a, b in graph.edges])
    wanted = np.asarray([length for _, _, length in graph.edges(data="length")])
    usual = mean / max(float(steps.mean()), 1e-9)
    found *= min(max(usual, float(np.quantile(wanted / np.maximum(steps, 1e-9), 1 - _SHORT))), _LARGEST * usual)
    # Wider than high, as pages and screens are.
    middle = found - found.mean(axis=0)
    _, _, axes = np.linalg.svd(middle, full_matrices=False)
    return middle @ axes.T


def _apart(spots: Any, boxes: Any) -> Any:
    """Push boxes that overlap apart along the shorter way, until none does."""
    spots = spots.copy()
    wanted = (boxes[:, None] + boxes[None]) / 2 + _GAP
    for _ in range(_ROUNDS):
        away = spots[:, None] - spots[None]
        # Two in one place part by their order.
        tie = np.sign(np.arange(len(spots))[:, None] - np.arange(len(spots))[None])
        away = np.where(np.abs(away) < 1e-6, tie[..., None] * 1e-6, away)
        over = wanted - np.abs(away)
        clash = (over > 0).all(axis=2)
        np.fill_diagonal(clash, False)
        if not clash.any():
            break
        sideways = over[..., 0] / wanted[..., 0] < over[..., 1] / wanted[..., 1]
        step = np.where(np.stack([sideways, ~sideways], 2), over * np.sign(away), 0) * clash[..., None]
        spots += step.sum(axis=1) / 2.2
    return spots


def _shelves(sizes: Sequence[Any], alone: int) -> list[tuple[float, float]]:
    """The upper left corner of each block, in rows; from number `alone` on single nodes, in rows of their own."""
    area = sum((width + _BETWEEN_PARTS) * (height + _BETWEEN_PARTS) for width, height in sizes)
    most = max([math.sqrt(area * 1.6), *(width for width, _ in sizes)])
    corners = []
    left = top = deep = 0.0
    for number, (width, height) in enumerate(sizes):
        if left and (left + width > most or number == alone):
            left, top, deep = 0.0, top + deep + _BETWEEN_PARTS, 0.0
        corners.append((left, top))
        left, deep = left + width + _BETWEEN_PARTS, max(deep, height)
    return corners
