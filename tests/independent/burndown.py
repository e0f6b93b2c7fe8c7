"""The burn-down of a cycle, lived through day by day."""

import math
import re
from collections import defaultdict
from datetime import timedelta

from days import DAY, day_id


def stays(facts, policy_day):
    """Per cycle and test case, the stays of its executions: (in scope from, burned from, gone from), each a day or nothing.

    An execution stays as long as every look finds it; what comes back begins another stay on the day it is found again.
    """
    found = defaultdict(lambda: defaultdict(list))
    ids = {row.id for _, rows in facts.executions_by_look for row in rows}
    by_look = [(day, {row.id: row for row in rows}) for day, rows in facts.executions_by_look]
    for id_ in ids:
        last_seen, returned, was_gone = None, None, False
        for day, rows in by_look:
            row = rows.get(id_)
            if row and last_seen is None and was_gone:
                returned = day
            if last_seen and row is None:
                end = min(day, facts.as_of)
                found[last_seen.cycle][last_seen.testcase].append(stay(last_seen, policy_day, returned, end))
                was_gone, returned = True, None
            last_seen = row
        if last_seen:
            found[last_seen.cycle][last_seen.testcase].append(stay(last_seen, policy_day, returned, None))
    return found


def stay(row, policy_day, returned, gone):
    """When an execution came into scope, was burned and went."""
    came = min(row.scope_day, row.executed_day) if row.executed_day else row.scope_day
    burned = policy_day(row)
    if returned:
        came = returned
        burned = max(burned, returned) if burned else None
    return came, burned, gone


def standing(stays_of, day):
    """The test cases in scope on a day, and those of them that are burned."""
    scope, burned = set(), set()
    for testcase, members in stays_of.items():
        for came, burn, gone in members:
            if gone and gone <= day:
                continue
            if came <= day:
                scope.add(testcase)
            if burn and burn <= day:
                burned.add(testcase)
    return scope, burned


def cycle_days(facts, cycle, stays_of, last_execution):
    """The first and the last day of the calendar of a cycle."""
    overrun = timedelta(days=facts.number("calendarOverrunDays"))
    longest = timedelta(days=facts.number("calendarMaximumDays") - 1)
    activity = [day for members in stays_of.values() for one in members for day in one if day and day <= facts.as_of]
    last = max([day for day in (cycle["start"], cycle["end"], last_execution, *activity) if day])
    return cycle["start"], min(max(last, min(facts.as_of, last + overrun)), cycle["start"] + longest)


def course(facts, cycle, stays_of, first, last):
    """The days of a burn-down as dictionaries, and what is true on the last day that is not in the future."""
    ordered = cycle["end"] is not None and cycle["end"] >= cycle["start"]
    plan_days = facts.calendar.worked_between(cycle["start"], cycle["end"]) if ordered else 0
    plan_days = plan_days or None
    days, day = [], first
    at_start, last_burn, before = 0, None, (set(), set())
    # nothing changes on a day on which nobody comes, goes or is burned
    eventful = {day_ for members in stays_of.values() for one in members for day_ in one if day_}
    while day <= last:
        is_future = day > facts.as_of
        index = facts.calendar.worked_between(first, day)
        row = {
            "date": day,
            "cycleDateKey": day_id(day),
            "cycleStartDate": cycle["start"],
            "dayOfCycle": (day - first).days + 1,
            "workingDayIndex": index,
            "cycleWorkingDays": plan_days,
            "isWorkingDay": facts.calendar.is_worked(day),
            "isWithinCycle": day <= cycle["end"] if ordered else None,
            "isFuture": is_future,
        }
        seen = min(day, facts.as_of)
        if day == first or seen in eventful:
            now = standing(stays_of, seen)
        scope, burned = len(now[0]), len(now[1])
        came, went = (len(now[0] - before[0]), len(before[0] - now[0])) if day != first else (0, 0)
        burned_today = burned - len(before[1])
        before = now
        if day == first:
            at_start = scope
        if burned_today > 0 and not is_future:
            last_burn = (day, index)
        share = max(0.0, (plan_days - index) / plan_days) if plan_days else None
        row["plannedRemaining"] = at_start * share if plan_days else None
        row["plannedAdjusted"] = scope * share if plan_days else None
        names = (
            "inScopeCount", "burnedCount", "remainingCount", "addedCount", "burnedOnDayCount", "remainingPct",
            "plannedDelta", "velocity", "daysBehind", "forecastDate", "burndownHealthScore", "burndownHealthScoreOriginal", "isScopeChange",
        )
        row.update(dict.fromkeys(names))
        if not is_future:
            remaining = scope - burned
            row.update(
                inScopeCount=scope, burnedCount=burned, remainingCount=remaining, addedCount=came,
                burnedOnDayCount=burned_today, isScopeChange=came + went > 0,
                remainingPct=100.0 * remaining / scope if scope else None,
                plannedDelta=remaining - row["plannedRemaining"] if plan_days else None,
            )
            judge(facts, row, first, index, plan_days, scope, burned, last_burn)
        days.append(row | {"removedCount": went if not is_future else None, "scopeAtStartCount": at_start})
        day += DAY
    return days


