-- One row per project of the reference file projectAttributes: what no API tells about projects. Empty as shipped.
-- projectCode: short name people use for the project.
-- projectCategory: Internal, Client, Maintenance or Strategic.
-- projectPriority: Critical, High, Medium or Low.
-- projectType, projectTypeClassification: kind of project, and the class it is reported under.
-- projectLead, projectOwner, projectManager: names of those who answer for the project; personal data.
-- businessUnit: part of the organisation that pays for it.
-- projectStatusCategory: overrules what dates and flags say: Active, On Hold, Completed or Cancelled.
-- revenueImpact: what the project means for revenue, in the words of the file.
-- isCustomerFacing: customers see what it makes.
-- isRegulatoryRequired: a regulator asks for it.
-- areSwitchesReadable: both of them are true, false or empty in the file.
-- key: projectId
-- expect: projectId is not null, else fail
-- expect: projectCategory in ('Internal', 'Client', 'Maintenance', 'Strategic') or projectCategory is null, else fail
-- expect: projectPriority in ('Critical', 'High', 'Medium', 'Low') or projectPriority is null, else fail
-- expect: projectStatusCategory in ('Active', 'On Hold', 'Completed', 'Cancelled') or projectStatusCategory is null, else fail
-- expect: areSwitchesReadable, else fail
with
attributes as (select * from reference.projectAttributes),

final as (
  select
    try_cast(btrim(projectId) as bigint) as projectId,
    nullif(btrim(projectCode), '') as projectCode,
    nullif(btrim(projectType), '') as projectType,
    nullif(btrim(projectLead), '') as projectLead,
    nullif(btrim(projectCategory), '') as projectCategory,
    nullif(btrim(projectPriority), '') as projectPriority,
    nullif(btrim(projectOwner), '') as projectOwner,
    nullif(btrim(projectManager), '') as projectManager,
    nullif(btrim(businessUnit), '') as businessUnit,
    nullif(btrim(projectTypeClassification), '') as projectTypeClassification,
    nullif(btrim(projectStatusCategory), '') as projectStatusCategory,
    nullif(btrim(revenueImpact), '') as revenueImpact,
    try_cast(nullif(btrim(isCustomerFacing), '') as boolean) as isCustomerFacing,
    try_cast(nullif(btrim(isRegulatoryRequired), '') as boolean) as isRegulatoryRequired,
    (nullif(btrim(isCustomerFacing), '') is null or try_cast(btrim(isCustomerFacing) as boolean) is not null)
      and (nullif(btrim(isRegulatoryRequired), '') is null or try_cast(btrim(isRegulatoryRequired) as boolean) is not null)
      as areSwitchesReadable
  from attributes
)

select * from final
