"""The job in Polars: the lake, the folder the tables go to, threads, memory (it has an option for neither)."""

import pathlib
import sys

import polars as pl

FIRST, LAST = -62135596800000, 253402300799999
# How deep each list lies: those above it make it stale.
LEVELS = {"dimProject": 0, "dimRelease": 1, "dimCycle": 2, "factExecution": 3, "dimExecutionStatus": 0}
EXECUTION = pl.Struct({
    "id": pl.Int64, "status": pl.String, "testerId": pl.Int64, "testerIdName": pl.String, "executedBy": pl.Int64,
    "assignmentDate": pl.String, "lastModifiedOn": pl.Int64, "actualTime": pl.Float64, "estimatedTime": pl.Float64,
    "comment": pl.String, "versionId": pl.String, "orderId": pl.Int64, "attachmentCount": pl.Int64,
    "lastTestResult": pl.Struct({
        "id": pl.Int64, "executionDate": pl.Int64, "execDate": pl.String, "executionStatus": pl.String,
    }),
    "tcrTreeTestcase": pl.Struct({
        "id": pl.Int64, "tcrCatalogTreeId": pl.Int64, "versionNumber": pl.Int64,
        "testcase": pl.Struct({
            "id": pl.Int64, "testcaseId": pl.Int64, "name": pl.String, "description": pl.String,
            "externalId": pl.String,
            "priority": pl.String, "tag": pl.String, "automated": pl.Boolean, "testcaseType": pl.String,
            "versionNumber": pl.Int64, "projectId": pl.Int64, "lastModifiedOn": pl.Int64, "creationDate": pl.Int64,
            "tcCreationDate": pl.String,
        }),
    }),
})


def code(text):
    trimmed = text.str.strip_chars(" ").str.replace(r"[.]0+$", "")
    return pl.when(trimmed != "").then(trimmed)


def filled(text, trimmed_characters=" "):
    trimmed = text.str.strip_chars(trimmed_characters)
    return pl.when(trimmed != "").then(trimmed)


def tidy(text):
    return filled(text.str.replace_all("\u00a0", " ", literal=True), " \t\n\r")


def instant(milliseconds):
    kept = pl.when(milliseconds.is_between(FIRST, LAST)).then(milliseconds * 1000)
    return kept.cast(pl.Datetime("us", "UTC"))


def readable(milliseconds):
    return milliseconds.is_between(FIRST, LAST).fill_null(True)


def local_day(moment):
    return moment.dt.convert_time_zone("Europe/London").dt.date()


def text_day(text):
    # No word says how many digits %m takes, so the form is asked first, as the models do.
    form = text.str.contains(r"^[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}$")
    return pl.when(form).then(text).str.to_date("%m/%d/%Y", strict=False)


def day_id(day):
    return (day.dt.year() * 10000 + day.dt.month().cast(pl.Int32) * 100 + day.dt.day().cast(pl.Int32)).fill_null(-1)


def key(kind, id_column):
    return pl.col(id_column).hash(seed=kind)


PROJECT, RELEASE, CYCLE, PHASE, STATUS, EXECUTION_KEY, TESTCASE, TREE_TESTCASE, TESTER, RECORD = range(10)


def slices(lake):
    structure = pl.Struct({name: pl.Int64 for name in ("projectId", "releaseId", "cycleId", "cyclePhaseId")})
    latest = (
        pl.scan_delta(f"{lake}/Tables/source/slice")
        .filter(pl.col("resource").is_in(list(LEVELS)))
        .sort("release", "runId", descending=True)
        .unique(["resource", "sliceKey"], keep="first", maintain_order=True)
        .select("resource", "sliceKey", "contentRunId", pl.col("status") != "complete", pl.col("sliceKey").alias("ids"))
        .with_columns(pl.col("ids").str.json_decode(structure))
        .unnest("ids")
        .collect()
    )
    incomplete = latest.filter("status")
    level = pl.col("resource").replace_strict(LEVELS, return_dtype=pl.Int8)

    def is_below(resource, ids):
        causes = incomplete.filter(pl.col("resource") == resource).select(*ids).to_struct()
        return (level > LEVELS[resource]) & pl.struct(*ids).is_in(causes.implode())

    any_project = pl.lit("dimProject" in incomplete["resource"]) & (level > 0)
    return latest.with_columns(
        isStale=pl.col("status")
        | any_project
        | is_below("dimRelease", ["projectId"])
        | is_below("dimCycle", ["projectId", "releaseId"])
    )


