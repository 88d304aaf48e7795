"""One round with all peers: what each is asked, and what of their answers can be added up."""

from __future__ import annotations

import base64
import binascii
import secrets

from pg_llm.database.quoting import quote_literal
from pg_llm.errors import InvalidInput
from pg_llm.federation import sums
from pg_llm.federation.contract import Contract
from pg_llm.federation.peers import Peers
from pg_llm.federation.sums import Sums, Vector

_ANOTHER_SHAPE = "its gradient has another shape, or numbers that are not finite"


def gradients(peers: Peers, agreement: str, contract: Contract, point: Vector) -> list[Sums]:
    """What each peer says of the point; who fails, or gives something impossible, is left out."""
    length = len(point) + sums.OTHERS
    answers = _ask(peers, agreement, point, "")
    told = []
    for peer in peers.left:
        values = sums.decode(answers[peer.name], length)
        given = Sums.of(values) if values is not None else None
        objection = _ANOTHER_SHAPE if given is None else contract.objection(given, point)
        if given is None or objection:
            peers.leave_out(peer, objection or _ANOTHER_SHAPE)
            continue
        peer.rounds, peer.rows = peer.rounds + 1, int(given.rows + given.held_back)
        told.append(given)
    return told


def masked_gradients(peers: Peers, agreement: str, contract: Contract, point: Vector) -> list[Sums]:
    """The sum of what all peers say of the point. Raises InvalidInput where one says nothing, or the sum is of no rows.

    Without one of them the masks do not cancel.
    """
    length = len(point) + sums.OTHERS
    answers = _ask(peers, agreement, point, f", {quote_literal(secrets.token_hex(16))}")
    for peer in peers.left:
        if not sums.is_masked(answers[peer.name], length):
            peers.leave_out(peer, _ANOTHER_SHAPE)
    check_complete(peers)
    total = Sums.of(sums.unmasked([answers[peer.name] for peer in peers.left], length))
    if objection := contract.objection(total, point):
        raise InvalidInput(
            f"the masked sums of the peers add up to what no rows give: {objection}",
            hint="One of them lies, or has another key than the others know: llm_pair_federation().",
        )
    for peer in peers.left:
        peer.rounds += 1
    return [total]


def check_complete(peers: Peers) -> None:
    """Raise InvalidInput where a peer was left out."""
    missing = next((peer for peer in peers.all if peer.left_out), None)
    if missing:
        raise InvalidInput(
            f'masks cancel in the sum of all peers only, and "{missing.name}" is left out: {missing.left_out}',
            hint="Begin again, or have the owners of the others pair their agreements without it.",
        )


def _ask(peers: Peers, agreement: str, point: Vector, more: str) -> dict[str, bytes]:
    """The bytes of each peer's answer; none where it is not base64."""
    weights = quote_literal(base64.b64encode(sums.encode(point)).decode("ascii"))
    call = f"({quote_literal(agreement)}, pg_catalog.decode({weights}, 'base64'){more})"
    queries = {
        peer.name: f"SELECT pg_catalog.encode({peer.function('llm_federated_update')}{call}, 'base64')"
        for peer in peers.left
    }
    return {name: _decoded(answer) for name, answer in peers.ask(queries).items()}


def _decoded(answer: str) -> bytes:
    try:
        return base64.b64decode(answer)
    except (binascii.Error, ValueError):
        return b""


def check_keys(contracts: dict[str, Contract]) -> None:
    """Raise InvalidInput unless each peer is paired with all others and nobody else."""
    keys = {contract.key for contract in contracts.values()}
    for name, contract in contracts.items():
        if contract.peer_keys != keys - {contract.key}:
            raise InvalidInput(
                f'peer "{name}" is not paired with all others, or with more than these',
                hint="llm_pair_federation() takes the keys of all other peers; llm_federations() shows each its own.",
            )
