-- One row per node of the trees that come as their roots, with folders inside folders: the test-case trees of releases
-- and repositories, and the requirement trees; resource says which. They are read down to eight levels below a root,
-- and a node there that holds more says so. A root that cannot be read gives one row without an id, so that its tree
-- is set aside by name.
-- What lies above a node is told by where it lies; isParentAgreed says whether its own field tells the same.
-- resource: the tree it is of, by the table of source it landed in.
-- path: names from the root down. depth: 0 for a root.
-- nodeType: the API's own word for its kind.
-- revision: number the API raises with every change of the node.
-- childCount: nodes right below it.
-- testcaseCount, cumulativeTestcaseCount: test cases in it, and in it and all below, as the server counts.
-- hasDeeperNodes: whether it holds more levels than are read.
-- key: recordKey
-- expect: nodeId is not null, else quarantine
-- expect: not hasDeeperNodes, else warn
-- expect: isParentAgreed, else warn
-- expect: not hasUnreadableInstant, else warn
with
slice as (
  select * from prepare.slice where resource in ('dimFolder', 'dimFolderRepository', 'dimRequirementFolder')
),

dimFolder as (select * from source.dimFolder),

dimFolderRepository as (select * from source.dimFolderRepository),

dimRequirementFolder as (select * from source.dimRequirementFolder),

landed as (
  select 'dimFolder' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from dimFolder
  union all
  select 'dimFolderRepository' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from dimFolderRepository
  union all
  select 'dimRequirementFolder' as resource, sliceKey, runId, page, ordinal, recordId, payload, extractedAt
  from dimRequirementFolder
),

parsed as (
  select
    named_struct(
      'resource', landed.resource,
      'sliceKey', landed.sliceKey,
      'runId', landed.runId,
      'page', landed.page,
      'ordinal', landed.ordinal,
      'recordId', landed.recordId,
      'extractedAt', landed.extractedAt,
      'projectId', slice.projectId,
      'releaseId', slice.releaseId,
      'isStale', slice.isStale
    ) as origin,
    from_json(
      landed.payload,
      'id bigint, parentId bigint, name string, description string, type string, revision bigint,
       linkedTCRCatalogTreeId bigint, testcaseCount bigint, cumulativeTestcaseCount bigint,
       createdOn bigint, createdBy bigint, lastModifiedOn bigint, lastModifiedBy bigint,
       categories array<struct<
       id:bigint, parentId:bigint, name:string, description:string, type:string, revision:bigint,
       linkedTCRCatalogTreeId:bigint, testcaseCount:bigint, cumulativeTestcaseCount:bigint,
       createdOn:bigint, createdBy:bigint, lastModifiedOn:bigint, lastModifiedBy:bigint,
       categories:array<struct<
       id:bigint, parentId:bigint, name:string, description:string, type:string, revision:bigint,
       linkedTCRCatalogTreeId:bigint, testcaseCount:bigint, cumulativeTestcaseCount:bigint,
       createdOn:bigint, createdBy:bigint, lastModifiedOn:bigint, lastModifiedBy:bigint,
       categories:array<struct<
       id:bigint, parentId:bigint, name:string, description:string, type:string, revision:bigint,
       linkedTCRCatalogTreeId:bigint, testcaseCount:bigint, cumulativeTestcaseCount:bigint,
       createdOn:bigint, createdBy:bigint, lastModifiedOn:bigint, lastModifiedBy:bigint,
       categories:array<struct<
       id:bigint, parentId:bigint, name:string, description:string, type:string, revision:bigint,
       linkedTCRCatalogTreeId:bigint, testcaseCount:bigint, cumulativeTestcaseCount:bigint,
       createdOn:bigint, createdBy:bigint, lastModifiedOn:bigint, lastModifiedBy:bigint,
       categories:array<struct<
       id:bigint, parentId:bigint, name:string, description:string, type:string, revision:bigint,
       linkedTCRCatalogTreeId:bigint, testcaseCount:bigint, cumulativeTestcaseCount:bigint,
       createdOn:bigint, createdBy:bigint, lastModifiedOn:bigint, lastModifiedBy:bigint,
       categories:array<struct<
       id:bigint, parentId:bigint, name:string, description:string, type:string, revision:bigint,
       linkedTCRCatalogTreeId:bigint, testcaseCount:bigint, cumulativeTestcaseCount:bigint,
       createdOn:bigint, createdBy:bigint, lastModifiedOn:bigint, lastModifiedBy:bigint,
       categories:array<struct<
       id:bigint, parentId:bigint, name:string, description:string, type:string, revision:bigint,
       linkedTCRCatalogTreeId:bigint, testcaseCount:bigint, cumulativeTestcaseCount:bigint,
       createdOn:bigint, createdBy:bigint, lastModifiedOn:bigint, lastModifiedBy:bigint,
       categories:array<struct<
       id:bigint, parentId:bigint, name:string, description:string, type:string, revision:bigint,
       linkedTCRCatalogTreeId:bigint, testcaseCount:bigint, cumulativeTestcaseCount:bigint,
       createdOn:bigint, createdBy:bigint, lastModifiedOn:bigint, lastModifiedBy:bigint,
       categories:array<struct<id:bigint>>>>>>>>>>>>>>>>>>'
    ) as node
  from landed
  join slice
    on landed.resource = slice.resource
    and landed.sliceKey = slice.sliceKey
    and landed.runId = slice.contentRunId
),

