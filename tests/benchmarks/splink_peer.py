"""splink (PyPI, Ministry of Justice) on DuckDB, set up for the made persons as its documentation does for people."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

import duckdb
import pandas
import splink.comparison_library as cl
from persons import PERSON_COLUMNS, Row
from splink import Linker, SettingsCreator, block_on
from splink.backends.duckdb import DuckDBAPI

_MEMORY = "8GB"
_COUNTS = """
    WITH c AS (SELECT cluster_id, person, count(*) AS n FROM {} GROUP BY ALL),
         found AS (SELECT sum(n) AS n FROM c GROUP BY cluster_id),
         same AS (SELECT sum(n) AS n FROM c GROUP BY person)
    SELECT (SELECT sum(n * (n - 1) / 2) FROM c), (SELECT sum(n * (n - 1) / 2) FROM found),
           (SELECT sum(n * (n - 1) / 2) FROM same)
"""


class Pairs(NamedTuple):
    """Pairs that are right among those found, all that were found, and all that there are."""

    right: int
    found: int
    true: int

    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.true)


def duplicates(rows: Sequence[Row], people: Sequence[int], threshold: float) -> tuple[Pairs, float]:
    """How many pairs of rows are in one cluster, and the seconds that it took; `people` says who each row is about."""
    frame = pandas.DataFrame(list(rows), columns=list(PERSON_COLUMNS))
    frame.insert(0, "unique_id", range(len(frame)))
    frame["person"] = people
    started = time.process_time()
    frame["phone"] = frame["phone"].str.replace(r"\D", "", regex=True).str[-10:]
    for column in ("first_name", "last_name", "street", "city", "email"):
        frame[column] = frame[column].str.lower()
    chosen = SettingsCreator(
        link_type="dedupe_only",
        additional_columns_to_retain=["person"],
        comparisons=[
            cl.ForenameSurnameComparison("first_name", "last_name"),
            cl.DateOfBirthComparison("birth_date", input_is_string=True),
            cl.JaroWinklerAtThresholds("street", [0.92, 0.8]),
            cl.PostcodeComparison("postcode"),
            cl.JaroWinklerAtThresholds("city", [0.92]),
            cl.LevenshteinAtThresholds("phone", [1]),
            cl.EmailComparison("email"),
        ],
        blocking_rules_to_generate_predictions=[
            block_on("email"),
            block_on("phone"),
            block_on("first_name", "last_name", "substr(birth_date, 1, 4)"),
            block_on("birth_date", "last_name"),
            block_on("birth_date", "first_name"),
            block_on("last_name", "postcode"),
            block_on("first_name", "street"),
            block_on("last_name", "street"),
            block_on("first_name", "postcode"),
        ],
    )
    with tempfile.TemporaryDirectory() as folder:
        database = duckdb.connect(config={"memory_limit": _MEMORY, "temp_directory": folder})
        linker = Linker(DuckDBAPI(database).register(frame), chosen)
        known = [block_on("email"), block_on("first_name", "last_name", "birth_date")]
        linker.training.estimate_probability_two_random_records_match(known, recall=0.7)
        linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
        linker.training.estimate_parameters_using_expectation_maximisation(block_on("first_name", "last_name"))
        linker.training.estimate_parameters_using_expectation_maximisation(block_on("birth_date"))
        found = linker.inference.predict(threshold_match_probability=threshold)
        clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(found, threshold)
        seconds = time.process_time() - started
        # Counted where they lie: the pairs of one large cluster alone may be more than memory holds.
        counts = database.execute(_COUNTS.format(clusters.physical_name)).fetchone()
    assert counts is not None
    return Pairs(*map(int, counts)), seconds
