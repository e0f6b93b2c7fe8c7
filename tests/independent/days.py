"""Days: what the tenant's clock shows, weekends, holidays, working days."""

import bisect
import csv
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/London")
DAY = timedelta(days=1)


def instant(milliseconds):
    """An instant from milliseconds, in UTC."""
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc) + timedelta(milliseconds=milliseconds % 1000)


def local_day(milliseconds):
    """The day the tenant's clock shows at an instant."""
    return None if milliseconds is None else instant(milliseconds).astimezone(ZONE).date()


def day_id(day):
    """A day as yyyymmdd."""
    return day.year * 10000 + day.month * 100 + day.day


class Calendar:
    """Which days are worked."""

    def __init__(self, path, name):
        with open(path, encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.DictReader(lines) if row["calendarName"] == name]
        self.holidays = {date.fromisoformat(row["date"]) for row in rows}
        self.worked, day = [], date(1990, 1, 1)
        while day < date(2101, 1, 1):
            if self.is_worked(day):
                self.worked.append(day)
            day += DAY

    def is_worked(self, day):
        return day.weekday() < 5 and day not in self.holidays

    def worked_between(self, first, last):
        """How many days are worked from the first to the last, both included; none when they stand the wrong way round."""
        return max(0, bisect.bisect_right(self.worked, last) - bisect.bisect_left(self.worked, first))

    def nth_worked(self, first, number):
        """The day on which the number of days worked since the first, it included, is reached."""
        at = bisect.bisect_left(self.worked, first) + number - 1
        return self.worked[at] if 0 <= at < len(self.worked) else None


def week_start(day):
    """The Monday of a week."""
    return day - timedelta(days=day.weekday())


def whole_months(first, last):
    """Whole months from one day to another."""
    months = (last.year - first.year) * 12 + last.month - first.month
    return months - (1 if last.day < first.day else 0)
