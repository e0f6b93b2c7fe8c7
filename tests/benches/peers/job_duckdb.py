"""The job in DuckDB. Arguments: the lake, the folder the tables go to, threads, memory in MiB."""

import pathlib
import sys

import duckdb

from source import data_files

TRIMMED = "nullif(trim(replace({}, chr(160), ' '), chr(32) || chr(9) || chr(10) || chr(13)), '')"
INSTANT = "case when {0} between -62135596800000 and 253402300799999 then make_timestamptz({0} * 1000) end"
UNREADABLE = "coalesce({} not between -62135596800000 and 253402300799999, false)"
CODE = r"nullif(regexp_replace(trim({}, ' '), '[.]0+$', ''), '')"
LOCAL_DAY = "cast(timezone('Europe/London', {}) as date)"
TEXT_DAY = (
    "case when regexp_full_match({0}, '[0-9]{{1,2}}/[0-9]{{1,2}}/[0-9]{{4}}')"
    " then cast(try_strptime({0}, '%m/%d/%Y') as date) end"
)


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
    out = pathlib.Path(out)
    connection = duckdb.connect(
        config={"threads": threads, "memory_limit": f"{memory}MiB", "temp_directory": str(out / "spill")}
    )
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set preserve_insertion_order = false")

    for table in ("slice", "factExecution", "dimProject", "dimRelease", "dimCycle", "dimExecutionStatus"):
        files = ", ".join(f"'{file}'" for file in data_files(lake, table))
        connection.execute(f"create view landed_{table} as select * from read_parquet([{files}])")

    def table(name, query):
        connection.execute(f"create temp table {name} as {query}")

    def written(name, query):
        file = out / f"{name}.parquet"
        connection.execute(f"copy ({query}) to '{file}' (format parquet, compression zstd)")
        connection.execute(f"create view {name} as select * from read_parquet('{file}')")

    table("latest", """
        select resource, sliceKey, contentRunId, status <> 'complete' as isIncomplete, unnest(from_json(sliceKey,
          '{"projectId":"BIGINT","releaseId":"BIGINT","cycleId":"BIGINT","cyclePhaseId":"BIGINT"}'))
        from landed_slice
        where resource in ('dimProject', 'dimRelease', 'dimCycle', 'factExecution', 'dimExecutionStatus')
        qualify row_number() over (partition by resource, sliceKey order by release desc, runId desc) = 1
    """)
    table("slice", """
        with incomplete as (select * from latest where isIncomplete)
        select l.* exclude isIncomplete,
          l.isIncomplete
            or exists (from incomplete a where a.resource = 'dimProject'
                 and l.resource not in ('dimProject', 'dimExecutionStatus'))
            or exists (from incomplete a where a.resource = 'dimRelease' and l.resource in ('dimCycle', 'factExecution')
                 and a.projectId = l.projectId)
            or exists (from incomplete a where a.resource = 'dimCycle' and l.resource = 'factExecution'
                 and a.projectId = l.projectId and a.releaseId = l.releaseId) as isStale
        from latest l
    """)

    def current(resource, structure):
        return f"""
            select s.projectId, s.releaseId, s.cycleId, s.cyclePhaseId, s.isStale, l.*,
              from_json(l.payload, '{structure}') as p
            from landed_{resource} l
            join slice s on s.resource = '{resource}' and l.sliceKey = s.sliceKey and l.runId = s.contentRunId
        """

    def newest(key, field, row="p"):
        # The newest is chosen first and then judged: an older one does not take the place of a newest that is wrong.
        chosen = f"row_number() over (partition by {key} order by isStale, extractedAt desc, page, ordinal) = 1"
        return f"qualify {chosen} and {agreed(row, field)}"

    def dated(field):
        return f'"startDate":"BIGINT","{field}StartDate":"VARCHAR","endDate":"BIGINT","{field}EndDate":"VARCHAR"'

    named = '"id":"BIGINT","name":"VARCHAR"'

    table("dimProject", f"""
        select p.id as projectId, hash('project', p.id) as projectKey,
          coalesce({TRIMMED.format('p.name')}, 'Project ' || p.id) as projectName
        from ({current('dimProject', f'{{{named},{dated("project")}}}')})
        where p.id is not null {newest('p.id', 'project')}
    """)
    table("dimRelease", f"""
        select r.* exclude projectId, projectKey, r.projectId, projectName from (
          select p.id as releaseId, hash('release', p.id) as releaseKey, projectId,
            coalesce({TRIMMED.format('p.name')}, 'Release ' || p.id) as releaseName
          from ({current('dimRelease', f'{{{named},"projectRelease":"BOOLEAN",{dated("release")}}}')})
          where p.id is not null and not coalesce(p.projectRelease, false) {newest('p.id', 'release')}
        ) r join dimProject using (projectId)
    """)
    phases = f'[{{{named},{dated("phase")}}}]'
    table("cycleRow", current("dimCycle", f'{{{named},{dated("cycle")},"cyclePhases":{phases}}}'))
    table("dimCycle", f"""
        select c.*, releaseKey, releaseName, projectKey, projectName from (
          select p.id as cycleId, hash('cycle', p.id) as cycleKey, releaseId, projectId,
            coalesce({TRIMMED.format('p.name')}, 'Cycle ' || p.id) as cycleName
          from cycleRow where p.id is not null {newest('p.id', 'cycle')}
        ) c join dimRelease using (releaseId, projectId)
    """)
    table("dimCyclePhase", f"""
        select f.*, cycleKey, cycleName, releaseKey, releaseName, projectKey, projectName from (
          select phase.id as cyclePhaseId, hash('cyclePhase', phase.id) as cyclePhaseKey, cycleId, releaseId, projectId,
            coalesce({TRIMMED.format('phase.name')}, 'Phase ' || phase.id) as cyclePhaseName
          from (select p.id as cycleId, releaseId, projectId, isStale, extractedAt, page, ordinal,
                  unnest(p.cyclePhases) as phase from cycleRow)
          where phase.id is not null {newest('phase.id', 'phase', 'phase')}
        ) f join dimCycle using (cycleId, releaseId, projectId)
    """)
    table("dimExecutionStatus", f"""
        with listed as (
          select distinct {CODE.format('item.id')} as statusCode
          from (select unnest(from_json(coalesce(nullif(trim(p.value), ''), p.defaultValue), '[{{"id":"VARCHAR"}}]'))
            as item
                from ({current('dimExecutionStatus', '{"value":"VARCHAR","defaultValue":"VARCHAR"}')}))
        ), fixed(statusCode, category) as (
          values ('1', 'Success'), ('2', 'Failure'), ('3', 'Pending'), ('4', 'Blocked'), ('0', 'Pending'), ('10',
            'Pending'),
            ('absent', 'Pending')
        )
        select coalesce(l.statusCode, f.statusCode) as statusCode, coalesce(f.category, 'Other') as statusCategory,
          hash('executionStatus', coalesce(l.statusCode, f.statusCode)) as executionStatusKey
        from listed l full join fixed f using (statusCode)
        where l.statusCode is not null or f.statusCode in ('0', '10', 'absent')
    """)

    execution = (
        '{"id":"BIGINT","status":"VARCHAR","testerId":"BIGINT","testerIdName":"VARCHAR","executedBy":"BIGINT",'
        '"assignmentDate":"VARCHAR","lastModifiedOn":"BIGINT","actualTime":"DOUBLE","estimatedTime":"DOUBLE",'
        '"comment":"VARCHAR","versionId":"VARCHAR","orderId":"BIGINT","attachmentCount":"BIGINT",'
        '"lastTestResult":{"id":"BIGINT","executionDate":"BIGINT","execDate":"VARCHAR","executionStatus":"VARCHAR"},'
        '"tcrTreeTestcase":{"id":"BIGINT","tcrCatalogTreeId":"BIGINT","versionNumber":"BIGINT",'
        '"testcase":{"id":"BIGINT",'
        '"testcaseId":"BIGINT","name":"VARCHAR","description":"VARCHAR","externalId":"VARCHAR","priority":"VARCHAR",'
        '"tag":"VARCHAR","automated":"BOOLEAN","testcaseType":"VARCHAR","versionNumber":"BIGINT","projectId":"BIGINT",'
        '"lastModifiedOn":"BIGINT","creationDate":"BIGINT","tcCreationDate":"VARCHAR"}}}'
    )
    written("preparedExecution", f"""
        with parsed as ({current('factExecution', execution)}),
        coded as (
          select *, p.lastTestResult as r, p.tcrTreeTestcase as t, p.tcrTreeTestcase.testcase as c,
            {CODE.format('p.status')} as rowStatusCode,
            {CODE.format('p.lastTestResult.executionStatus')} as resultStatusCode,
            try_cast(case when regexp_full_match(p.assignmentDate, '-?[0-9]+') then p.assignmentDate end as bigint)
              as assignmentInstant,
            case when not regexp_full_match(p.assignmentDate, '-?[0-9]+') then p.assignmentDate end as assignmentText
          from parsed
        )
        select hash('factExecution', sliceKey, runId, page, ordinal) as recordKey,
          p.id as executionId, projectId, releaseId, cycleId, cyclePhaseId,
          c.testcaseId as testcaseId, c.id as testcaseVersionId, t.id as treeTestcaseId,
          t.tcrCatalogTreeId as tcrCatalogTreeId, p.testerId as testerId, p.executedBy as executedById, r.id
            as lastResultId,
          c.projectId as testcaseProjectId, sliceKey, runId, recordId, p.testerIdName as testerName,
          coalesce(resultStatusCode, rowStatusCode, 'absent') as statusCode, rowStatusCode, resultStatusCode,
          p.versionId as versionId, p.comment as comment, c.externalId as testcaseExternalId, c.name as testcaseName,
          c.description as testcaseDescription, c.priority as testcasePriority, c.tag as testcaseTag,
          c.testcaseType as testcaseType, coalesce(c.versionNumber, t.versionNumber) as testcaseVersionNumber,
          {INSTANT.format('assignmentInstant')} as assignmentDateTime,
          nullif(trim(assignmentText, ' '), '') as assignmentDateText,
          {INSTANT.format('r.executionDate')} as resultDateTime, r.execDate as resultDateText,
          {INSTANT.format('p.lastModifiedOn')} as lastModifiedDateTime,
          {INSTANT.format('c.creationDate')} as testcaseCreatedDateTime, c.tcCreationDate as testcaseCreatedDateText,
          {INSTANT.format('c.lastModifiedOn')} as testcaseLastModifiedDateTime,
          extractedAt, p.orderId as executionOrder,
          try_cast(round(p.actualTime) as bigint) as actualTimeMs,
          try_cast(round(p.estimatedTime) as bigint) as estimatedTimeMs,
          p.attachmentCount as attachmentCount, c.automated as isTestcaseAutomated, isStale
        from coded
        where p.id is not null and not {UNREADABLE.format('assignmentInstant')}
          and not {UNREADABLE.format('r.executionDate')} and not {UNREADABLE.format('p.lastModifiedOn')}
    """)

    written("cleanExecution", f"""
        with repeated as (
          select recordKey, row_number() over (
            partition by executionId order by isStale, lastModifiedDateTime desc nulls last,
              extractedAt desc nulls last,
              recordKey
          ) as duplicateNumber
          from preparedExecution
          where executionId in (select executionId from preparedExecution group by executionId having count(*) > 1)
        ),
        joined as (
          select e.*, s.statusCategory, coalesce(d.duplicateNumber, 1)::integer as duplicateNumber,
            f.cyclePhaseId is not null as isCyclePhaseKnown,
            case when resultDateTime is not null then 'lastTestResult'
              when e.statusCode not in ('absent', '0', '10') and lastModifiedDateTime is not null then 'lastModifiedOn'
            end as executionDateSource,
            case when resultDateTime is not null then resultDateTime
              when e.statusCode not in ('absent', '0', '10') then lastModifiedDateTime end as executionDateTime,
            nullif(trim(resultDateText, ' '), '') as resultText
          from preparedExecution e
          left join repeated d using (recordKey)
          left join dimCyclePhase f using (cyclePhaseId, cycleId, releaseId, projectId)
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
        select hash('execution', executionId) as executionKey, projectKey, releaseKey, cycleKey, cyclePhaseKey,
          case when testcaseId is not null then hash('testcase', testcaseId)
            when treeTestcaseId is not null then hash('treeTestcase', treeTestcaseId) end as testcaseKey,
          case when testerId is not null then hash('tester', testerId) end as testerKey,
          case when executedById is not null then hash('tester', executedById) end as executedByKey,
          executionStatusKey,
          coalesce(cast(strftime(executionDate, '%Y%m%d') as integer), -1) as executionDateId,
          coalesce(cast(strftime(assignmentDate, '%Y%m%d') as integer), -1) as assignmentDateId,
          executionId, e.projectId, e.releaseId, e.cycleId, cyclePhaseId, testcaseId, testcaseVersionId, treeTestcaseId,
          tcrCatalogTreeId, testerId, executedById, statusCode, executionDateSource, assignmentDate, executionDate,
          executionDateTime, lastModifiedDate, lastModifiedDateTime, executionOrder, durationMs, estimatedMs,
          coalesce(length(commentText), 0)::integer as commentLength, attachmentCount, isStale
        from cleanExecution e
        join dimCyclePhase using (cyclePhaseId)
        join dimExecutionStatus using (statusCode)
    """)

    written("passRate", """
        with place as (
          select 'all' as level, 0 as levelKey, null as projectId, null as releaseId, null as cycleId, null
            as cyclePhaseId,
            null as projectName, null as releaseName, null as cycleName, null as cyclePhaseName
          union all by name select 'project' as level, projectKey as levelKey, projectId, projectName from dimProject
          union all by name select 'release' as level, releaseKey as levelKey, * exclude (projectKey,
            releaseKey) from dimRelease
          union all by name
            select 'cycle' as level, cycleKey as levelKey, * exclude (projectKey, releaseKey, cycleKey) from dimCycle
          union all by name
            select 'phase' as level, cyclePhaseKey as levelKey, * exclude (projectKey, releaseKey, cycleKey,
              cyclePhaseKey)
            from dimCyclePhase
        ),
        counted as (
          select coalesce(cyclePhaseKey, cycleKey, releaseKey, projectKey, 0) as levelKey,
            case grouping(projectKey, releaseKey, cycleKey, cyclePhaseKey)
              when 15 then 'all' when 7 then 'project' when 11 then 'release' when 13 then 'cycle' else 'phase' end
                as level,
            count(*) as executionCount,
            count(*) filter (statusCategory = 'Success') as passedCount,
            count(*) filter (statusCategory = 'Failure') as failedCount,
            count(*) filter (statusCategory = 'Blocked') as blockedCount,
            count(*) filter (statusCategory = 'Pending') as pendingCount,
            count(*) filter (statusCategory = 'Other') as otherCount
          from starExecution join dimExecutionStatus using (executionStatusKey)
          group by grouping sets ((), (projectKey), (releaseKey), (cycleKey), (cyclePhaseKey))
        ),
        filled as (
          select place.*, coalesce(executionCount, 0) as executionCount,
            coalesce(passedCount + failedCount + blockedCount, 0) as executedCount, coalesce(passedCount, 0)
              as passedCount,
            coalesce(failedCount, 0) as failedCount, coalesce(blockedCount, 0) as blockedCount,
            coalesce(pendingCount, 0) as pendingCount, coalesce(otherCount, 0) as otherCount
          from place left join counted using (level, levelKey)
        )
        select *, passedCount / nullif(executedCount, 0)::double as passRate,
          passedCount / nullif(executionCount, 0)::double as passRateOfTotal,
          failedCount / nullif(executedCount, 0)::double as failRate,
          blockedCount / nullif(executedCount, 0)::double as blockRate,
          executedCount / nullif(executionCount, 0)::double as executionRate
        from filled
    """)


if __name__ == "__main__":
    main()
