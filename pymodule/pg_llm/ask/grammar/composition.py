"""From the anchors of a cover to a logical form: a clause, or the ratio of two numbers."""

from __future__ import annotations

from collections.abc import Sequence

from pg_llm.ask.grammar import rules
from pg_llm.ask.grammar.clause import Clause, Misfit, Node, nodes_of
from pg_llm.ask.grammar.heads import Head
from pg_llm.ask.grammar.logical_form import Aggregate, Column, Form
from pg_llm.ask.linking.tokenizer import Token
from pg_llm.ask.mention import Anchor
from pg_llm.ask.schema import Schema

_ENDINGS = "?.;\uff1f\u3002"


def compose(anchors: Sequence[Anchor], tokens: Sequence[Token], schema: Schema) -> Form:
    """The form of a question. Raises Misfit where its anchors do not compose, or one is left over."""
    nodes = nodes_of(anchors)
    quotient = next((n for n, node in enumerate(nodes) if node.kind == "quotient"), None)
    if quotient is not None:
        return _quotient(nodes, quotient, tokens, schema)
    ends = [n for n, token in enumerate(tokens) if token.kind == "punct" and token.text in _ENDINGS]
    end = next((n for n in ends if any(node.end <= n for node in nodes)), len(tokens))
    if any(node.end > end for node in nodes):
        raise Misfit("a second sentence")
    return _clause(nodes, tokens[:end], schema)


def _clause(nodes: list[Node], tokens: Sequence[Token], schema: Schema) -> Form:
    clause = Clause(nodes, tokens, schema)
    mentioned = frozenset(node.ref[0] for node in nodes if node.kind == "table")
    ratios = clause.take("ratio")
    for rule in rules.RULES:
        clause.each(rule)
    form = Head(clause, ratios).form()
    form.mentioned = mentioned
    form.named |= clause.dropped
    form.assumptions += clause.assumptions
    form.plausibility *= clause.plausibility
    return form


def _quotient(nodes: list[Node], place: int, tokens: Sequence[Token], schema: Schema) -> Form:
    """The ratio of one number to another."""
    node = nodes[place]
    joins = [n for n, token in enumerate(tokens) if n > node.end and token.text.lower() in ("to", "and")]
    if place or not joins:
        raise Misfit("a ratio of nothing")
    middle = next((n for n in joins if tokens[n].text.lower() == "to"), joins[0])
    top = _number(_clause([one for one in nodes[1:] if one.end <= middle], tokens[:middle], schema))
    bottom = _number(_clause([one for one in nodes if one.start > middle], tokens, schema))
    same = top.main == bottom.main
    if (same and len(bottom.where) > max(1, len(top.where))) or (len(bottom.where) == 1 and not top.where):
        raise Misfit("a condition on one side or on both")
    top.divisor = bottom
    top.named |= node.words
    return top


def _number(form: Form) -> Form:
    """The form if it has one value; of rows their number."""
    if form.group or form.order or len(form.select) != 1 or form.having:
        raise Misfit("a ratio of several values")
    column = form.select[0]
    if isinstance(column, Column) and column.words:
        if not form.where:
            raise Misfit("a ratio of columns")
    elif isinstance(column, Column):
        form.select = [Aggregate("count", form.main)]
        form.distinct = False
    return form
