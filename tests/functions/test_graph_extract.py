from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from database import value
from psycopg import errors

FACTS = "SELECT subject, subject_type, predicate, object, object_type FROM graph_extract(%s, %s, %s, %s)"
MEDICAL = {
    "treats": {"subject": "Drug", "object": "Disease", "words": ["treat", "is given for"]},
    "causes": {"subject": ["Disease", "Drug"], "object": "Symptom", "words": ["cause", "lead to"]},
    "diagnosis": {"subject": "Patient", "object": "Disease", "words": ["diagnosed with", "suffers from"]},
    "takes": {"subject": "Patient", "object": "Drug", "words": ["take", "receive"]},
}
BUSINESS = {
    "works_for": {"subject": "Person", "object": "Company"},
    "founded": {"subject": "Person", "object": "Company"},
    "located_in": {"subject": "Company", "object": "City", "words": ["headquartered in", "based in"]},
    "acquired": {"subject": "Company", "object": "Company", "words": ["acquire", "buy", "acquisition"]},
}
FACTORY = {
    "caused_by": {"subject": "Fault", "object": "Cause", "words": ["caused by", "due to", "because of"]},
    "occurs_on": {"subject": "Fault", "object": "Machine", "words": ["occurred on"]},
    "reports": {"subject": "Machine", "object": "Fault", "words": ["reports", "shows"]},
}
CASES = {
    "疾病": {"subject": "患者", "object": "疾病", "words": ["诊断为", "患有", "确诊"]},
    "用药": {"subject": "患者", "object": "药物", "words": ["服用", "给予", "使用"]},
}


def facts(
    db: psycopg.Connection, text: str | None, types: Any = None, relations: Any = None, model: str | None = None
) -> set[tuple[str, ...]]:
    asked = None if relations is None else json.dumps(relations)
    return set(db.execute(FACTS, (text, types, asked, model)).fetchall())


def briefly(db: psycopg.Connection, text: str, relations: Any, model: str | None = None) -> set[str]:
    return {
        f"{subject} {predicate} {target}"
        for subject, _, predicate, target, _ in facts(db, text, None, relations, model)
    }


@pytest.mark.parametrize("engine", ["shared", "backend"])
def test_what_names_have_to_do_with_each_other(db: psycopg.Connection, engine: str) -> None:
    db.execute(f"SET llm.engine = '{engine}'")
    assert facts(db, "Angela Merkel is the leader of the CDU and visited France.") == {
        ("Angela Merkel", "PERSON", "leader of", "CDU", "ORG"),
        ("Angela Merkel", "PERSON", "visit", "France", "GPE"),
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Tim Cook works for Apple.", "Tim Cook work for Apple"),
        ("Tim Cook, CEO of Apple, met Satya Nadella.", "Tim Cook ceo of Apple; Tim Cook meet Satya Nadella"),
        ("Apple CEO Tim Cook resigned.", "Tim Cook ceo of Apple"),
        ("Germany's chancellor Angela Merkel resigned.", "Angela Merkel chancellor of Germany"),
        ("Siemens has its headquarters in Munich.", "Siemens headquarters in Munich"),
        (
            "Google, which was founded by Larry Page, bought YouTube.",
            "Larry Page found Google; Google buy YouTube",
        ),
        ("Microsoft did not buy Yahoo.", ""),
    ],
)
def test_forms_of_a_sentence(db: psycopg.Connection, text: str, found: str) -> None:
    assert briefly(db, text, None) == set(filter(None, found.split("; ")))


def test_roles_make_entities_that_no_model_knows(db: psycopg.Connection) -> None:
    assert facts(db, "Pneumonia is treated with penicillin and causes fever.", None, MEDICAL) == {
        ("penicillin", "Drug", "treats", "Pneumonia", "Disease"),
        ("Pneumonia", "Disease", "causes", "fever", "Symptom"),
    }