def current(lake, slice_table, resource, structure):
    mine = slice_table.lazy().filter(pl.col("resource") == resource).select(
        "sliceKey", pl.col("contentRunId").alias("runId"), "projectId", "releaseId", "cycleId", "cyclePhaseId",
        "isStale"
    )
    return (
        pl.scan_delta(f"{lake}/Tables/source/{resource}")
        .join(mine, on=["sliceKey", "runId"])
        .with_columns(p=pl.col("payload").str.json_decode(structure))
    )


def agreed(row, field):
    """Whether the instants of a start and an end name the same local days as the texts beside them."""
    tests = []
    for edge in ("Start", "End"):
        text = tidy(row.field(f"{field}{edge}Date"))
        day = local_day(instant(row.field(f"{edge.lower()}Date")))
        tests.append(text.is_null() | (text_day(text).is_not_null() & (day == text_day(text)).fill_null(True)))
    return pl.all_horizontal(tests)


def newest(rows, id_column, field, row="p"):
    # The newest is chosen first and then judged: an older one does not take the place of a newest that is wrong.
    return (
        rows.filter(pl.col(id_column).is_not_null())
        .sort("isStale", "extractedAt", "page", "ordinal", descending=[False, True, False, False])
        .unique(id_column, keep="first", maintain_order=True)
        .filter(agreed(pl.col(row).struct, field))
    )


def dimensions(lake, slice_table):
    def field(name):
        return pl.col("p").struct.field(name)

    def named(label, id_column, name):
        return pl.coalesce(tidy(name), pl.concat_str(pl.lit(f"{label} "), id_column))

    def dated(field):
        return {
            "id": pl.Int64, "name": pl.String, "startDate": pl.Int64, f"{field}StartDate": pl.String,
            "endDate": pl.Int64, f"{field}EndDate": pl.String,
        }

    project = newest(
        current(lake, slice_table, "dimProject", pl.Struct(dated("project")))
        .drop("projectId")
        .with_columns(projectId=field("id")), "projectId", "project",
    ).select(
        "projectId", key(PROJECT, "projectId").alias("projectKey"),
        projectName=named("Project", "projectId", field("name")),
    )
    release = newest(
        current(lake, slice_table, "dimRelease", pl.Struct({**dated("release"), "projectRelease": pl.Boolean}))
        .filter(~field("projectRelease").fill_null(False))
        .with_columns(releaseId=field("id")), "releaseId", "release",
    ).select(
        "releaseId", "projectId", key(RELEASE, "releaseId").alias("releaseKey"),
        releaseName=named("Release", "releaseId", field("name")),
    ).join(project, on="projectId")
    rows = current(
        lake, slice_table, "dimCycle", pl.Struct({**dated("cycle"), "cyclePhases": pl.List(pl.Struct(dated("phase")))})
    ).with_columns(cycleId=field("id"))
    cycle = newest(rows, "cycleId", "cycle").select(
        "cycleId", "releaseId", "projectId", key(CYCLE, "cycleId").alias("cycleKey"),
        cycleName=named("Cycle", "cycleId", field("name")),
    ).join(release, on=["releaseId", "projectId"])
    phases = (
        rows.with_columns(phase=field("cyclePhases")).explode("phase")
        .with_columns(
            cyclePhaseId=pl.col("phase").struct.field("id"), phaseName=pl.col("phase").struct.field("name")
        )
    )
    phase = newest(phases, "cyclePhaseId", "phase", "phase").select(
        "cyclePhaseId", "cycleId", "releaseId", "projectId", key(PHASE, "cyclePhaseId").alias("cyclePhaseKey"),
        cyclePhaseName=named("Phase", "cyclePhaseId", pl.col("phaseName")),
    ).join(cycle, on=["cycleId", "releaseId", "projectId"])
    entries = pl.List(pl.Struct({"id": pl.String}))
    listed = (
        current(lake, slice_table, "dimExecutionStatus", pl.Struct({"value": pl.String, "defaultValue": pl.String}))
        .select(item=pl.coalesce(filled(field("value")), field("defaultValue")).str.json_decode(entries))
        .explode("item")
        .select(statusCode=code(pl.col("item").struct.field("id")))
        .unique()
    )
    fixed = pl.LazyFrame({
        "statusCode": ["1", "2", "3", "4", "0", "10", "absent"],
        "category": ["Success", "Failure", "Pending", "Blocked", "Pending", "Pending", "Pending"],
    })
    always = fixed.filter(pl.col("statusCode").is_in(["0", "10", "absent"])).select("statusCode")
    status = (
        pl.concat([listed, always]).unique().drop_nulls().join(fixed, on="statusCode", how="left")
        .select(
            "statusCode", key(STATUS, "statusCode").alias("executionStatusKey"),
            statusCategory=pl.col("category").fill_null("Other"),
        )
    )
    return pl.collect_all([project, release, cycle, phase, status])


