-- One row per folder of the test-case trees, and the Unknown folder (-1), with what lies in it. Test cases are distinct: one that
-- stands in two folders below counts once.
-- folderNamingPattern: the beginning of its name up to the first "-" or "_"; empty where the name has neither.
-- folderDepth: 0 at the top of a tree, the same as folderLevel.
-- folderPathLength: characters of its path.
-- childFolderCount, descendantFolderCount: folders directly in it; all folders below it.
-- testcaseCount, totalTestcasesInSubtree: test cases directly in it; with all below it.
-- folderDensityScore: totalTestcasesInSubtree / (folderDepth + 1).
-- folderCompletenessScore: share of the test cases in it and below that have a description and a linked requirement, 0 to 1; empty
-- without test cases.
-- isRootFolder, isLeafFolder: at the top of a tree; without folders in it.
-- isEmptyFolder: no test case in it or below.
-- key: folderKey
-- expect: folderCompletenessScore between 0 and 1 or folderCompletenessScore is null, else fail
-- expect: testcaseCount <= totalTestcasesInSubtree, else fail
-- expect: childFolderCount <= descendantFolderCount, else fail
-- reference: projectKey in refine.dimProject.projectKey
-- reference: releaseKey in refine.dimRelease.releaseKey
-- conserves: transform.dimFolder
with
folder as (select * from transform.dimFolder),

ancestor as (select * from refine.folderAncestor),

-- What is placed outside of every known folder, or is no known test case, is in no folder's count.
place as (
  select distinct folderKey, testcaseKey
  from transform.bridgeTestcaseFolder
  where folderKey <> -1 and testcaseKey <> -1
),

testcase as (select testcaseKey, coalesce(btrim(description), '') <> '' as hasDescription from transform.dimTestcase),

linkedTestcase as (select distinct testcaseKey from transform.factRequirementCoverage where testcaseKey <> -1),

descendant as (
  select
    ancestorFolderKey,
    count(case when distance = 1 then 1 end) as childFolderCount,
    count(case when distance > 0 then 1 end) as descendantFolderCount
  from ancestor
  group by ancestorFolderKey
),

-- A test case may stand in several folders of a subtree: its shortest way up says whether it is directly there.
subtreeTestcase as (
  select ancestor.ancestorFolderKey, place.testcaseKey, min(ancestor.distance) as distance
  from ancestor
  join place on ancestor.folderKey = place.folderKey
  group by ancestor.ancestorFolderKey, place.testcaseKey
),

subtree as (
  select
    subtreeTestcase.ancestorFolderKey,
    count(case when subtreeTestcase.distance = 0 then 1 end) as testcaseCount,
    count(*) as totalTestcasesInSubtree,
    count(case when testcase.hasDescription and linkedTestcase.testcaseKey is not null then 1 end) as completeTestcases
  from subtreeTestcase
  left join testcase on subtreeTestcase.testcaseKey = testcase.testcaseKey
  left join linkedTestcase on subtreeTestcase.testcaseKey = linkedTestcase.testcaseKey
  group by subtreeTestcase.ancestorFolderKey
),

joined as (
  select
    folder.*,
    coalesce(descendant.childFolderCount, 0) as childFolderCount,
    coalesce(descendant.descendantFolderCount, 0) as descendantFolderCount,
    coalesce(subtree.testcaseCount, 0) as testcaseCount,
    coalesce(subtree.totalTestcasesInSubtree, 0) as totalTestcasesInSubtree,
    subtree.completeTestcases
  from folder
  left join descendant on folder.folderKey = descendant.ancestorFolderKey
  left join subtree on folder.folderKey = subtree.ancestorFolderKey
),

final as (
  select
    folderKey,
    parentFolderKey,
    projectKey,
    releaseKey,
    folderId,
    parentFolderId,
    rootFolderId,
    linkedFolderId,
    projectId,
    releaseId,
    folderName,
    description,
    folderPath,
    folderCategory,
    nullif(btrim(regexp_match(folderName, '^([^-_]*)[-_]')[1]), '') as folderNamingPattern,
    createdDate,
    lastModifiedDate,
    folderLevel,
    folderLevel as folderDepth,
    cast(char_length(folderPath) as int) as folderPathLength,
    childFolderCount,
    descendantFolderCount,
    testcaseCount,
    totalTestcasesInSubtree,
    declaredTestcaseCount,
    declaredSubtreeTestcaseCount,
    totalTestcasesInSubtree * 1.0 / (folderLevel + 1) as folderDensityScore,
    completeTestcases * 1.0 / nullif(totalTestcasesInSubtree, 0) as folderCompletenessScore,
    folderLevel = 0 as isRootFolder,
    case when folderKey <> -1 then childFolderCount = 0 end as isLeafFolder,
    case when folderKey <> -1 then totalTestcasesInSubtree = 0 end as isEmptyFolder,
    isRepository,
    isStale
  from joined
)

select * from final