level0 as (
  select
    origin,
    node.id as rootId,
    cast(null as bigint) as aboveId,
    0 as depth,
    '' as place,
    node.name as path,
    named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from parsed
),

-- From here on every level does the same: below a row come its children, each in a row of its own, and one row more, in
-- which it stays what it is. openCount is the number of children the next level will find, and 0 for a row that stays.
below1 as (
  select
    * exclude (children),
    unnest(children) as node,
    unnest(range(0, openCount + 1)) as position
  from level0
),

level1 as (
  select
    origin,
    rootId,
    case when position < openCount then own.nodeId else aboveId end as aboveId,
    case when position < openCount then 1 else depth end as depth,
    case when position < openCount then concat(place, '.', position) else place end as place,
    case when position < openCount then concat_ws(' / ', path, node.name) else path end as path,
    case when position < openCount then named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) else own end as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from below1
),

below2 as (
  select
    * exclude (children),
    unnest(children) as node,
    unnest(range(0, openCount + 1)) as position
  from level1
),

level2 as (
  select
    origin,
    rootId,
    case when position < openCount then own.nodeId else aboveId end as aboveId,
    case when position < openCount then 2 else depth end as depth,
    case when position < openCount then concat(place, '.', position) else place end as place,
    case when position < openCount then concat_ws(' / ', path, node.name) else path end as path,
    case when position < openCount then named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) else own end as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from below2
),

below3 as (
  select
    * exclude (children),
    unnest(children) as node,
    unnest(range(0, openCount + 1)) as position
  from level2
),

level3 as (
  select
    origin,
    rootId,
    case when position < openCount then own.nodeId else aboveId end as aboveId,
    case when position < openCount then 3 else depth end as depth,
    case when position < openCount then concat(place, '.', position) else place end as place,
    case when position < openCount then concat_ws(' / ', path, node.name) else path end as path,
    case when position < openCount then named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) else own end as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from below3
),

below4 as (
  select
    * exclude (children),
    unnest(children) as node,
    unnest(range(0, openCount + 1)) as position
  from level3
),

level4 as (
  select
    origin,
    rootId,
    case when position < openCount then own.nodeId else aboveId end as aboveId,
    case when position < openCount then 4 else depth end as depth,
    case when position < openCount then concat(place, '.', position) else place end as place,
    case when position < openCount then concat_ws(' / ', path, node.name) else path end as path,
    case when position < openCount then named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) else own end as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from below4
),

below5 as (
  select
    * exclude (children),
    unnest(children) as node,
    unnest(range(0, openCount + 1)) as position
  from level4
),

level5 as (
  select
    origin,
    rootId,
    case when position < openCount then own.nodeId else aboveId end as aboveId,
    case when position < openCount then 5 else depth end as depth,
    case when position < openCount then concat(place, '.', position) else place end as place,
    case when position < openCount then concat_ws(' / ', path, node.name) else path end as path,
    case when position < openCount then named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) else own end as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from below5
),

