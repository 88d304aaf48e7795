from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest
from pg_llm.graph.host import drawing, layout

SVG = "{http://www.w3.org/2000/svg}"


def drawn(nodes: list[list[Any]], edges: list[list[Any]], **more: Any) -> ElementTree.Element:
    given = {"graph": "g", "about": "", "focus": None, "nodes": nodes, "edges": edges, **more}
    return ElementTree.fromstring(drawing.prepare(None, [json.dumps(given)], {})[0].finish(()))


def texts(picture: ElementTree.Element) -> list[str]:
    return ["".join(element.itertext()) for element in picture.iter(f"{SVG}text")]


def random_graph(count: int, links: int) -> tuple[list[list[Any]], list[list[Any]]]:
    chance = random.Random(count)
    nodes = [[number, f"entity number {number} of them", f"type {number % 4}"] for number in range(count)]
    edges = [[n, int(count * chance.random() ** 3), "leads to", chance.randrange(count), 0.8] for n in range(links)]
    return nodes, edges


@pytest.mark.parametrize(("count", "links"), [(1, 0), (2, 1), (3, 9), (10, 14), (50, 70)])
def test_no_node_covers_another(count: int, links: int) -> None:
    nodes, edges = random_graph(count, links)
    picture = drawn(nodes, edges)
    left, top, width, height = map(float, picture.attrib["viewBox"].split())
    boxes = [
        tuple(float(group.find(f"{SVG}rect").attrib[name]) for name in ("x", "y", "width", "height"))  # type: ignore[union-attr]
        for group in picture.iter(f"{SVG}g")
        if group.find(f"{SVG}title") is not None and group.find(f"{SVG}rect") is not None
    ]
    assert len(boxes) == count
    for number, (x, y, w, h) in enumerate(boxes):
        assert left <= x <= x + w <= left + width
        assert top <= y <= y + h <= top + height
        for a, b, c, d in boxes[:number]:
            assert x + w <= a or a + c <= x or y + h <= b or b + d <= y
    assert len(list(picture.iter(f"{SVG}path"))) == len(list(picture.iter(f"{SVG}polygon"))) == links


def test_the_same_graph_makes_the_same_picture() -> None:
    nodes, edges = random_graph(30, 40)
    assert ElementTree.tostring(drawn(nodes, edges)) == ElementTree.tostring(drawn(nodes, edges))


def test_hostile_names_stay_text() -> None:
    name = "<script>alert('x')</script>\0\x1b\"&\ud800"
    picture = drawn(
        [[1, name, name], [2, "王小明在北京大学附属医院工作了很多年", "人物"]],
        [[1, 1, name, 2, 0.5]],
        graph=name,
        about=name,
    )
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} == {
        "svg",
        "title",
        "desc",
        "rect",
        "text",
        "g",
        "path",
        "polygon",
        "tspan",
    }
    assert picture.find(f"{SVG}title") is not None
    assert picture.attrib["role"] == "img"
    # In two lines, without a space between them.
    assert "王小明在北京大学附属医院工作了很多年"[:10] in "".join(texts(picture))
    assert drawn([], []).find(f"{SVG}title") is not None
    assert drawn([[1, "", ""]], [[1, 1, "", 1, 0.0]]) is not None
    assert len(ElementTree.tostring(drawn([[1, "x" * 1_000_000, "y" * 1_000_000]], []))) < 3_000_000


def test_parallel_edges_and_loops_are_told_apart() -> None:
    nodes = [[1, "one", "t"], [2, "two", "t"]]
    edges = [[1, 1, "a", 2, 1.0], [2, 1, "b", 2, 1.0], [3, 2, "c", 1, 1.0], [4, 1, "d", 1, 1.0], [5, 1, "e", 1, 1.0]]
    picture = drawn(nodes, edges)
    paths = [path.attrib["d"] for path in picture.iter(f"{SVG}path")]
    assert len(set(paths)) == 5
    places = [group.attrib["transform"] for group in picture.iter(f"{SVG}g") if "transform" in group.attrib]
    spots = np.asarray([[float(number) for number in place[10:].split(")")[0].split()] for place in places])
    apart = np.linalg.norm(spots[:, None] - spots[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert apart.min() > 10
    assert {"a", "b", "c", "d", "e"} <= set(texts(picture))


def test_the_legend_names_the_types() -> None:
    picture = drawn([[number, "n", f"type {number % 14}"] for number in range(30)], [])
    assert {"type 0", "type 1", "5 more types"} <= set(texts(picture))


def test_parts_do_not_overlap() -> None:
    spots = layout.place([(100, 30)] * 8, [(0, 1), (1, 2), (3, 4), (4, 5)], [150.0] * 4)
    parts = [spots[:3], spots[3:6]]
    half = np.asarray([50, 15])
    (a, b), (c, d) = [(part.min(axis=0) - half, part.max(axis=0) + half) for part in parts]
    assert (b < c).any() or (d < a).any()
