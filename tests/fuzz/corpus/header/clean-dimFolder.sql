-- One row per folder of the test-case trees, trustworthy: text trimmed, doubles set aside, its project known.
-- folderId, parentFolderId, rootFolderId: the folder, the one above it, the top of its tree.
-- linkedFolderId: the folder whose rows it shows, where not its own.
-- releaseId: the release whose tree it is in; empty in a repository.
-- folderPath: names from the top down, divided by ' / '.
-- folderCategory: of the folderPatterns its path matches, the first; empty where none does.
-- createdDate, lastModifiedDate: local days.
-- depth: 0 at the top of a tree.
-- declaredTestcaseCount, declaredSubtreeTestcaseCount: test cases in it, and with all below it, as the server counts them.
-- duplicateNumber: 1, or higher for the same folder once more.
-- isRepository: it is in the repository of a project, not in a release.
-- isProjectKnown, isReleaseKnown: its project is in dimProject, its release, if it names one, in dimRelease.
-- recordKey: key of the landed record in prepare.
-- projectId: its project.
-- folderName: its name.
-- description: its text.
-- isStale: it was read before the newest walk of its tree.
-- key: folderId
-- expect: duplicateNumber = 1, else quarantine
-- expect: isProjectKnown, else quarantine
-- expect: isReleaseKnown, else warn
-- expect: folderName is not null, else warn
-- conserves: prepare.dimFolder
with
folder as (select * from prepare.dimFolder),

project as (select projectId from clean.dimProject),

testRelease as (select releaseId from clean.dimRelease),

pattern as (select * from prepare.folderPatterns),

setting as (select * from run.setting),

tidied as (
  select
    folder.recordKey,
    folder.folderId,
    folder.parentFolderId,
    folder.rootFolderId,
    folder.linkedFolderId,
    folder.projectId,
    folder.releaseId,
    nullif(
      btrim(replace(folder.folderName, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as folderName,
    nullif(
      btrim(replace(folder.description, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as description,
    nullif(
      btrim(replace(folder.path, chr(160), ' '), concat(' ', chr(9), chr(10), chr(13))),
      ''
    ) as folderPath,
    cast(from_utc_timestamp(folder.createdDateTime, setting.timeZone) as date) as createdDate,
    cast(from_utc_timestamp(folder.lastModifiedDateTime, setting.timeZone) as date) as lastModifiedDate,
    folder.depth,
    folder.testcaseCount,
    folder.cumulativeTestcaseCount,
    cast(row_number() over (
      partition by folder.folderId
      order by
        case when folder.isStale then 1 else 0 end,
        case when folder.isRepository then 0 else 1 end,
        folder.extractedAt desc,
        folder.recordKey
    ) as int) as duplicateNumber,
    folder.isRepository,
    folder.isStale,
    project.projectId is not null as isProjectKnown,
    folder.releaseId is null or testRelease.releaseId is not null as isReleaseKnown
  from setting
  cross join folder
  left join project on folder.projectId = project.projectId
  left join testRelease on folder.releaseId = testRelease.releaseId
),

-- Many folders share a path (the trees of releases are alike), so every path is matched once.
path as (select distinct folderPath from tidied where folderPath is not null),

matched as (
  select path.folderPath, min(pattern.patternOrder) as patternOrder
  from pattern
  cross join path
  where regexp_like(lower(path.folderPath), pattern.pattern)
  group by path.folderPath
),

final as (
  select
    tidied.recordKey,
    tidied.folderId,
    tidied.parentFolderId,
    tidied.rootFolderId,
    tidied.linkedFolderId,
    tidied.projectId,
    tidied.releaseId,
    tidied.folderName,
    tidied.description,
    tidied.folderPath,
    pattern.folderCategory,
    tidied.createdDate,
    tidied.lastModifiedDate,
    tidied.depth,
    tidied.testcaseCount as declaredTestcaseCou