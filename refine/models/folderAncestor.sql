-- One row per folder of the test-case trees and folder it lies in, at any height; every folder also lies in itself. Sums over
-- a folder with all below it are sums over the rows that name it as ancestor. Trees go eight levels below their top, as prepare
-- reads them.
-- folderKey: the folder.
-- ancestorFolderKey: itself, or a folder above it.
-- distance: steps from the folder up to the ancestor, 0 for itself.
-- key: folderKey, ancestorFolderKey
-- expect: distance between 0 and 8, else fail
-- reference: folderKey in transform.dimFolder.folderKey
-- reference: ancestorFolderKey in transform.dimFolder.folderKey
with
folder as (select folderKey, parentFolderKey, folderLevel from transform.dimFolder where folderKey <> -1),

chain as (
  select
    folder.folderKey,
    folder.folderLevel,
    folder.parentFolderKey as above1,
    folder1.parentFolderKey as above2,
    folder2.parentFolderKey as above3,
    folder3.parentFolderKey as above4,
    folder4.parentFolderKey as above5,
    folder5.parentFolderKey as above6,
    folder6.parentFolderKey as above7,
    folder7.parentFolderKey as above8
  from folder
  left join folder as folder1 on folder.parentFolderKey = folder1.folderKey
  left join folder as folder2 on folder1.parentFolderKey = folder2.folderKey
  left join folder as folder3 on folder2.parentFolderKey = folder3.folderKey
  left join folder as folder4 on folder3.parentFolderKey = folder4.folderKey
  left join folder as folder5 on folder4.parentFolderKey = folder5.folderKey
  left join folder as folder6 on folder5.parentFolderKey = folder6.folderKey
  left join folder as folder7 on folder6.parentFolderKey = folder7.folderKey
),

step as (
  select distance from (values (0), (1), (2), (3), (4), (5), (6), (7), (8)) as nineSteps(distance)
),

pair as (
  select
    chain.folderKey,
    case step.distance
      when 0 then chain.folderKey
      when 1 then chain.above1
      when 2 then chain.above2
      when 3 then chain.above3
      when 4 then chain.above4
      when 5 then chain.above5
      when 6 then chain.above6
      when 7 then chain.above7
      else chain.above8
    end as ancestorFolderKey,
    step.distance
  from step
  cross join chain
  -- A folder that two trees place differently must not go round in circles.
  where step.distance <= chain.folderLevel
),

final as (
  select folderKey, ancestorFolderKey, cast(min(distance) as int) as distance
  from pair
  where ancestorFolderKey <> -1
  group by folderKey, ancestorFolderKey
)

select * from final
