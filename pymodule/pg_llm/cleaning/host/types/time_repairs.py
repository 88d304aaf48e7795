"""Times of day that are written otherwise than their column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pg_llm.cleaning.host.types.column_type import Counts, ValueRepair
from pg_llm.values.host import times_of_day

_MIN_COUNT = 5
_MIN_DOMINANT_SHARE = 0.6
_SURE, _LIKELY = 0.97, 0.9


def repairs(counts: Counts) -> Iterator[ValueRepair]:
    """Times of another form in that of the column."""
    found = {value: parsed for value in counts if (parsed := times_of_day.parse(value)) is not None}
    forms: Counter[str | None] = Counter()
    for value, (_, form) in found.items():
        # 9:30 shows that no zero is written, 10:30 nothing.
        forms[form.replace("%-", "%") if form else None] += counts[value]
    form, most = forms.most_common(1)[0] if forms else (None, 0)
    if form is None or most < max(_MIN_COUNT, _MIN_DOMINANT_SHARE * forms.total()):
        return
    bare = sum(counts[value] for value, (_, each) in found.items() if each and "%-" in each)
    padded = sum(counts[value] for value, (_, each) in found.items() if each == form and value.lstrip().startswith("0"))
    if bare > padded:
        form = form.replace("%H", "%-H").replace("%I", "%-I")
    step = f"times are written as {form}"
    for value in counts:
        moment = found[value][0] if value in found else times_of_day.parse_pointed(value)
        if moment is None:
            continue
        new = times_of_day.write(moment, form)
        seconds_apart = value in found and (found[value][1] or "").replace(":%S", "") == form.replace(":%S", "")
        if new is not None and new.casefold() != value.casefold() and not seconds_apart:
            confidence = _SURE if value in found else _LIKELY
            yield ValueRepair(value, new, confidence, "date", step, "most other times are written so")
