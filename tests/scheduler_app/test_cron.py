"""Cron means crontab, in every time zone, on every day of the year."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler_app import cron
from scheduler_app.errors import InvalidCron

NEW_YORK = ZoneInfo("America/New_York")
LONDON = ZoneInfo("Europe/London")
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def local(expression: str, zone: str, count: int, after: datetime) -> list[str]:
    return [f"{at:%m-%d %H:%M %z}" for at in cron.next_runs(expression, zone, count, after)]


def weekdays(expression: str) -> list[str]:
    week = MONDAY + timedelta(days=7)
    runs = cron.next_runs(expression, "UTC", 10, MONDAY - timedelta(seconds=1))
    return [f"{at:%a}" for at in runs if at < week]


def test_it_fires_one_to_five_from_monday_to_friday() -> None:
    assert weekdays("0 18 * * 1-5") == ["Mon", "Tue", "Wed", "Thu", "Fri"]


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_it_takes_zero_and_seven_and_names_as_sunday(sunday: str) -> None:
    assert weekdays(f"0 18 * * {sunday}") == ["Sun"]


def test_it_keeps_the_step_of_a_range_of_names() -> None:
    assert weekdays("0 18 * * mon-fri/2") == ["Mon", "Wed", "Fri"]


def test_it_fires_the_second_monday_once_a_month() -> None:
    assert local("0 9 * * mon#2", "UTC", 2, MONDAY) == ["03-09 09:00 +0000", "04-13 09:00 +0000"]


def test_it_fires_when_either_day_field_matches() -> None:
    runs = cron.next_runs("0 0 13 * 5", "UTC", 3, MONDAY)
    assert [f"{at:%d %a}" for at in runs] == ["06 Fri", "13 Fri", "20 Fri"]


def test_it_fires_on_the_last_day_of_the_month() -> None:
    runs = cron.next_runs("0 0 L * *", "UTC", 3, datetime(2028, 1, 31, 1, tzinfo=UTC))
    assert [f"{at:%m-%d}" for at in runs] == ["02-29", "03-31", "04-30"]


def test_it_fires_on_the_29th_of_february_in_leap_years_only() -> None:
    assert [at.year for at in cron.next_runs("0 0 29 2 *", "UTC", 3, MONDAY)] == [2028, 2032, 2036]


def test_it_skips_months_without_a_31st() -> None:
    assert [at.month for at in cron.next_runs("0 0 31 * *", "UTC", 3, MONDAY)] == [3, 5, 7]


@pytest.mark.parametrize(
    ("zone", "spring", "first"),
    [
        ("America/New_York", datetime(2026, 3, 8, tzinfo=NEW_YORK), "03-08 03:00 -0400"),
        ("Europe/London", datetime(2026, 3, 29, tzinfo=LONDON), "03-29 02:00 +0100"),
    ],
)
def test_it_fires_a_time_that_does_not_exist_once_at_the_first_that_does(
    zone: str, spring: datetime, first: str
) -> None:
    hour = 2 if zone == "America/New_York" else 1
    runs = local(f"30 {hour} * * *", zone, 2, spring)
    assert runs[0] == first
    assert runs[1].startswith(f"{spring + timedelta(days=1):%m-%d} 0{hour}:30")


@pytest.mark.parametrize(
    ("zone", "autumn", "first"),
    [
        ("America/New_York", datetime(2026, 11, 1, tzinfo=NEW_YORK), "11-01 01:30 -0400"),
        ("Europe/London", datetime(2026, 10, 25, tzinfo=LONDON), "10-25 01:30 +0100"),
    ],
)
def test_it_fires_a_repeated_time_once(zone: str, autumn: datetime, first: str) -> None:
    runs = local("30 1 * * *", zone, 2, autumn)
    assert runs[0] == first
    assert runs[1].startswith(f"{autumn + timedelta(days=1):%m-%d} 01:30")


def test_it_goes_on_from_the_second_of_two_equal_wall_times() -> None:
    after = datetime(2026, 11, 1, 1, 40, fold=1, tzinfo=NEW_YORK)
    assert local("45 1 * * *", "America/New_York", 1, after) == ["11-02 01:45 -0500"]


def test_it_fires_once_where_several_times_do_not_exist() -> None:
    runs = local("0,30 2,3 * * *", "America/New_York", 3, datetime(2026, 3, 8, tzinfo=NEW_YORK))
    assert runs == ["03-08 03:00 -0400", "03-08 03:30 -0400", "03-09 02:00 -0400"]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("0 0 31 2 *", "never fires"),
        ("*/90 * * * *", "does not mean every 90: .* at most 59"),
        ("0 */24 * * *", "does not mean every 24"),
        ("60 * * * *", "The minute '60' is not one of 0 to 59"),
        ("0 24 * * *", "The hour '24' is not one of 0 to 23"),
        ("0 0 0 * *", "The day of month '0' is not one of 1 to 31"),
        ("0 0 * 13 *", "The month '13' is not one of 1 to 12 or JAN to DEC"),
        ("0 0 * foo *", "The month 'foo'"),
        ("0 0 * * 8", r"The weekday '8' is not one of .*\(0 and 7 are Sunday\)"),
        ("0 0 * * fri-mon", "runs backwards"),
        ("0 0 lastfoo * *", "The day of month 'lastfoo'"),
        ("0 0 * * lastfoo", "The weekday 'lastfoo'"),
        ("0 0 * * fril", "the last Friday of the month is 5L"),
        ("0 0 * * mon#6", "after # comes 1 to 5"),
        ("1,,2 * * * *", "empty item"),
        ("*/0 * * * *", "not a number above 0"),
        ("*/x * * * *", "not a number above 0"),
        ("- * * * *", "The minute ''"),
        ("٣ * * * *", "The minute"),
        ("0 18 * *", "has 4 fields"),
        ("", "has 0 fields"),
        ("0 0 18 * * *", "has 6 fields.*Seconds are not supported"),
        ("@daily", "write 0 0 [*] [*] [*] instead"),
        ("0 0 * * *" + " " * 100, "at most 100 characters"),
        (5, "is text such as"),
        (None, "is text such as"),
    ],
)
def test_it_refuses_with_a_sentence(expression: object, sentence: str) -> None:
    with pytest.raises(InvalidCron, match=sentence):
        cron.parse(expression)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../../etc/passwd", "localtime", 8, None])
def test_it_refuses_an_unknown_time_zone_with_a_sentence(name: object) -> None:
    with pytest.raises(InvalidCron, match="There is no time zone .*Asia/Shanghai"):
        cron.zone(name)


@pytest.mark.parametrize("seconds", [0, -1, 1.5, "60", True, None, 365 * 24 * 3600 + 1])
def test_it_refuses_an_interval_that_is_no_interval(seconds: object) -> None:
    with pytest.raises(InvalidCron, match="The interval is .* from 1 to 31536000"):
        cron.check_interval(seconds)


@pytest.mark.parametrize(("hour", "minute"), [(24, 0), (-1, 0), (9, 60), ("9", 0), (9, None)])
def test_it_refuses_a_time_of_day_that_is_none(hour: object, minute: object) -> None:
    with pytest.raises(InvalidCron, match="it takes a number from 0 to"):
        cron.from_time(hour, minute)


def test_it_writes_a_time_of_day_as_cron() -> None:
    assert cron.from_time(18, 30) == "30 18 * * *"


@st.composite
def fields(draw: st.DrawFn, low: int, high: int) -> tuple[str, set[int]]:
    kind = draw(st.sampled_from(["star", "value", "range", "list", "step"]))
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    if kind == "star":
        return "*", set(range(low, high + 1))
    if kind == "value":
        return str(first), {first}
    if kind == "range":
        return f"{first}-{last}", set(range(first, last + 1))
    if kind == "list":
        return f"{first},{last}", {first, last}
    step = draw(st.integers(1, high - low))
    return f"*/{step}", set(range(low, high + 1, step))


def can_fire(parts: tuple[tuple[str, set[int]], ...]) -> bool:
    days, months = parts[2][1], parts[3][1]
    return min(days) <= max(29 if month == 2 else 30 + (month in LONG) for month in months)


LONG = {1, 3, 5, 7, 8, 10, 12}
PARTS = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12)).filter(can_fire)
MOMENTS = st.integers(946_684_800, 2_840_140_800).map(lambda at: datetime.fromtimestamp(at, UTC))
Parts = tuple[tuple[str, set[int]], ...]


def expression_of(parts: Parts) -> str:
    return " ".join([*(text for text, _values in parts), "*"])


@given(PARTS, MOMENTS)
def test_every_fire_time_matches_its_expression(parts: Parts, after: datetime) -> None:
    minutes, hours, days, months = (values for _text, values in parts)
    for at in cron.next_runs(expression_of(parts), "Asia/Singapore", 3, after):
        assert (at.minute in minutes, at.hour in hours) == (True, True)
        assert (at.day in days, at.month in months) == (True, True)
        assert at > after


@given(
    PARTS,
    MOMENTS,
    st.sampled_from(["America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Shanghai"]),
)
def test_fire_times_strictly_increase_in_every_time_zone(
    parts: Parts, after: datetime, zone: str
) -> None:
    runs = [after, *cron.next_runs(expression_of(parts), zone, 5, after)]
    assert all(earlier.astimezone(UTC) < later.astimezone(UTC) for earlier, later in pairwise(runs))


@given(PARTS, MOMENTS)
def test_a_fire_time_is_a_slot_and_the_second_after_is_none(parts: Parts, after: datetime) -> None:
    trigger = cron.CronSimTrigger(expression_of(parts))
    slot = trigger.next_slot(after)
    assert slot is not None
    assert trigger.is_slot(slot)
    assert not trigger.is_slot(slot + timedelta(seconds=1))


@given(st.integers(1, 10**7), MOMENTS)
def test_interval_slots_are_the_same_from_wherever_they_are_computed(
    seconds: int, after: datetime
) -> None:
    trigger = cron.IntervalTrigger(seconds)
    early = list(islice(trigger.slots(after), 4))
    assert list(islice(trigger.slots(early[0]), 3)) == early[1:]
    assert all(at.timestamp() % seconds == 0 for at in early)
    assert after < early[0] <= after + timedelta(seconds=seconds)


@given(st.text(max_size=30))
def test_any_text_is_either_fired_or_refused_with_a_sentence(text: str) -> None:
    try:
        runs = cron.next_runs(text, "UTC", 1, MONDAY)
    except InvalidCron as error:
        assert re.search(r"[.]$", str(error))
    else:
        assert len(runs) == 1
