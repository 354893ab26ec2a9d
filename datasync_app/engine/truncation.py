"""A truncated answer heals itself: it is split as its declaration says, until every part is whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from datasync_app.datasets.base import Dataset
from datasync_app.datasets.splits import ByCodes, Split
from datasync_app.tushare.outcomes import Answer, AnswerKind, Mismatched

logger = logging.getLogger(__name__)

Ask = Callable[[Mapping[str, str]], Answer]


def whole_answer(
    dataset: Dataset, params: Mapping[str, str], codes_of: Callable[[], Sequence[str]], ask: Ask
) -> Answer:
    """Ask, and where the answer is cut, ask for its parts; their rows together are the answer.

    `codes_of` names the codes that may be in it, and is called only when it is cut.

    The rows of the cut answer are kept too: it may hold codes that nobody listed. Where a code has
    one row at most, only those that the cut answer lacks are asked for. It stays TRUNCATED where
    some part cannot be split further.

    Raises:
        TushareError: a part failed; half an answer is none.
    """
    answer = ask(params)
    if answer.kind is not AnswerKind.TRUNCATED:
        return answer
    codes = codes_of()
    if isinstance(dataset.split, ByCodes) and codes and "ts_code" not in params:
        codes = _lacking(dataset, answer, codes)
        if not codes:
            return replace(answer, kind=AnswerKind.ROWS)
    parts = dataset.split.parts(params, codes) if dataset.split else []
    if not parts:
        return answer
    logger.info(
        "action=split dataset=%s rows=%d parts=%d", dataset.name, len(answer.items), len(parts)
    )
    items = list(answer.items)
    for part in parts:
        part_answer = whole_answer(dataset, part, lambda: codes, ask)
        if part is parts[0] and part_answer.kind is AnswerKind.EMPTY and _otherwise(dataset):
            logger.warning("action=split dataset=%s takes no lists of codes", dataset.name)
            another = replace(dataset, split=_otherwise(dataset))
            return whole_answer(another, params, codes_of, ask)
        if part_answer.kind is AnswerKind.TRUNCATED:
            return answer  # no other part can make it whole again
        items += _aligned(part_answer, answer.fields)
    return replace(answer, items=items, kind=AnswerKind.ROWS)


def _otherwise(dataset: Dataset) -> Split | None:
    return dataset.split.otherwise if isinstance(dataset.split, ByCodes) else None


def _lacking(dataset: Dataset, answer: Answer, codes: Sequence[str]) -> Sequence[str]:
    """The codes whose row is not in the answer; all of them, where a code may have several rows."""
    if not dataset.has_one_row_per_code:
        return codes
    at = answer.fields.index("ts_code")
    held = {item[at] for item in answer.items}
    return [code for code in codes if code not in held]


def _aligned(part: Answer, fields: tuple[str, ...]) -> list[list[object]]:
    """The part's items in the order of `fields`: the source may order them otherwise each time."""
    if part.fields == fields:
        return part.items
    if set(part.fields) != set(fields):
        raise Mismatched(
            f"{part.api_name} answered with other fields for a part of the request: "
            f"{', '.join(part.fields)} instead of {', '.join(fields)}.",
            api_name=part.api_name,
            params=part.params,
        )
    positions = [part.fields.index(name) for name in fields]
    return [[item[position] for position in positions] for item in part.items]
