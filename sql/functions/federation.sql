-- Without SET search_path, so that the query means what it means to the caller; what follows is pinned inside.
CREATE FUNCTION llm_allow_federation(
    name text, role text, query text, labels text[], task text DEFAULT 'classify', base text DEFAULT NULL,
    rounds bigint DEFAULT 50, options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb
AS $$ from pg_llm.functions import federation; return federation.llm_allow_federation(name, role, query, labels, task, base, rounds, options) $$;
COMMENT ON FUNCTION llm_allow_federation IS 'Let a role of another database learn from the rows of a query of yours by their gradients, so many rounds.';

CREATE FUNCTION llm_revoke_federation(name text) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_revoke_federation(name) $$;
COMMENT ON FUNCTION llm_revoke_federation IS 'End an agreement on federated training: nobody learns from its rows any more.';

CREATE FUNCTION llm_federations() RETURNS TABLE (
    name text, owner text, role text, task text, labels text[], base text, base_digest text, rounds bigint,
    rounds_spent bigint, options jsonb, key text, peer_keys text[], query text
)
LANGUAGE plpython3u VOLATILE ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_federations() $$;
COMMENT ON FUNCTION llm_federations IS 'The agreements on federated training that you have made or may ask under, and how many rounds are spent.';

CREATE FUNCTION llm_pair_federation(name text, peer_keys text[]) RETURNS void
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_pair_federation(name, peer_keys) $$;
COMMENT ON FUNCTION llm_pair_federation IS 'Have an agreement tell nothing but sums with masks that cancel in the sum of all peers.';

CREATE FUNCTION llm_federated_update(name text, weights bytea, nonce text DEFAULT NULL) RETURNS bytea
LANGUAGE plpython3u VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_federated_update(name, weights, nonce) $$;
COMMENT ON FUNCTION llm_federated_update IS 'The gradient of the loss over the rows of an agreement at given weights: what a peer gives in one round.';

CREATE FUNCTION llm_federate(
    name text, peers text[], agreement text DEFAULT NULL, base text DEFAULT NULL, rounds bigint DEFAULT 30,
    method text DEFAULT 'mean', options jsonb DEFAULT '{}'
) RETURNS jsonb
LANGUAGE plpython3u VOLATILE TRANSFORM FOR TYPE jsonb SET search_path = pg_catalog, pg_temp
AS $$ from pg_llm.functions import federation; return federation.llm_federate(name, peers, agreement, base, rounds, method, options) $$;
COMMENT ON FUNCTION llm_federate IS 'Train a classifier on the rows of several databases that stay where they are, and register it here.';
