-- One row per execution and disappearance: a whole walk of its phase no longer had it. The row holds what was last seen of
-- it. A phase that could not be read, or was only asked for what had changed, removes nothing.
-- lastSeenDateTime: the last walk that landed the execution.
-- removedDateTime: the first whole walk without it.
-- returnedDateTime: the first walk after that which had it again, empty where there was none.
-- key: recordKey
-- incremental: sliceKey of source.slice, source.factExecution
-- expect: executionId is not null, else quarantine
-- expect: returnedDateTime >= removedDateTime or returnedDateTime is null, else fail
with
version as (select * from source.slice where resource = 'factExecution'),

landed as (select * from source.factExecution),

landing as (
  select
    sliceKey,
    contentRunId as runId,
    min(release) as landedRelease,
    min(walkedAt) as observedAt,
    min(baseRunId) is null as isWhole
  from version
  where status = 'complete' and contentRunId is not null
  group by sliceKey, contentRunId
),

-- The order is that of the releases: a clock that was put back must not turn it round.
numberedLanding as (
  select
    sliceKey,
    runId,
    landedRelease,
    isWhole,
    max(observedAt) over (
      partition by sliceKey order by landedRelease, runId rows between unbounded preceding and current row
    ) as observedAt,
    row_number() over (partition by sliceKey order by landedRelease, runId) as landingNumber,
    count(*) over (partition by sliceKey) as landingCount,
    sum(case when isWhole then 1 else 0 end) over (partition by sliceKey) as wholeCount,
    sum(case when isWhole then 1 else 0 end) over (
      partition by sliceKey order by landedRelease, runId rows between unbounded preceding and current row
    ) as wholeNumber
  from landing
),

span as (
  select
    numberedLanding.*,
    min(case when isWhole then landingNumber end) over (
      partition by sliceKey order by landingNumber rows between 1 following and unbounded following
    ) as endNumber,
    min(case when isWhole then observedAt end) over (
      partition by sliceKey order by landingNumber rows between 1 following and unbounded following
    ) as nextWholeAt
  from numberedLanding
  where wholeCount > 0 and landingCount > 1
),

-- Executions are many and few are ever removed. In how many whole listings each was, and in which by the sum of their
-- numbers, tells those few from the rest without sorting any.
tally as (
  select
    span.sliceKey,
    landed.recordId,
    sum(case when span.isWhole then 1 else 0 end) as wholeSeen,
    sum(case when span.isWhole then span.wholeNumber else 0 end) as wholeSum,
    min(case when span.isWhole then span.wholeNumber else span.wholeNumber + 1 end) as firstWhole,
    max(span.wholeCount) as wholeCount
  from span
  join landed on span.sliceKey = landed.sliceKey and span.runId = landed.runId
  group by span.sliceKey, landed.recordId
),

missed as (
  select sliceKey, recordId
  from tally
  where recordId is not null
    and (
      wholeSeen <> wholeCount - firstWhole + 1
      or wholeSum * 2 <> (wholeCount - firstWhole + 1) * (firstWhole + wholeCount)
    )
),

placed as (
  select
    landed.sliceKey,
    landed.runId,
    landed.page,
    landed.ordinal,
    landed.recordId,
    span.observedAt,
    span.landingNumber,
    span.endNumber,
    span.nextWholeAt
  from span
  join landed on span.sliceKey = landed.sliceKey and span.runId = landed.runId
),

missedRow as (
  select placed.*
  from missed
  join placed on missed.sliceKey = placed.sliceKey and missed.recordId = placed.recordId
),

compared as (
  select
    missedRow.*,
    lead(landingNumber) over beside as nextNumber,
    lead(observedAt) over beside as nextAt
  from missedRow
  window beside as (partition by sliceKey, recordId order by landingNumber, page, ordinal)
),

removal as (
  select
    compared.*,
    from_json(
      sliceKey, 'projectId bigint, releaseId bigint, cycleId bigint, cyclePhaseId bigint'
    ) as place
  from compared
  where endNumber is not null and coalesce(nextNumber > endNumber, true)
),

parsed as (
  select
    removal.*,
    from_json(
      landed.payload,
      'id bigint, status string, assignmentDate string, lastModifiedOn bigint, lastTestResult
       struct<executionDate:bigint, executionStatus:string>, tcrTreeTestcase struct<id:bigint,
       testcase:struct<testcaseId:bigint>>'
    ) as p
  from removal
  join landed
    on removal.sliceKey = landed.sliceKey
    and removal.runId = landed.runId
    and removal.page = landed.page
    and removal.ordinal = landed.ordinal
),

typed as (
  select
    parsed.*,
    parsed.p.tcrTreeTestcase.id as treeTestcaseId,
    parsed.p.tcrTreeTestcase.testcase.testcaseId as testcaseId,
    parsed.p.status as status,
    parsed.p.lastTestResult.executionStatus as lastResultStatus,
    parsed.p.lastTestResult.executionDate as resultDate,
    parsed.p.lastModifiedOn as lastModifiedOn,
    -- The same field is an instant on current servers and a day in text on older ones.
    case
      when regexp_like(parsed.p.assignmentDate, '^-?[0-9]+$') then try_cast(parsed.p.assignmentDate as bigint)
    end as assignmentDate,
    case
      when not regexp_like(parsed.p.assignmentDate, '^-?[0-9]+$') then parsed.p.assignmentDate
    end as assignmentDateText
  from parsed
),

final as (
  select
    xxhash64('factExecutionRemoval', sliceKey, runId, page, ordinal) as recordKey,
    p.id as executionId,
    place.projectId as projectId,
    place.releaseId as releaseId,
    place.cycleId as cycleId,
    place.cyclePhaseId as cyclePhaseId,
    testcaseId,
    treeTestcaseId,
    sliceKey,
    runId,
    recordId,
    coalesce(
      nullif(regexp_replace(btrim(lastResultStatus), '[.]0+$', ''), ''),
      nullif(regexp_replace(btrim(status), '[.]0+$', ''), ''),
      'absent'
    ) as statusCode,
    case when assignmentDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(assignmentDate), 'Timestamp(Microsecond, Some("UTC"))') end as assignmentDateTime,
    nullif(btrim(assignmentDateText), '') as assignmentDateText,
    case when resultDate between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(resultDate), 'Timestamp(Microsecond, Some("UTC"))') end as resultDateTime,
    case when lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    observedAt as lastSeenDateTime,
    nextWholeAt as removedDateTime,
    nextAt as returnedDateTime
  from typed
)

select * from final
