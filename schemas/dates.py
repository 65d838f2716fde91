"""Calendar dates as people write them, in English or in digits."""

import re
from datetime import date

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july", "aug august",
            "sep sept september", "oct october", "nov november", "dec december",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_WEEKDAY = r"(?:(?:mon|tue|tues|wed|thu|thur|thurs|fri|sat|sun)(?:day|nesday|sday|rsday|urday)?,? )?"
_TIME = r"(?:(?:t|,? )[0-9]{1,2}:[0-9]{2}[0-9:.,+ zapmutcg-]{0,24})?"
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})" + _TIME)
_YEAR_LAST = re.compile(_WEEKDAY + r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})" + _TIME)
_DAY_MONTH = re.compile(_WEEKDAY + r"([0-9]{1,2})(?:st|nd|rd|th)?(?: of)?[ -]([a-z]{3,9})\.?,?[ -]([0-9]{4})" + _TIME)
_MONTH_DAY = re.compile(_WEEKDAY + r"([a-z]{3,9})\.? ([0-9]{1,2})(?:st|nd|rd|th)?,? ([0-9]{4})" + _TIME)


def iso_date(written: str) -> str | None:
    """Return the date as ISO 8601 (`2016-11-15`), or None if this is no date or may be more than one.

    `15/11/2016` is one date and `05/06/2016` is two, so the second is unknown; with points (`05.06.2016`) the day is first,
    since nobody writes the month first with points. Years have four digits: a century is not guessed. A time of day is left
    out. `written` is after NFKC.
    """
    text = " ".join(written.lower().split())
    if found := _YEAR_FIRST.fullmatch(text):
        return _date(found[1], found[3], found[4])
    if found := _YEAR_LAST.fullmatch(text):
        first, separator, second, year = found.groups()
        if separator == ".":
            return _date(year, second, first)
        readings = {_date(year, second, first), _date(year, first, second)} - {None}
        return readings.pop() if len(readings) == 1 else None
    if found := _DAY_MONTH.fullmatch(text):
        return _date(found[3], _MONTHS.get(found[2]), found[1])
    if found := _MONTH_DAY.fullmatch(text):
        return _date(found[3], _MONTHS.get(found[1]), found[2])
    return None


def _date(year: str, month: str | int | None, day: str) -> str | None:
    if month is None:
        return None
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
