"""From the anchors of a cover to a logical form: sentences, clauses, and the ratio of two numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pg_llm.ask.grammar import rules
from pg_llm.ask.grammar.clause import Clause, Misfit, Node, nodes_of, shown_columns, with_words
from pg_llm.ask.grammar.heads import Head, first_term, round_to, show_known
from pg_llm.ask.grammar.logical_form import NO_WORDS, Aggregate, Column, Form, Share, Term
from pg_llm.ask.linking.tokenizer import Token
from pg_llm.ask.mention import Anchor
from pg_llm.ask.schema import Schema

# Words between the base of a share and its part: share of orders in 2025 that were returned.
_BOUNDARY = {"who", "that", "which", "is", "are", "was", "were", "have", "has", "had", "been", "did", "does", "do"}
_ENDINGS = "?.;\uff1f\u3002"
_INCLUDING = {"include", "also", "including", "together", "along"}


def compose(anchors: Sequence[Anchor], tokens: Sequence[Token], schema: Schema) -> Form:
    """The form of a question. Raises Misfit where its anchors do not compose, or one is left over."""
    nodes = nodes_of(anchors)
    quotient = next((n for n, node in enumerate(nodes) if node.kind == "quotient"), None)
    if quotient is not None:
        return _quotient(nodes, quotient, tokens, schema)
    ends = [n for n, token in enumerate(tokens) if token.kind == "punct" and token.text in _ENDINGS]
    end = next((n for n in ends if any(node.end <= n for node in nodes)), len(tokens))
    form = _clause([node for node in nodes if node.end <= end], tokens[:end], schema)
    requests = [node for node in nodes if node.start > end]
    if requests:
        _add_requests(form, Clause(requests, tokens, schema))
    return form


def _clause(nodes: list[Node], tokens: Sequence[Token], schema: Schema) -> Form:
    clause = Clause(nodes, tokens, schema)
    mentioned = frozenset(node.ref[0] for node in nodes if node.kind == "table")
    ratios = clause.take("ratio")
    boundary = _boundary(clause, ratios[0]) if ratios else None
    if ratios:
        _name_rated(clause, ratios[0])
    rules.apply(clause)
    form = Head(clause, ratios, boundary).form()
    form.mentioned = mentioned
    form.named |= clause.dropped
    form.assumptions += clause.assumptions
    form.plausibility *= clause.plausibility
    return form


def _name_rated(clause: Clause, ratio: Node) -> None:
    """Name the rows of a rate that are not named: the cancellation rate is that of what may be cancelled."""
    value = next((node for node in clause.nodes if node.kind == "value" and node.end == ratio.start), None)
    behind = next((node for node in clause.nodes if node.start >= ratio.end), None)
    named = {node.ref[0] for node in clause.nodes if node.kind == "table"}
    if value is not None and value.ref[0] not in named and (behind is None or behind.kind != "table"):
        clause.nodes.append(Node("table", ratio.end, ratio.end, NO_WORDS, (value.ref[0], -1)))
        clause.nodes.sort(key=lambda node: (node.start, node.end))


def _boundary(clause: Clause, ratio: Node) -> int | None:
    """The place of the word that separates a share's base from its part."""
    named = (node.end for node in clause.nodes if node.start >= ratio.end and node.kind in ("table", "column"))
    first = next(named, None)
    if first is None:
        return None
    words = enumerate(token.text.lower() for token in clause.tokens)
    return next((n for n, word in words if n >= first and word in _BOUNDARY), None)


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
    if form.group or form.order or len(form.select) != 1 or form.having or form.digits is not None:
        raise Misfit("a ratio of several values")
    column = form.select[0]
    if isinstance(column, Column) and column.words:
        if not form.where:
            raise Misfit("a ratio of columns")
    elif isinstance(column, Column):
        form.select = [Aggregate("count", form.main)]
        form.distinct = False
    return form


def _add_requests(form: Form, clause: Clause) -> None:
    """What a second sentence asks to show, and in which order: Show the name and the number, largest first."""
    rules.apply(clause)
    form.named |= clause.dropped
    schema = clause.schema
    shown = [term.ref for term in form.select if isinstance(term, Column)]
    columns: list[Term] = []
    for node in clause.nodes:
        known = node.ref[0] in {form.main, *form.mentioned}
        if node.kind == "table" and known:
            form.named |= node.words
        elif node.kind == "column" and (node.ref in shown or (known and not form.group)):
            form.named |= node.words
            columns.append(Column(node.ref, node.words))
        elif node.kind == "label":
            columns += [with_words(term, node.words) for term in shown_columns(schema, form.main)]
            form.named |= node.words
        elif node.kind in ("measure", "echo"):
            show_known(form, node)
        elif node.kind == "digits":
            round_to(form, node)
        elif node.kind == "ratio" and isinstance(form.select[-1], Share):
            form.select[-1] = replace(form.select[-1], scale=int(node.meaning[0]))
            form.named |= node.words
        elif node.kind in ("order", "sort") and not form.order:
            if isinstance(node.term, Aggregate):
                show_known(form, node)
            form.order = (node.term or first_term(schema, form, node), node.descending)
            form.named |= node.words
        else:
            raise Misfit("a second question")
    _show_columns(form, columns, bool(_INCLUDING & {token.text.lower() for token in clause.tokens}))


def _show_columns(form: Form, columns: list[Term], adds: bool) -> None:
    """Show these columns instead of the ones that are shown, or beside them; numbers are kept."""
    shown = [term for term in form.select if isinstance(term, Column)]
    new = [column for column in columns if column not in shown]
    if adds and not form.group:
        form.select = [*form.select, *new]
    elif columns and not (new and form.group):
        form.select = [*dict.fromkeys(columns), *(term for term in form.select if term not in shown)]
    form.distinct &= not new
