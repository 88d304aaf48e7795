"""splink (PyPI, Ministry of Justice) on DuckDB, set up for the made persons as its documentation does for people."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pandas
import splink.comparison_library as cl
from persons import PERSON_COLUMNS, Row
from splink import Linker, SettingsCreator, block_on
from splink.backends.duckdb import DuckDBAPI


def duplicates(rows: Sequence[Row], threshold: float) -> tuple[set[tuple[int, int]], float]:
    """The pairs of rows in one cluster, and the seconds that it took."""
    frame = pandas.DataFrame(list(rows), columns=list(PERSON_COLUMNS))
    frame.insert(0, "unique_id", range(len(frame)))
    started = time.process_time()
    frame["phone"] = frame["phone"].str.replace(r"\D", "", regex=True).str[-10:]
    for column in ("first_name", "last_name", "street", "city", "email"):
        frame[column] = frame[column].str.lower()
    chosen = SettingsCreator(
        link_type="dedupe_only",
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
    linker = Linker(DuckDBAPI().register(frame), chosen)
    known = [block_on("email"), block_on("first_name", "last_name", "birth_date")]
    linker.training.estimate_probability_two_random_records_match(known, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=2e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("first_name", "last_name"))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on("birth_date"))
    found = linker.inference.predict(threshold_match_probability=threshold)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(found, threshold)
    members: dict[str, list[int]] = {}
    for cluster, row in clusters.as_pandas_dataframe()[["cluster_id", "unique_id"]].itertuples(index=False):
        members.setdefault(str(cluster), []).append(int(row))
    pairs = {(a, b) for each in members.values() for a in each for b in each if a < b}
    return pairs, time.process_time() - started
