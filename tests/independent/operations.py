"""Marts about the lake itself: runs, the API, the quality of tables. Their truth is what this check ran, and the log."""

import statistics
from collections import defaultdict
from datetime import timedelta

import lake
from days import ZONE
from facts import rate
from registry import mart

STAGES = ("source", "prepare", "clean", "transform", "refine", "analyse")


def table_rows(facts, stage):
    """How many rows each table of a stage holds."""
    return {name: lake.count(facts.lake, f"{stage}.{name}") for name in lake.tables(facts.lake, stage)}


@mart("analyse.operationsHealth", "stage")
def operations_health(facts):
    made = []
    for order, stage in enumerate(STAGES, 1):
        ran = facts.runs[stage]
        # the run that makes the table is not over while it does
        ended = ran if stage != "analyse" else ran[:-1]
        good = [report for report in ended if report["exitCode"] == 0]
        row = {
            "stage": stage,
            "stageOrder": order,
            "runCount": len(ran),
            "endedCount": len(ended),
            "succeededCount": len(good),
            "failedCount": 0,
            "stoppedCount": 0,
            "lostCount": 0,
            "unfinishedCount": len(ran) - len(ended),
            "successRate": rate(len(good), len(ended)),
            "lastRelease": good[-1]["release"] if good else None,
        }
        if stage not in ("source", "analyse"):
            row["rowCount"] = sum(table_rows(facts, stage).values())
        if stage == "source":
            # each run begins with one call that walks no slice: it asks whether it is let in
            row["requestCount"] = facts.requests - len(ran)
            row["skippedSliceCount"] = 0
        made.append(row)
    return made


@mart("analyse.apiHealth", "resource")
def api_health(facts):
    walks = defaultdict(list)
    since = facts.as_of - timedelta(days=facts.number("operationsRecentDays"))
    for row in lake.rows(facts.lake, "log.slice"):
        if since < row["walkedAt"].astimezone(ZONE).date() <= facts.as_of:
            walks[row["resource"]].append(row)
    made = []
    for resource, rows in walks.items():
        outcomes = [row["outcome"] for row in rows]
        asked = [row for row in rows if row["outcome"] not in ("skipped", "gone")]
        requests = sum(row["requestCount"] or 0 for row in asked)
        made.append(
            {
                "resource": resource,
                "walkCount": len(asked),
                "requestCount": requests,
                "rowCount": sum(row["rowCount"] or 0 for row in asked),
                "byteCount": sum(row["byteCount"] or 0 for row in asked),
                "completeCount": outcomes.count("complete"),
                "unchangedCount": outcomes.count("unchanged"),
                "failedCount": outcomes.count("failed"),
                "forbiddenCount": outcomes.count("forbidden"),
                "skippedCount": outcomes.count("skipped"),
                "failureRate": rate(outcomes.count("failed"), len(asked)),
                "forbiddenRate": rate(outcomes.count("forbidden"), len(asked)),
                "requestsPerWalk": rate(requests, len(asked)),
                "meanDurationMs": statistics.mean(row["durationMs"] for row in asked) if asked else None,
            }
        )
    return made


@mart("analyse.dataQuality", "stage", "tableName", "expectation", is_partial=True)
def data_quality(facts):
    made = []
    for stage in STAGES[1:-1]:
        for table, count in table_rows(facts, stage).items():
            aside = f"quarantine.{stage}{table[0].upper()}{table[1:]}"
            gone = lake.count(facts.lake, aside) if lake.exists(facts.lake, aside) else 0
            made.append(
                {
                    "stage": stage,
                    "tableName": table,
                    "expectation": "",
                    "rowCount": count,
                    "quarantinedCount": gone,
                    "quarantineRate": rate(gone, gone + count),
                }
            )
    return made