def prepared(lake, slice_table):
    p, r = pl.col("p").struct, pl.col("r").struct
    t, c = pl.col("t").struct, pl.col("c").struct
    is_instant = pl.col("assignment").str.contains(r"^-?[0-9]+$")
    return (
        current(lake, slice_table, "factExecution", EXECUTION)
        .with_columns(r=p.field("lastTestResult"), t=p.field("tcrTreeTestcase"), assignment=p.field("assignmentDate"))
        .with_columns(
            c=t.field("testcase"), rowStatusCode=code(p.field("status")),
            resultStatusCode=code(r.field("executionStatus")),
            assignmentInstant=pl.when(is_instant).then("assignment").cast(pl.Int64, strict=False),
            assignmentText=pl.when(~is_instant).then("assignment"),
        )
        .filter(
            p.field("id").is_not_null(), readable(pl.col("assignmentInstant")), readable(r.field("executionDate")),
            readable(p.field("lastModifiedOn")),
        )
        .select(
            pl.struct("sliceKey", "runId", "page", "ordinal").hash(seed=RECORD).alias("recordKey"),
            p.field("id").alias("executionId"), "projectId", "releaseId", "cycleId", "cyclePhaseId",
            c.field("testcaseId").alias("testcaseId"), c.field("id").alias("testcaseVersionId"),
            t.field("id").alias("treeTestcaseId"), t.field("tcrCatalogTreeId").alias("tcrCatalogTreeId"),
            p.field("testerId").alias("testerId"), p.field("executedBy").alias("executedById"),
            r.field("id").alias("lastResultId"), c.field("projectId").alias("testcaseProjectId"),
            "sliceKey", "runId", "recordId", p.field("testerIdName").alias("testerName"),
            pl.coalesce("resultStatusCode", "rowStatusCode", pl.lit("absent")).alias("statusCode"),
            "rowStatusCode", "resultStatusCode", p.field("versionId").alias("versionId"),
            p.field("comment").alias("comment"),
            c.field("externalId").alias("testcaseExternalId"), c.field("name").alias("testcaseName"),
            c.field("description").alias("testcaseDescription"), c.field("priority").alias("testcasePriority"),
            c.field("tag").alias("testcaseTag"), c.field("testcaseType").alias("testcaseType"),
            pl.coalesce(c.field("versionNumber"), t.field("versionNumber")).alias("testcaseVersionNumber"),
            instant(pl.col("assignmentInstant")).alias("assignmentDateTime"),
            filled(pl.col("assignmentText")).alias("assignmentDateText"),
            instant(r.field("executionDate")).alias("resultDateTime"), r.field("execDate").alias("resultDateText"),
            instant(p.field("lastModifiedOn")).alias("lastModifiedDateTime"),
            instant(c.field("creationDate")).alias("testcaseCreatedDateTime"),
            c.field("tcCreationDate").alias("testcaseCreatedDateText"),
            instant(c.field("lastModifiedOn")).alias("testcaseLastModifiedDateTime"),
            "extractedAt", p.field("orderId").alias("executionOrder"),
            p.field("actualTime").round().cast(pl.Int64, strict=False).alias("actualTimeMs"),
            p.field("estimatedTime").round().cast(pl.Int64, strict=False).alias("estimatedTimeMs"),
            p.field("attachmentCount").alias("attachmentCount"), c.field("automated").alias("isTestcaseAutomated"),
            "isStale",
        )
    )