below6 as (
  select
    * exclude (children),
    unnest(children) as node,
    unnest(range(0, openCount + 1)) as position
  from level5
),

level6 as (
  select
    origin,
    rootId,
    case when position < openCount then own.nodeId else aboveId end as aboveId,
    case when position < openCount then 6 else depth end as depth,
    case when position < openCount then concat(place, '.', position) else place end as place,
    case when position < openCount then concat_ws(' / ', path, node.name) else path end as path,
    case when position < openCount then named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) else own end as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from below6
),

below7 as (
  select
    * exclude (children),
    unnest(children) as node,
    unnest(range(0, openCount + 1)) as position
  from level6
),

level7 as (
  select
    origin,
    rootId,
    case when position < openCount then own.nodeId else aboveId end as aboveId,
    case when position < openCount then 7 else depth end as depth,
    case when position < openCount then concat(place, '.', position) else place end as place,
    case when position < openCount then concat_ws(' / ', path, node.name) else path end as path,
    case when position < openCount then named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) else own end as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from below7
),

below8 as (
  select
    * exclude (children),
    unnest(children) as node,
    unnest(range(0, openCount + 1)) as position
  from level7
),

level8 as (
  select
    origin,
    rootId,
    case when position < openCount then own.nodeId else aboveId end as aboveId,
    case when position < openCount then 8 else depth end as depth,
    case when position < openCount then concat(place, '.', position) else place end as place,
    case when position < openCount then concat_ws(' / ', path, node.name) else path end as path,
    case when position < openCount then named_struct(
      'nodeId', node.id, 'statedParentId', node.parentId, 'nodeName', node.name, 'description', node.description,
      'nodeType', node.type, 'revision', node.revision, 'linkedNodeId', node.linkedTCRCatalogTreeId,
      'testcaseCount', node.testcaseCount, 'cumulativeTestcaseCount', node.cumulativeTestcaseCount,
      'createdOn', node.createdOn, 'createdById', node.createdBy, 'lastModifiedOn', node.lastModifiedOn,
      'lastModifiedById', node.lastModifiedBy,
      'childCount', coalesce(cast(cardinality(node.categories) as bigint), 0)
    ) else own end as own,
    node.categories as children,
    coalesce(cast(cardinality(node.categories) as bigint), 0) as openCount
  from below8
),

final as (
  select
    xxhash64(
      'treeNode', origin.resource, origin.sliceKey, origin.runId, origin.page, origin.ordinal, place
    ) as recordKey,
    origin.resource as resource,
    own.nodeId as nodeId,
    aboveId as parentNodeId,
    rootId as rootNodeId,
    origin.projectId as projectId,
    origin.releaseId as releaseId,
    nullif(own.linkedNodeId, 0) as linkedNodeId,
    own.createdById as createdById,
    own.lastModifiedById as lastModifiedById,
    origin.sliceKey as sliceKey,
    origin.runId as runId,
    origin.recordId as recordId,
    own.nodeName as nodeName,
    own.description as description,
    own.nodeType as nodeType,
    path,
    own.revision as revision,
    case when own.createdOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(own.createdOn), 'Timestamp(Microsecond, Some("UTC"))') end as createdDateTime,
    case when own.lastModifiedOn between -62135596800000 and 253402300799999
      then arrow_cast(to_timestamp_millis(own.lastModifiedOn), 'Timestamp(Microsecond, Some("UTC"))') end as lastModifiedDateTime,
    origin.extractedAt as extractedAt,
    cast(depth as int) as depth,
    own.childCount as childCount,
    own.testcaseCount as testcaseCount,
    own.cumulativeTestcaseCount as cumulativeTestcaseCount,
    origin.isStale as isStale,
    -- A root names no parent, or names 0.
    own.statedParentId is null or own.statedParentId = coalesce(aboveId, 0) as isParentAgreed,
    depth = 8 and own.childCount > 0 as hasDeeperNodes,
    coalesce(own.createdOn not between -62135596800000 and 253402300799999, false)
      or coalesce(own.lastModifiedOn not between -62135596800000 and 253402300799999, false) as hasUnreadableInstant
  from level8
)

select * from final