@pytest.mark.parametrize(
    ("relations", "text", "found"),
    [
        (MEDICAL, "Aspirin is given for headache.", "Aspirin treats headache"),
        (MEDICAL, "Doctors treat pneumonia with penicillin.", "penicillin treats pneumonia"),
        (MEDICAL, "Ibuprofen is used to treat migraine.", "Ibuprofen treats migraine"),
        (
            MEDICAL,
            "Mrs. Miller suffers from Parkinson's disease and receives levodopa.",
            "Mrs. Miller diagnosis Parkinson's disease; Mrs. Miller takes levodopa",
        ),
        (MEDICAL, "Amoxicillin does not treat influenza.", ""),
        (
            BUSINESS,
            "Apple was founded by Steve Jobs and Steve Wozniak.",
            "Steve Jobs founded Apple; Steve Wozniak founded Apple",
        ),
        (
            BUSINESS,
            "Siemens, based in Munich, acquired Mentor Graphics.",
            "Siemens located_in Munich; Siemens acquired Mentor Graphics",
        ),
        (FACTORY, "A bearing failure occurred on conveyor C3.", "bearing failure occurs_on conveyor C3"),
        (
            FACTORY,
            "Machine M-12 reports a spindle error due to worn bearings.",
            "Machine M-12 reports spindle error; spindle error caused_by worn bearings",
        ),
    ],
)
def test_a_schema_says_what_is_looked_for(db: psycopg.Connection, relations: Any, text: str, found: str) -> None:
    assert briefly(db, text, relations) == set(filter(None, found.split("; ")))


# Sentences that the patterns were not made for.
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "患者G反复咳嗽两周，门诊确诊为支气管哮喘，给予布地奈德吸入。",
            "患者G 疾病 支气管哮喘; 患者G 用药 布地奈德",
        ),
        ("吴刚患有帕金森病，多年来服用左旋多巴。", "吴刚 疾病 帕金森病; 吴刚 用药 左旋多巴"),
        (
            "郑女士被诊断为子宫肌瘤和中度贫血，使用琥珀酸亚铁补铁。",
            "郑女士 疾病 子宫肌瘤; 郑女士 疾病 中度贫血; 郑女士 用药 琥珀酸亚铁",
        ),
        (
            "患者H，男，67岁，因胸闷入院。经冠脉造影诊断为冠状动脉粥样硬化性心脏病，长期服用阿托伐他汀、氯吡格雷。",
            "患者H 疾病 冠状动脉粥样硬化性心脏病; 患者H 用药 阿托伐他汀; 患者H 用药 氯吡格雷",
        ),
        (
            "专家会诊后，患者J最终确诊为系统性红斑狼疮，未给予环磷酰胺，使用羟氯喹。",
            "患者J 疾病 系统性红斑狼疮; 患者J 用药 羟氯喹",
        ),
        ("患者A被诊断为高血压，医生给予阿司匹林治疗。", "患者A 疾病 高血压; 患者A 用药 阿司匹林"),
        (
            "患者赵六，男，60岁。既往患有高血压病史10年，未使用胰岛素。入院诊断为脑梗死。",
            "赵六 疾病 高血压; 赵六 疾病 脑梗死",
        ),
    ],
)
def test_cases_in_chinese(db: psycopg.Connection, text: str, found: str) -> None:
    assert briefly(db, text, CASES, "lac") == set(found.split("; "))
    types = {target: kind for _, _, _, target, kind in facts(db, text, None, CASES, "lac")}
    assert set(types.values()) <= {"疾病", "药物"}


def test_chinese_without_a_schema(db: psycopg.Connection) -> None:
    assert facts(db, "张三在北京的腾讯公司工作。马云是阿里巴巴的创始人。", model="lac") == {
        ("张三", "PER", "工作", "腾讯公司", "ORG"),
        ("马云", "PER", "创始人", "阿里巴巴", "ORG"),
    }


def test_the_place_that_says_so(db: psycopg.Connection) -> None:
    text = "🧪 It rained.  Tim Cook works\nfor Apple, they say."
    (row,) = db.execute("SELECT subject, start_pos, end_pos, confidence FROM graph_extract(%s)", (text,)).fetchall()
    assert value(db, "SELECT substr(%s, %s, %s)", text, row[1], row[2] - row[1]) == "Tim Cook works\nfor Apple"
    assert row[0] == "Tim Cook"
    assert 0.5 < row[3] <= 1


def test_names_are_cleaned_and_of_the_asked_types(db: psycopg.Connection) -> None:
    text = "Tim \n Cook met Satya Nadella in Paris."
    assert briefly(db, text, None) == {"Tim Cook meet Satya Nadella", "Tim Cook meet in Paris"}
    assert {row[0::3] for row in facts(db, text, ["PERSON"])} == {("Tim Cook", "Satya Nadella")}
    assert facts(db, text, ["person"], ["meet"]) == {("Tim Cook", "person", "meet", "Satya Nadella", "person")}