def clean(execution, phase, status):
    repeated = execution.group_by("executionId").len().filter(pl.col("len") > 1).select("executionId")
    numbered = (
        execution.select("executionId", "recordKey", "isStale", "lastModifiedDateTime", "extractedAt")
        .join(repeated, on="executionId", how="semi")
        .sort(
            "isStale", "lastModifiedDateTime", "extractedAt", "recordKey",
            descending=[False, True, True, False], nulls_last=True,
        )
        .select("recordKey", (pl.int_range(pl.len()).over("executionId") + 1).cast(pl.Int32).alias("duplicateNumber"))
    )
    is_run = ~pl.col("statusCode").is_in(["absent", "0", "10"])
    known = phase.lazy().select("cyclePhaseId", "cycleId", "releaseId", "projectId", isCyclePhaseKnown=pl.lit(True))
    return (
        execution
        .join(numbered, on="recordKey", how="left")
        .join(known, on=["cyclePhaseId", "cycleId", "releaseId", "projectId"], how="left")
        .join(status.lazy().select("statusCode", "statusCategory"), on="statusCode", how="left")
        .with_columns(
            pl.col("duplicateNumber").fill_null(1), pl.col("isCyclePhaseKnown").fill_null(False),
            executionDateSource=pl.when(pl.col("resultDateTime").is_not_null()).then(pl.lit("lastTestResult"))
            .when(is_run & pl.col("lastModifiedDateTime").is_not_null()).then(pl.lit("lastModifiedOn")),
            executionDateTime=pl.when(pl.col("resultDateTime").is_not_null()).then("resultDateTime")
            .when(is_run).then("lastModifiedDateTime"),
            resultText=filled(pl.col("resultDateText")),
            assignmentTextDate=pl.coalesce(
                text_day(pl.col("assignmentDateText")),
                pl.col("assignmentDateText").str.to_date("%Y-%m-%d", strict=False),
            ),
        )
        .with_columns(resultTextDate=text_day(pl.col("resultText")))
        .with_columns(
            isResultDateAgreed=(local_day(pl.col("resultDateTime")) == pl.col("resultTextDate")).fill_null(True)
        )
        .filter(
            pl.col("duplicateNumber") == 1, "isCyclePhaseKnown", pl.col("statusCategory").is_not_null(),
            pl.col("testcaseId").is_not_null() | pl.col("treeTestcaseId").is_not_null(), "isResultDateAgreed",
        )
        .select(
            "recordKey", "executionId", "projectId", "releaseId", "cycleId", "cyclePhaseId", "testcaseId",
            "testcaseVersionId", "treeTestcaseId", "tcrCatalogTreeId", "testerId", "executedById", "statusCode",
            "statusCategory", "rowStatusCode", "resultStatusCode", "executionDateSource",
            tidy(pl.col("comment")).alias("commentText"),
            pl.coalesce(local_day(pl.col("assignmentDateTime")), "assignmentTextDate").alias("assignmentDate"),
            local_day(pl.col("executionDateTime")).alias("executionDate"), "executionDateTime",
            pl.col("resultText").alias("resultDateText"),
            local_day(pl.col("lastModifiedDateTime")).alias("lastModifiedDate"), "lastModifiedDateTime",
            "executionOrder",
            pl.col("actualTimeMs").alias("durationMs"), pl.col("estimatedTimeMs").alias("estimatedMs"),
            "attachmentCount",
            "duplicateNumber", "isStale", "isCyclePhaseKnown",
            (pl.col("assignmentDateText").is_null() | pl.col("assignmentTextDate").is_not_null())
            .alias("isAssignmentDateReadable"),
            (pl.col("resultText").is_null() | pl.col("resultTextDate").is_not_null()).alias("isResultDateReadable"),
            "isResultDateAgreed",
        )
    )


