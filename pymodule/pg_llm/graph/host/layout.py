"""Layout of a drawing: force-directed for each connected component, without overlaps, then shelf packing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import networkx as nx
import numpy as np

# Nodes of a component up to which Kamada and Kawai's method is fast enough.
_MAX_KAMADA_KAWAI = 150
# Space between two boxes, and between two components.
_GAP = 26.0
_COMPONENT_GAP = 36.0
_MAX_ITERATIONS = 300
# The share of edges that may be shorter than their labels, and the factor by which a drawing is enlarged at most.
_SHORT_EDGE_SHARE, _MAX_SCALE = 0.2, 1.8


def place(sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]], lengths: Sequence[float]) -> Any:
    """The centers of boxes of these sizes; an edge is as long as `lengths` says, if it can be."""
    graph = nx.Graph()
    graph.add_nodes_from(range(len(sizes)))
    for (start, end), length in zip(edges, lengths, strict=True):
        if start != end:
            longest = graph.get_edge_data(start, end, {}).get("length", 0.0)
            graph.add_edge(start, end, length=max(length, longest))
    boxes = np.asarray(sizes, dtype=float).reshape(-1, 2)
    components = sorted(nx.connected_components(graph), key=lambda component: (-len(component), min(component)))
    centers = np.zeros((len(sizes), 2))
    blocks = []
    for component in components:
        nodes = sorted(component)
        positions = _remove_overlaps(_force_directed(graph.subgraph(nodes), nodes), boxes[nodes])
        low, high = (positions - boxes[nodes] / 2).min(axis=0), (positions + boxes[nodes] / 2).max(axis=0)
        centers[nodes] = positions - low
        blocks.append((nodes, high - low))
    corners = _pack_shelves([size for _, size in blocks], sum(len(nodes) > 1 for nodes, _ in blocks))
    for (nodes, _), corner in zip(blocks, corners, strict=True):
        centers[nodes] += corner
    return centers


def _force_directed(graph: Any, order: list[int]) -> Any:
    """By Kamada and Kawai (1989), or for many nodes by Fruchterman and Reingold (1991); deterministic."""
    if len(order) == 1:
        return np.zeros((1, 2))
    mean = sum(length for _, _, length in graph.edges(data="length")) / graph.number_of_edges()
    start = nx.circular_layout(graph)
    if len(order) == 2:
        return np.asarray([[0.0, 0.0], [mean, 0.0]])
    if len(order) <= _MAX_KAMADA_KAWAI:
        layout = nx.kamada_kawai_layout(graph, pos=start, weight="length")
    else:
        layout = nx.spring_layout(graph, pos=start, seed=0, iterations=200)
    positions = np.asarray([layout[node] for node in order], dtype=float)
    lengths = np.asarray([np.linalg.norm(np.subtract(layout[a], layout[b])) for a, b in graph.edges])
    wanted = np.asarray([length for _, _, length in graph.edges(data="length")])
    mean_scale = mean / max(float(lengths.mean()), 1e-9)
    scale = float(np.quantile(wanted / np.maximum(lengths, 1e-9), 1 - _SHORT_EDGE_SHARE))
    positions *= min(max(mean_scale, scale), _MAX_SCALE * mean_scale)
    # The principal axes: drawings are wider than high, as pages and screens are.
    centered = positions - positions.mean(axis=0)
    _, _, axes = np.linalg.svd(centered, full_matrices=False)
    return centered @ axes.T


def _remove_overlaps(centers: Any, boxes: Any) -> Any:
    """Push overlapping boxes apart along the axis on which they overlap less, until none overlaps."""
    centers = centers.copy()
    wanted = (boxes[:, None] + boxes[None]) / 2 + _GAP
    for _ in range(_MAX_ITERATIONS):
        offset = centers[:, None] - centers[None]
        # Two boxes with the same center are separated by their order.
        order = np.sign(np.arange(len(centers))[:, None] - np.arange(len(centers))[None])
        offset = np.where(np.abs(offset) < 1e-6, order[..., None] * 1e-6, offset)
        overlap = wanted - np.abs(offset)
        overlapping = (overlap > 0).all(axis=2)
        np.fill_diagonal(overlapping, False)
        if not overlapping.any():
            break
        horizontal = overlap[..., 0] / wanted[..., 0] < overlap[..., 1] / wanted[..., 1]
        push = np.where(np.stack([horizontal, ~horizontal], 2), overlap * np.sign(offset), 0)
        centers += (push * overlapping[..., None]).sum(axis=1) / 2.2
    return centers


def _pack_shelves(sizes: Sequence[Any], first_single: int) -> list[tuple[float, float]]:
    """The upper left corner of each block, in rows; single nodes, which come last, begin a row of their own."""
    area = sum((width + _COMPONENT_GAP) * (height + _COMPONENT_GAP) for width, height in sizes)
    max_width = max([math.sqrt(area * 1.6), *(width for width, _ in sizes)])
    corners = []
    left = top = row_height = 0.0
    for number, (width, height) in enumerate(sizes):
        if left and (left + width > max_width or number == first_single):
            left, top, row_height = 0.0, top + row_height + _COMPONENT_GAP, 0.0
        corners.append((left, top))
        left, row_height = left + width + _COMPONENT_GAP, max(row_height, height)
    return corners