@pytest.mark.parametrize(
    "text", [None, "", " ", "\n\t", "nothing of a name", "\x01\x1b\u200b\ufeff\ufffd", "。，", "'s's' of of of"]
)
@pytest.mark.parametrize("model", [None, "lac"])
def test_nothing_to_find(db: psycopg.Connection, text: str | None, model: str | None) -> None:
    for relations in (None, MEDICAL, CASES):
        assert facts(db, text, None, relations, model) == set()


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("Tim Cook works for Apple in Cupertino. " * 3_000, None),
        ("x" * 1_000_000, None),
        ("Apple and " * 10_000, None),
        ("患者A被诊断为高血压，给予阿司匹林。" * 5_000, "lac"),
        ("患者" * 100_000, "lac"),
    ],
    ids=["sentences", "one word", "one list", "chinese", "one chinese word"],
)
def test_long_texts(db: psycopg.Connection, text: str, model: str | None) -> None:
    db.execute("SET statement_timeout = '400s'")
    relations = json.dumps({**BUSINESS, **CASES})
    count = value(db, "SELECT count(*) FROM graph_extract(%s, NULL, %s, %s)", text, relations, model)
    # Of each sentence who works where and where that is; of each case an illness and a drug.
    assert count == {"Tim": 6_000, "患者A": 10_000}.get(text[:3], 0)


@pytest.mark.parametrize(
    ("types", "relations", "message"),
    [
        ([], None, "entity_types must not be empty"),
        (["Drug", None], None, "must not hold NULL"),
        (None, [], "relation_types must not be empty"),
        (None, {}, "relation_types must not be empty"),
        (None, "treats", "must be a JSON list of names or a JSON object"),
        (None, [1], "must be a JSON list of names or a JSON object"),
        (None, [""], "not a name"),
        (None, {"treats": 1}, "described by no JSON object"),
        (None, {"treats": {"subjects": "Drug"}}, 'has no property "subjects"'),
        (None, {"treats": {"subject": 1}}, "must be a text or a list of texts"),
        (None, {"treats": {"words": []}}, "is an empty list"),
        (None, {"treats": {"words": [" "]}}, "not a name"),
        (None, {"treats": {"description": 1}}, "is no text"),
        (None, {"treats": {"functional": "yes"}}, "neither true nor false"),
        (["Drug"], {"treats": {"object": "Disease"}}, "not among entity_types"),
        (None, {"a": {"words": ["Treat"]}, "b": {"words": ["heal", "treat"]}}, 'both said by "treat"'),
        (None, {f"r{number}": {} for number in range(1001)}, "1000 can be told apart"),
    ],
)
def test_schemas_that_are_none(db: psycopg.Connection, types: Any, relations: Any, message: str) -> None:
    for text in ("Tim Cook works for Apple.", None):
        with pytest.raises(errors.InvalidParameterValue, match=message) as caught:
            facts(db, text, types, relations)
        assert caught.value.diag.message_hint or "told apart" in message


def test_models_that_can(db: psycopg.Connection) -> None:
    with pytest.raises(errors.UndefinedObject, match="not registered"):
        facts(db, "x", model="nobody")
    with pytest.raises(errors.InvalidParameterValue, match="entities or relations or generation is needed"):
        facts(db, "x", model="all-minilm-l6-v2")


def test_a_writing_model_names_what_the_text_says(db: psycopg.Connection) -> None:
    text = "Aspirin treats headache."
    for row in facts(db, text, ["Drug", "Disease"], MEDICAL_TWO, "smollm2-135m-instruct"):
        assert row[0] in text
        assert row[3] in text
        assert row[1::3] == ("Drug", "Disease")
        assert row[2] == "treats"


MEDICAL_TWO = {"treats": {"subject": "Drug", "object": "Disease"}}


def marked(text: str, *items: tuple[str, str, str | None, str, str]) -> tuple[str, str]:
    """A row to learn from: subject, its type, predicate, object, its type."""
    found = []
    for subject, kind, predicate, target, other in items:
        item: dict[str, Any] = {"predicate": predicate}
        for role, name, its in (("subject", subject, kind), ("object", target, other)):
            start = text.index(name) + 1
            item |= {f"{role}_start": start, f"{role}_end": start + len(name), f"{role}_type": its}
        found.append(item)
    return text, json.dumps(found)