def star(execution, phase, status):
    phase_keys = phase.lazy().select("cyclePhaseId", "cyclePhaseKey", "cycleKey", "releaseKey", "projectKey")
    return (
        execution.join(phase_keys, on="cyclePhaseId")
        .join(status.lazy().select("statusCode", "executionStatusKey"), on="statusCode")
        .select(
            key(EXECUTION_KEY, "executionId").alias("executionKey"),
            "projectKey", "releaseKey", "cycleKey", "cyclePhaseKey",
            pl.when(pl.col("testcaseId").is_not_null()).then(key(TESTCASE, "testcaseId"))
            .when(pl.col("treeTestcaseId").is_not_null()).then(key(TREE_TESTCASE, "treeTestcaseId"))
            .alias("testcaseKey"),
            pl.when(pl.col("testerId").is_not_null()).then(key(TESTER, "testerId")).alias("testerKey"),
            pl.when(pl.col("executedById").is_not_null()).then(key(TESTER, "executedById")).alias("executedByKey"),
            "executionStatusKey", day_id(pl.col("executionDate")).alias("executionDateId"),
            day_id(pl.col("assignmentDate")).alias("assignmentDateId"),
            "executionId", "projectId", "releaseId", "cycleId", "cyclePhaseId", "testcaseId", "testcaseVersionId",
            "treeTestcaseId", "tcrCatalogTreeId", "testerId", "executedById", "statusCode", "executionDateSource",
            "assignmentDate", "executionDate", "executionDateTime", "lastModifiedDate", "lastModifiedDateTime",
            "executionOrder", "durationMs", "estimatedMs",
            pl.col("commentText").str.len_chars().fill_null(0).cast(pl.Int32).alias("commentLength"),
            "attachmentCount", "isStale",
        )
    )


def pass_rate(execution, project, release, cycle, phase, status):
    categories = {
        "passed": "Success", "failed": "Failure", "blocked": "Blocked", "pending": "Pending", "other": "Other",
    }
    keys = {
        "project": ("projectKey", project), "release": ("releaseKey", release),
        "cycle": ("cycleKey", cycle), "phase": ("cyclePhaseKey", phase),
    }
    counts = (
        execution.join(status.lazy().select("executionStatusKey", "statusCategory"), on="executionStatusKey")
        .group_by(name for name, _ in keys.values())
        .agg(
            pl.len().cast(pl.Int64).alias("executionCount"),
            *((pl.col("statusCategory") == wanted).sum().cast(pl.Int64).alias(f"{name}Count")
              for name, wanted in categories.items()),
        )
        .collect(engine="streaming")
    )
    figures = ["executionCount", *(f"{name}Count" for name in categories)]
    whole = counts.select(pl.col(figures).sum()).with_columns(level=pl.lit("all"), levelKey=pl.lit(0, dtype=pl.UInt64))
    parts = [whole]
    for level, (level_key, places) in keys.items():
        counted = counts.group_by(level_key).agg(pl.col(figures).sum())
        parts.append(
            places.join(counted, on=level_key, how="left")
            .with_columns(pl.col(figures).fill_null(0), level=pl.lit(level), levelKey=pl.col(level_key))
            .drop(name for name, _ in keys.values() if name in places.columns)
        )
    executed = pl.col("passedCount") + pl.col("failedCount") + pl.col("blockedCount")

    def share(count, total):
        return pl.when(pl.col(total) > 0).then(pl.col(count) / pl.col(total))

    return (
        pl.concat(parts, how="diagonal").with_columns(executedCount=executed)
        .with_columns(
            passRate=share("passedCount", "executedCount"), passRateOfTotal=share("passedCount", "executionCount"),
            failRate=share("failedCount", "executedCount"), blockRate=share("blockedCount", "executedCount"),
            executionRate=share("executedCount", "executionCount"),
        )
    )


def main():
    lake, out = sys.argv[1], pathlib.Path(sys.argv[2])
    slice_table = slices(lake)
    project, release, cycle, phase, status = dimensions(lake, slice_table)

    def written(name, rows):
        rows.sink_parquet(out / f"{name}.parquet", compression="zstd", engine="streaming")
        return pl.scan_parquet(out / f"{name}.parquet")

    execution = written("preparedExecution", prepared(lake, slice_table))
    execution = written("cleanExecution", clean(execution, phase, status))
    execution = written("starExecution", star(execution, phase, status))
    mart = pass_rate(execution, project, release, cycle, phase, status)
    mart.write_parquet(out / "passRate.parquet", compression="zstd")


if __name__ == "__main__":
    main()
