"""The job in PySpark. Arguments: the lake, the folder the tables go to, threads, memory of the JVM in MiB."""

import sys

from pyspark.sql import SparkSession

from source import data_files

TRIMMED = "nullif(btrim(replace({}, chr(160), ' '), ' \\t\\n\\r'), '')"
INSTANT = "case when {0} between -62135596800000 and 253402300799999 then timestamp_millis({0}) end"
UNREADABLE = "coalesce({} not between -62135596800000 and 253402300799999, false)"
CODE = "nullif(regexp_replace(trim({}), '[.]0+$', ''), '')"
LOCAL_DAY = "cast(from_utc_timestamp({}, 'Europe/London') as date)"
TEXT_DAY = (
    "case when {0} rlike '^[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}$'"
    " then cast(try_to_timestamp({0}, 'M/d/yyyy') as date) end"
)
EXECUTION = """
    id bigint, status string, testerId bigint, testerIdName string, executedBy bigint, assignmentDate string,
    lastModifiedOn bigint, actualTime double, estimatedTime double, comment string, versionId string, orderId bigint,
    attachmentCount bigint, lastTestResult struct<id:bigint, executionDate:bigint, execDate:string,
      executionStatus:string>,
    tcrTreeTestcase struct<id:bigint, tcrCatalogTreeId:bigint, versionNumber:bigint, testcase:struct<id:bigint,
    testcaseId:bigint, name:string, description:string, externalId:string, priority:string, tag:string,
      automated:boolean,
    testcaseType:string, versionNumber:bigint, projectId:bigint, lastModifiedOn:bigint, creationDate:bigint,
    tcCreationDate:string>>
"""


def agreed(row, field):
    """Whether the instants of a start and an end name the same local days as the texts beside them."""
    tests = []
    for edge in ("Start", "End"):
        text = TRIMMED.format(f"{row}.{field}{edge}Date")
        day = LOCAL_DAY.format(INSTANT.format(f"{row}.{edge.lower()}Date"))
        tests.append(
            f"case when {text} is null then true when {TEXT_DAY.format(text)} is null then false"
            f" else coalesce({day} = {TEXT_DAY.format(text)}, true) end"
        )
    return " and ".join(tests)


