"""Relation extraction by patterns, on parses of real sentences that spaCy's and LAC's pipelines made."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from echo import EchoEngine, run
from pg_llm.errors import InvalidInput
from pg_llm.graph.host import relations
from pg_llm.graph.host.dependency_triples import DependencyTree, phrase
from pg_llm.models.engine import Window, Word

RECORDED = json.loads(Path(__file__).with_name("parses.json").read_text(encoding="utf-8"))
Schema = dict[str, dict[str, Any]]
MEDICAL: Schema = {
    "treats": {"subject": ["Drug"], "object": ["Disease"], "words": ["treat", "is given for"]},
    "causes": {"subject": ["Disease", "Drug"], "object": ["Symptom"], "words": ["cause", "lead to"]},
    "diagnosis": {"subject": ["Patient"], "object": ["Disease"], "words": ["diagnosed with", "suffers from"]},
    "takes": {"subject": ["Patient"], "object": ["Drug"], "words": ["take", "receive"]},
}
BUSINESS: Schema = {
    "works_for": {"subject": ["Person"], "object": ["Company"]},
    "founded": {"subject": ["Person"], "object": ["Company"]},
    "located_in": {"subject": ["Company"], "object": ["City"], "words": ["headquartered in", "based in"]},
    "acquired": {"subject": ["Company"], "object": ["Company"], "words": ["acquire", "buy", "acquisition"]},
}
FACTORY: Schema = {
    "caused_by": {"subject": ["Fault"], "object": ["Cause"], "words": ["caused by", "due to", "because of"]},
    "occurs_on": {"subject": ["Fault"], "object": ["Machine"], "words": ["occurred on"]},
    "reports": {"subject": ["Machine"], "object": ["Fault"], "words": ["reports", "shows"]},
}
CASES: Schema = {
    "疾病": {"subject": ["患者"], "object": ["疾病"], "words": ["诊断为", "患有", "确诊"]},
    "用药": {"subject": ["患者"], "object": ["药物"], "words": ["服用", "给予", "使用"]},
}
EMPTY: dict[str, Any] = {"subject": [], "object": [], "words": [], "description": None}


class RecordedModel(EchoEngine):
    """Parses the recorded texts; a window of it is the text and the place where that begins."""

    def __init__(self, label: str) -> None:
        super().__init__("entities", {"labels": [label, "ORG"]})

    def parse(self, texts: Sequence[str], start: int = 0) -> list[list[Window]]:
        return [[Window((text, start), len(text))] for text in texts]

    def forward(self, batch: Sequence[Window]) -> Any:
        return [[_moved(Word(*word), window.tokens[1]) for word in words(window.tokens[0])] for window in batch]


def words(text: str) -> list[list[Any]]:
    return RECORDED["words"][text]


def _moved(word: Word, start: int) -> Word:
    return word._replace(start=word.start + start, end=word.end + start)


def extracted(text: str, schema: Schema | None, known: Sequence[str] = (), entities: Any = None) -> dict[str, Any]:
    model: Any = RecordedModel("PERSON" if text.isascii() else "PER")
    given = RECORDED["entities"][text] if entities is None else entities
    types = None if schema is None else {name: EMPTY | relation for name, relation in schema.items()}
    options = {"relations": types, "types": None, "known": list(known)}
    works = relations.prepare(model, [json.dumps({"text": text, "entities": given})], options)
    return json.loads(run(works, model)[0])


def facts(text: str, schema: Schema | None, known: Sequence[str] = (), entities: Any = None) -> set[str]:
    result = extracted(text, schema, known, entities)
    names = [text[start:end] for _, start, end, _ in result["entities"]]
    return {f"{names[subject]} {predicate} {names[object_]}" for subject, predicate, object_, *_ in result["relations"]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Angela Merkel is the leader of the CDU and visited France.",
            "Angela Merkel leader of CDU; Angela Merkel visit France",
        ),
        ("Tim Cook works for Apple.", "Tim Cook work for Apple"),
        ("Tim Cook, CEO of Apple, met Satya Nadella.", "Tim Cook ceo of Apple; Tim Cook meet Satya Nadella"),
        ("Apple CEO Tim Cook resigned.", "Tim Cook ceo of Apple"),
        ("Germany's chancellor Angela Merkel resigned.", "Angela Merkel chancellor of Germany"),
        ("Siemens has its headquarters in Munich.", "Siemens headquarters in Munich"),
        ("Google, which was founded by Larry Page, bought YouTube.", "Larry Page found Google; Google buy YouTube"),
        ("Microsoft did not buy Yahoo.", ""),
        (
            "Google's acquisition of YouTube was announced by Eric Schmidt in London.",
            "Google acquisition of YouTube; Eric Schmidt in London",
        ),
    ],
)
def test_open_extraction_takes_its_predicates_from_the_parse(text: str, expected: str) -> None:
    assert facts(text, None) == set(filter(None, expected.split("; ")))


@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (
            MEDICAL,
            "Pneumonia is treated with penicillin and causes fever.",
            "penicillin treats Pneumonia; Pneumonia causes fever",
        ),
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
def test_triggers_select_the_relations_of_a_schema(schema: Schema, text: str, expected: str) -> None:
    assert facts(text, schema) == set(filter(None, expected.split("; ")))


def test_a_relation_gives_its_ends_their_types() -> None:
    result = extracted("Pneumonia is treated with penicillin and causes fever.", MEDICAL)
    assert [entity[0] for entity in result["entities"]] == ["Disease", "Drug", "Symptom"]
    # The entity model recognizes drugs and found none.
    text = "Aspirin is given for headache."
    assert facts(text, MEDICAL, known=["Drug", "Disease"], entities=[]) == set()


def test_the_passage_covers_trigger_and_entities() -> None:
    text = "Tim Cook works for Apple."
    ((_, predicate, _, start, end, score),) = extracted(text, BUSINESS)["relations"]
    assert (predicate, text[start:end]) == ("works_for", "Tim Cook works for Apple")
    assert 0.5 < score <= 1


def test_a_phrase_without_a_trigger_is_an_open_question() -> None:
    text = "Tim Cook, CEO of Apple, met Satya Nadella."
    given = [["Person", 0, 8, 1.0], ["Person", 28, 41, 1.0]]
    assert text[28:41] == "Satya Nadella"
    schema: Schema = {"causes": {"subject": ["Person"], "object": ["Person"], "words": ["cause"]}}
    (question,) = extracted(text, schema, entities=given)["open"]
    assert question[2] == "meet"
    assert question[-1] == [["causes", False], ["causes", True]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "患者G反复咳嗽两周，门诊确诊为支气管哮喘，给予布地奈德吸入。",
            "患者G 疾病 支气管哮喘; 患者G 用药 布地奈德",
        ),
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
def test_chinese_clauses_share_a_subject(text: str, expected: str) -> None:
    assert facts(text, CASES) == set(expected.split("; "))
    assert {entity[0] for entity in extracted(text, CASES)["entities"]} <= {"患者", "疾病", "药物", "PER"}


def test_chinese_agents_and_open_relations() -> None:
    text = "肺炎由细菌引起。"
    cause: Schema = {"引起": {"subject": ["病原"], "object": ["疾病"]}}
    assert facts(text, cause) == {"细菌 引起 肺炎"}
    assert facts("张三在北京的腾讯公司工作。马云是阿里巴巴的创始人。", None) == {
        "张三 工作 腾讯公司",
        "马云 创始人 阿里巴巴",
    }


def test_paths_and_phrases_of_a_dependency_tree() -> None:
    tree = DependencyTree([Word(*word) for word in words("Tim Cook works for Apple.")])
    text = [word.lemma for word in tree.words]
    path = tree.path(text.index("Cook"), text.index("Apple"))
    assert [text[number] for number in path] == ["Cook", "work", "for", "Apple"]
    assert phrase(tree, path) == "cook work for apple"
    assert tree.noun_phrase(text.index("Cook")) == (0, 1)


def test_a_model_that_cannot_parse_is_refused() -> None:
    model: Any = EchoEngine("entities", {"labels": ["ORG"]})
    with pytest.raises(InvalidInput, match="cannot parse"):
        relations.prepare(model, ['{"text": "x", "entities": []}'], {"relations": None, "types": None, "known": []})