PEOPLE = ["Ann Lee", "Bob Ray", "Carl Fox", "Dora Kim", "Emil Orr", "Fay Day", "Gus Bell", "Hal Moss"]
FIRMS = ["Acme", "Bolt", "Cargo", "Delta", "Eon", "Flux", "Gamma", "Halo"]


@pytest.fixture
def related(db: psycopg.Connection) -> psycopg.Connection:
    """A database with the table `deed`: sentences about who runs and who left which company."""
    db.execute("CREATE TABLE deed (text text, relations jsonb)")
    for person, firm in zip(PEOPLE, FIRMS, strict=True):
        for other in FIRMS[:3]:
            rows = [
                marked(f"{person} runs {firm}, as {other} knows.", (person, "PERSON", "head", firm, "ORG")),
                marked(f"{person} resigned from {firm} in May.", (person, "PERSON", "former", firm, "ORG")),
                marked(f"{person} never saw {firm}.", (person, "PERSON", None, firm, "ORG")),
            ]
            for row in rows:
                db.execute("INSERT INTO deed VALUES (%s, %s)", row)
    return db


QUERY = "SELECT text, relations FROM deed"
FIT = "SELECT llm_fit('deeds', 'relations', %s, NULL, %s, %s)"


@pytest.mark.parametrize("method", ["head", pytest.param("finetune", marks=pytest.mark.slow)])
def test_a_model_learns_relations(related: psycopg.Connection, method: str) -> None:
    options = json.dumps({"epochs": 4, "learning_rate": 0.0005} if method == "finetune" else {})
    measured = value(related, FIT, QUERY, method, options)
    assert measured["micro_f1"] > 0.9
    labels = value(related, "SELECT labels FROM llm_models WHERE name = 'deeds'")
    assert sorted(labels) == ["former", "head", "none"]
    text = "Angela Merkel resigned from Siemens in May."
    assert facts(related, text, model="deeds") == {("Angela Merkel", "PERSON", "former", "Siemens", "ORG")}
    assert facts(related, text, None, ["head"], "deeds") == set()
    assert facts(related, text, None, {"former": {"object": "GPE"}}, "deeds") == set()
    scores = related.execute("SELECT label, f1 FROM llm_evaluate('deeds', %s)", (QUERY,)).fetchall()
    assert dict(scores)["micro avg"] > 0.9
    assert "none" not in dict(scores)


def test_a_model_of_relations_has_a_model_of_entities(related: psycopg.Connection) -> None:
    value(related, FIT, QUERY, "head", json.dumps({"entities_model": "lac"}))
    assert value(related, "SELECT options FROM llm_models WHERE name = 'deeds'") == {"entities_model": "lac"}
    assert facts(related, "Angela Merkel resigned from Siemens in May.", model="deeds") == set()
    with pytest.raises(errors.InvalidParameterValue, match="entities is needed"):
        value(related, FIT.replace("deeds", "more"), QUERY, "head", '{"entities_model": "smollm2-135m-instruct"}')
    with pytest.raises(errors.InvalidParameterValue, match="name of a model"):
        value(related, FIT.replace("deeds", "more"), QUERY, "head", '{"entities_model": 1}')


@pytest.mark.parametrize(
    ("relations", "message"),
    [
        ("{}", "not a JSON list of objects"),
        ('["x"]', "not a JSON list of objects"),
        ('[{"predicate": "p"}]', "lacks subject_start"),
        (
            '[{"subject_start": 1, "subject_end": 2, "subject_type": "A", "object_start": 3, "object_end": 99,'
            ' "object_type": "B", "predicate": "p"}]',
            "has its object from 3 to 99",
        ),
        (
            '[{"subject_start": 1, "subject_end": 2, "subject_type": "A", "object_start": 3, "object_end": 4,'
            ' "object_type": "B", "predicate": "none"}]',
            "a predicate that is no name",
        ),
        ("[]", "has any relation"),
    ],
)
def test_rows_that_nothing_can_be_learnt_from(db: psycopg.Connection, relations: str, message: str) -> None:
    with pytest.raises(errors.InvalidParameterValue, match=message):
        value(db, FIT, f"SELECT 'a b c', '{relations}'::jsonb FROM generate_series(1, 9)", "head", "{}")