def main():
    lake, out, threads, memory = sys.argv[1:]
    spark = (
        SparkSession.builder.master(f"local[{threads}]")
        .config("spark.driver.memory", f"{memory}m")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.local.dir", f"{out}/spill")
        .config("spark.sql.warehouse.dir", f"{out}/warehouse")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", threads)
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    for table in ("slice", "factExecution", "dimProject", "dimRelease", "dimCycle", "dimExecutionStatus"):
        spark.read.parquet(*data_files(lake, table)).createOrReplaceTempView(f"landed_{table}")

    def table(name, query):
        # Small ones are brought to the driver: broadcast wherever they are joined, and never planned again.
        spark.createDataFrame(spark.sql(query).toArrow()).createOrReplaceTempView(name)

    def written(name, query):
        path = f"{out}/{name}.parquet"
        spark.sql(query).write.parquet(path)
        spark.read.parquet(path).createOrReplaceTempView(name)

    table("latest", """
        select resource, sliceKey, contentRunId, status <> 'complete' as isIncomplete, ids.*
        from (
          select *, row_number() over (partition by resource, sliceKey order by release desc, runId desc) as recency,
            from_json(sliceKey, 'projectId bigint, releaseId bigint, cycleId bigint, cyclePhaseId bigint') as ids
          from landed_slice
          where resource in ('dimProject', 'dimRelease', 'dimCycle', 'factExecution', 'dimExecutionStatus')
        )
        where recency = 1
    """)
    table("slice", """
        with incomplete as (select distinct resource, projectId, releaseId from latest where isIncomplete)
        select l.resource, l.sliceKey, l.contentRunId, l.projectId, l.releaseId, l.cycleId, l.cyclePhaseId,
          l.isIncomplete or p.resource is not null or r.resource is not null or c.resource is not null as isStale
        from latest l
        left join incomplete p on p.resource = 'dimProject' and l.resource not in ('dimProject', 'dimExecutionStatus')
        left join incomplete r
          on r.resource = 'dimRelease' and l.resource in ('dimCycle', 'factExecution') and r.projectId = l.projectId
        left join incomplete c
          on c.resource = 'dimCycle' and l.resource = 'factExecution' and c.projectId = l.projectId
          and c.releaseId = l.releaseId
    """)

    def current(resource, structure):
        return f"""
            select s.projectId, s.releaseId, s.cycleId, s.cyclePhaseId, s.isStale, l.*,
              from_json(l.payload, '{' '.join(structure.split())}') as p
            from landed_{resource} l
            join slice s on s.resource = '{resource}' and l.sliceKey = s.sliceKey and l.runId = s.contentRunId
        """

    def newest(key, rows):
        return f"""
            (select * from (select *, row_number() over (
               partition by {key} order by isStale, extractedAt desc, page, ordinal) as recency from {rows})
             where recency = 1 and {key} is not null)
        """

    named = "id bigint, name string"

    def dated(field):
        return f"startDate bigint, {field}StartDate string, endDate bigint, {field}EndDate string"

    projects = f"({current('dimProject', named + ', ' + dated('project'))})"
    table("dimProject", f"""
        select p.id as projectId, xxhash64('zephyr', 'project', p.id) as projectKey,
          coalesce({TRIMMED.format('p.name')}, concat('Project ', p.id)) as projectName
        from {newest('p.id', projects)} where {agreed('p', 'project')}
    """)
    releases = f"({current('dimRelease', named + ', projectRelease boolean, ' + dated('release'))})"
    table("dimRelease", f"""
        select r.*, projectKey, projectName from (
          select p.id as releaseId, xxhash64('zephyr', 'release', p.id) as releaseKey, projectId,
            coalesce({TRIMMED.format('p.name')}, concat('Release ', p.id)) as releaseName
          from {newest('p.id', releases)} where not coalesce(p.projectRelease, false) and {agreed('p', 'release')}
        ) r join dimProject using (projectId)
    """)
    in_phase = "id:bigint, name:string, startDate:bigint, phaseStartDate:string, endDate:bigint, phaseEndDate:string"
    table("cycleRow", current("dimCycle", f"{named}, {dated('cycle')}, cyclePhases array<struct<{in_phase}>>"))
    table("dimCycle", f"""
        select c.*, releaseKey, releaseName, projectKey, projectName from (
          select p.id as cycleId, xxhash64('zephyr', 'cycle', p.id) as cycleKey, releaseId, projectId,
            coalesce({TRIMMED.format('p.name')}, concat('Cycle ', p.id)) as cycleName
          from {newest('p.id', 'cycleRow')} where {agreed('p', 'cycle')}
        ) c join dimRelease using (releaseId, projectId)
    """)
    phases = """(select p.id as cycleId, releaseId, projectId, isStale, extractedAt, page, ordinal,
                   explode(p.cyclePhases) as phase from cycleRow)"""
    table("dimCyclePhase", f"""
        select f.*, cycleKey, cycleName, releaseKey, releaseName, projectKey, projectName from (
          select phase.id as cyclePhaseId, xxhash64('zephyr', 'cyclePhase', phase.id) as cyclePhaseKey, cycleId,
            releaseId,
            projectId, coalesce({TRIMMED.format('phase.name')}, concat('Phase ', phase.id)) as cyclePhaseName
          from {newest('phase.id', phases)} where {agreed('phase', 'phase')}
        ) f join dimCycle using (cycleId, releaseId, projectId)
    """)
    table("dimExecutionStatus", f"""
        with listed as (
          select distinct {CODE.format('item.id')} as statusCode
          from (select explode(from_json(coalesce(nullif(trim(p.value), ''), p.defaultValue),
            'array<struct<id:string>>'))
                  as item
                from ({current('dimExecutionStatus', 'value string, defaultValue string')}))
        ),
        fixed(statusCode, category) as (
          values ('1', 'Success'), ('2', 'Failure'), ('3', 'Pending'), ('4', 'Blocked'), ('0', 'Pending'), ('10',
            'Pending'),
            ('absent', 'Pending')
        )
        select coalesce(l.statusCode, f.statusCode) as statusCode, coalesce(f.category, 'Other') as statusCategory,
          xxhash64('zephyr', 'executionStatus', coalesce(l.statusCode, f.statusCode)) as executionStatusKey
        from listed l full join fixed f on l.statusCode = f.statusCode
        where l.statusCode is not null or f.statusCode in ('0', '10', 'absent')
    """)

    written("preparedExecution", f"""
        with parsed as ({current('factExecution', EXECUTION)}),
        coded as (
          select *, p.lastTestResult as r, p.tcrTreeTestcase as t, p.tcrTreeTestcase.testcase as c,
            {CODE.format('p.status')} as rowStatusCode,
            {CODE.format('p.lastTestResult.executionStatus')} as resultStatusCode,
            case when p.assignmentDate rlike '^-?[0-9]+$' then try_cast(p.assignmentDate as bigint) end
              as assignmentInstant,
            case when not p.assignmentDate rlike '^-?[0-9]+$' then p.assignmentDate end as assignmentText
          from parsed
        )
        select xxhash64('factExecution', sliceKey, runId, page, ordinal) as recordKey, p.id as executionId, projectId,
          releaseId, cycleId, cyclePhaseId, c.testcaseId as testcaseId, c.id as testcaseVersionId, t.id
            as treeTestcaseId,
          t.tcrCatalogTreeId as tcrCatalogTreeId, p.testerId as testerId, p.executedBy as executedById, r.id
            as lastResultId,
          c.projectId as testcaseProjectId, sliceKey, runId, recordId, p.testerIdName as testerName,
          coalesce(resultStatusCode, rowStatusCode, 'absent') as statusCode, rowStatusCode, resultStatusCode,
          p.versionId as versionId, p.comment as comment, c.externalId as testcaseExternalId, c.name as testcaseName,
          c.description as testcaseDescription, c.priority as testcasePriority, c.tag as testcaseTag,
          c.testcaseType as testcaseType, coalesce(c.versionNumber, t.versionNumber) as testcaseVersionNumber,
          {INSTANT.format('assignmentInstant')} as assignmentDateTime,
          nullif(trim(assignmentText), '') as assignmentDateText,
          {INSTANT.format('r.executionDate')} as resultDateTime, r.execDate as resultDateText,
          {INSTANT.format('p.lastModifiedOn')} as lastModifiedDateTime,
          {INSTANT.format('c.creationDate')} as testcaseCreatedDateTime, c.tcCreationDate as testcaseCreatedDateText,
          {INSTANT.format('c.lastModifiedOn')} as testcaseLastModifiedDateTime, extractedAt, p.orderId
            as executionOrder,
          try_cast(round(p.actualTime) as bigint) as actualTimeMs,
          try_cast(round(p.estimatedTime) as bigint) as estimatedTimeMs,
          p.attachmentCount as attachmentCount, c.automated as isTestcaseAutomated, isStale
        from coded
        where p.id is not null and not {UNREADABLE.format('assignmentInstant')}
          and not {UNREADABLE.format('r.executionDate')} and not {UNREADABLE.format('p.lastModifiedOn')}
    """)

    written("cleanExecution", f"""
        with repeatedId as (select executionId from preparedExecution group by executionId having count(*) > 1),
        repeated as (
          select recordKey, row_number() over (
            partition by executionId order by isStale, lastModifiedDateTime desc nulls last,
              extractedAt desc nulls last,
              recordKey
          ) as duplicateNumber
          from preparedExecution left semi join repeatedId using (executionId)
        ),
        joined as (
          select e.*, s.statusCategory, coalesce(d.duplicateNumber, 1) as duplicateNumber,
            f.cyclePhaseId is not null as isCyclePhaseKnown,
            case when resultDateTime is not null then 'lastTestResult'
              when e.statusCode not in ('absent', '0', '10') and lastModifiedDateTime is not null then 'lastModifiedOn'
            end as executionDateSource,
            case when resultDateTime is not null then resultDateTime
              when e.statusCode not in ('absent', '0', '10') then lastModifiedDateTime end as executionDateTime,
            nullif(trim(resultDateText), '') as resultText
          from preparedExecution e
          left join repeated d on e.recordKey = d.recordKey
          left join dimCyclePhase f on e.cyclePhaseId = f.cyclePhaseId and e.cycleId = f.cycleId
            and e.releaseId = f.releaseId and e.projectId = f.projectId
          left join dimExecutionStatus s on e.statusCode = s.statusCode
        ),
        dated as (
          select *, {LOCAL_DAY.format('assignmentDateTime')} as assignmentLocalDate,
            {LOCAL_DAY.format('executionDateTime')} as executionDate,
            {LOCAL_DAY.format('resultDateTime')} as resultLocalDate,
            {LOCAL_DAY.format('lastModifiedDateTime')} as lastModifiedDate,
            coalesce({TEXT_DAY.format('assignmentDateText')}, try_cast(assignmentDateText as date))
              as assignmentTextDate,
            {TEXT_DAY.format('resultText')} as resultTextDate
          from joined
        )
        select recordKey, executionId, projectId, releaseId, cycleId, cyclePhaseId, testcaseId, testcaseVersionId,
          treeTestcaseId, tcrCatalogTreeId, testerId, executedById, statusCode, statusCategory, rowStatusCode,
          resultStatusCode, executionDateSource, {TRIMMED.format('comment')} as commentText,
          coalesce(assignmentLocalDate, assignmentTextDate) as assignmentDate, executionDate, executionDateTime,
          resultText as resultDateText, lastModifiedDate, lastModifiedDateTime, executionOrder, actualTimeMs
            as durationMs,
          estimatedTimeMs as estimatedMs, attachmentCount, duplicateNumber, isStale, isCyclePhaseKnown,
          assignmentDateText is null or assignmentTextDate is not null as isAssignmentDateReadable,
          resultText is null or resultTextDate is not null as isResultDateReadable,
          coalesce(resultLocalDate = resultTextDate, true) as isResultDateAgreed
        from dated
        where duplicateNumber = 1 and isCyclePhaseKnown and statusCategory is not null
          and (testcaseId is not null or treeTestcaseId is not null) and coalesce(resultLocalDate = resultTextDate,
            true)
    """)

    written("starExecution", """
        select xxhash64('zephyr', 'execution', executionId) as executionKey, projectKey, releaseKey, cycleKey,
          cyclePhaseKey,
          case when testcaseId is not null then xxhash64('zephyr', 'testcase', testcaseId)
            when treeTestcaseId is not null then xxhash64('zephyr', 'treeTestcase', treeTestcaseId) else -1 end
              as testcaseKey,
          case when testerId is null then -1 else xxhash64('zephyr', 'tester', testerId) end as testerKey,
          case when executedById is null then -1 else xxhash64('zephyr', 'tester', executedById) end as executedByKey,
          executionStatusKey,
          coalesce(year(executionDate) * 10000 + month(executionDate) * 100 + day(executionDate), -1)
            as executionDateId,
          coalesce(year(assignmentDate) * 10000 + month(assignmentDate) * 100 + day(assignmentDate), -1)
            as assignmentDateId,
          executionId, e.projectId, e.releaseId, e.cycleId, cyclePhaseId, testcaseId, testcaseVersionId, treeTestcaseId,
          tcrCatalogTreeId, testerId, executedById, statusCode, executionDateSource, assignmentDate, executionDate,
          executionDateTime, lastModifiedDate, lastModifiedDateTime, executionOrder, durationMs, estimatedMs,
          coalesce(length(commentText), 0) as commentLength, attachmentCount, isStale
        from cleanExecution e
        join dimCyclePhase using (cyclePhaseId)
        join dimExecutionStatus using (statusCode)
    """)

    written("passRate", """
        with place as (
          select 'all' as level, 0L as levelKey, cast(null as bigint) as projectId, cast(null as bigint) as releaseId,
            cast(null as bigint) as cycleId, cast(null as bigint) as cyclePhaseId, cast(null as string) as projectName,
            cast(null as string) as releaseName, cast(null as string) as cycleName, cast(null as string)
              as cyclePhaseName
          union all select 'project', projectKey, projectId, null, null, null, projectName, null, null,
            null from dimProject
          union all select 'release', releaseKey, projectId, releaseId, null, null, projectName, releaseName, null, null
            from dimRelease
          union all select 'cycle', cycleKey, projectId, releaseId, cycleId, null, projectName, releaseName, cycleName,
            null
            from dimCycle
          union all select 'phase', cyclePhaseKey, projectId, releaseId, cycleId, cyclePhaseId, projectName,
            releaseName,
            cycleName, cyclePhaseName from dimCyclePhase
        ),
        counted as (
          select coalesce(cyclePhaseKey, cycleKey, releaseKey, projectKey, 0) as levelKey,
            case grouping_id(projectKey, releaseKey, cycleKey, cyclePhaseKey)
              when 15 then 'all' when 7 then 'project' when 11 then 'release' when 13 then 'cycle' else 'phase' end
                as level,
            count(*) as executionCount, count_if(statusCategory = 'Success') as passedCount,
            count_if(statusCategory = 'Failure') as failedCount, count_if(statusCategory = 'Blocked') as blockedCount,
            count_if(statusCategory = 'Pending') as pendingCount, count_if(statusCategory = 'Other') as otherCount
          from starExecution join dimExecutionStatus using (executionStatusKey)
          group by projectKey, releaseKey, cycleKey, cyclePhaseKey
            grouping sets ((), (projectKey), (releaseKey), (cycleKey), (cyclePhaseKey))
        ),
        filled as (
          select place.*, coalesce(executionCount, 0) as executionCount,
            coalesce(passedCount + failedCount + blockedCount, 0) as executedCount, coalesce(passedCount, 0)
              as passedCount,
            coalesce(failedCount, 0) as failedCount, coalesce(blockedCount, 0) as blockedCount,
            coalesce(pendingCount, 0) as pendingCount, coalesce(otherCount, 0) as otherCount
          from place left join counted on place.level = counted.level and place.levelKey = counted.levelKey
        )
        select *, passedCount / nullif(executedCount, 0) as passRate, passedCount / nullif(executionCount, 0)
          as passRateOfTotal,
          failedCount / nullif(executedCount, 0) as failRate, blockedCount / nullif(executedCount, 0) as blockRate,
          executedCount / nullif(executionCount, 0) as executionRate
        from filled
    """)
    spark.stop()


if __name__ == "__main__":
    main()