def judge(facts, row, first, index, plan_days, scope, burned, last_burn):
    """Velocity, days behind, forecast and health of a day that has happened."""
    remaining = scope - burned
    is_done = scope > 0 and remaining == 0
    raced = last_burn[1] if is_done and last_burn else index
    velocity = burned / raced if raced else None
    ideal = scope / plan_days if plan_days else None
    behind = raced - burned * plan_days / scope if plan_days and scope else None
    row["velocity"], row["daysBehind"] = velocity, behind
    if is_done:
        row["forecastDate"] = last_burn[0] if last_burn else None
    elif remaining > 0 and raced and burned:
        # in whole numbers, so that no last digit decides about a day
        left = -(-remaining * raced // burned)
        row["forecastDate"] = forecast(facts, first, index + left)
    if velocity is not None and behind is not None:
        schedule = 100.0 if behind <= 0 else 100.0 - facts.number("healthPointsPerDayBehind") * behind
        row["burndownHealthScoreOriginal"] = (100.0 * min(1.0, velocity) + schedule) / 2
        if ideal:
            row["burndownHealthScore"] = (100.0 * min(1.0, velocity / ideal) + max(0.0, schedule)) / 2


def forecast(facts, first, index):
    """The day on which so many days will have been worked since the first, as far as the lake's calendar reaches."""
    day = facts.calendar.nth_worked(first, index)
    return day if day and day <= facts.last_calendar_day else None


POLICIES = {"executed": lambda row: row.executed_day, "passed": lambda row: row.passed_day}
BY_POLICY = ("burnedCount", "remainingCount", "daysBehind", "forecastDate", "burndownHealthScore")


def both_policies(facts):
    """Per cycle with a start, its days under the policy that is set, and what either policy says of them."""
    courses = all_cycles(facts, POLICIES[facts.controls["burnPolicy"]])
    for policy, burns in POLICIES.items():
        for id_, days in all_cycles(facts, burns).items():
            for day, other in zip(courses[id_], days, strict=True):
                for name in BY_POLICY:
                    stem, unit = re.fullmatch(r"(.*?)(Count)?", name).groups()
                    day[f"{stem}By{policy.capitalize()}{unit or ''}"] = other[name]
                day["burnPolicy"] = facts.controls["burnPolicy"]
    return courses


def all_cycles(facts, burns):
    """Per cycle with a start, its days."""
    stays_of = stays(facts, burns)
    last_execution = defaultdict(lambda: None)
    for row in facts.executions:
        if row.executed_on and row.executed_on <= facts.as_of:
            last_execution[row.cycle] = max(filter(None, (last_execution[row.cycle], row.executed_on)))
    found = {}
    for id_, cycle in facts.cycles.items():
        if cycle["start"]:
            first, last = cycle_days(facts, cycle, stays_of[id_], last_execution[id_])
            found[id_] = course(facts, cycle, stays_of[id_], first, last)
    return found


def today(days, as_of):
    """The last day that has happened, if any has."""
    past = [row for row in days if row["date"] <= as_of]
    return past[-1] if past else None


def ceiling(value):
    return None if value is None else math.ceil(value - 1e-9 if abs(value - round(value)) < 1e-9 else value)
