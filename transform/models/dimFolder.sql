-- One row per folder of the test-case trees, of repositories and releases, and the Unknown folder (-1).
-- folderKey: key of the folder.
-- parentFolderKey: the folder above it, -1 at the top of a tree.
-- releaseKey: the release whose tree it is in, -1 in a repository.
-- folderLevel: 0 at the top of a tree.
-- projectKey: its project.
-- key: folderKey
-- expect: folderName is not null, else fail
-- reference: projectKey in transform.dimProject.projectKey
-- reference: releaseKey in transform.dimRelease.releaseKey
-- reference: parentFolderKey in transform.dimFolder.folderKey
with
folder as (select * from clean.dimFolder),

keyed as (
  select
    xxhash64('zephyr', 'folder', folder.folderId) as folderKey,
    case when parent.folderId is null then -1 else xxhash64('zephyr', 'folder', parent.folderId) end as parentFolderKey,
    xxhash64('zephyr', 'project', folder.projectId) as projectKey,
    case
      when folder.releaseId is null or not folder.isReleaseKnown then -1
      else xxhash64('zephyr', 'release', folder.releaseId)
    end as releaseKey,
    folder.folderId,
    folder.parentFolderId,
    folder.rootFolderId,
    folder.linkedFolderId,
    folder.projectId,
    folder.releaseId,
    coalesce(folder.folderName, concat('Folder ', folder.folderId)) as folderName,
    folder.description,
    folder.folderPath,
    folder.folderCategory,
    folder.createdDate,
    folder.lastModifiedDate,
    folder.depth as folderLevel,
    folder.declaredTestcaseCount,
    folder.declaredSubtreeTestcaseCount,
    folder.isRepository,
    folder.isStale
  from folder
  left join folder as parent on folder.parentFolderId = parent.folderId
),

final as (
  select * from keyed
  union all
  select
    -1 as folderKey,
    -1 as parentFolderKey,
    -1 as projectKey,
    -1 as releaseKey,
    null as folderId,
    null as parentFolderId,
    null as rootFolderId,
    null as linkedFolderId,
    null as projectId,
    null as releaseId,
    'Unknown' as folderName,
    null as description,
    null as folderPath,
    null as folderCategory,
    null as createdDate,
    null as lastModifiedDate,
    null as folderLevel,
    null as declaredTestcaseCount,
    null as declaredSubtreeTestcaseCount,
    null as isRepository,
    null as isStale
)

select * from final
