-- One row per project: how tidy its test management is, as the weighted mean of the rules in hygieneRule that have something
-- to check in it.
-- hygieneScore: 0 to 100; empty where no rule with a weight has anything to check
-- projectFieldScore: fields of the project that are filled, of those that must be, 0 to 1
-- checkedCount: things checked, each once for every rule that applies to it
-- offenderCount: of those, the ones that break the rule
-- offenceCount: how many things are wrong in them
-- ruleCount: rules that have something to check
-- brokenRuleCount: of those, the ones that something breaks
-- worstRule: the rule that costs the most points; empty if none does
-- isBelowAlert: the score is below the control hygieneAlertBelow
-- key: projectKey
-- expect: hygieneScore between 0 and 100.000001 or hygieneScore is null, else fail
-- expect: projectFieldScore between 0 and 1 or projectFieldScore is null, else fail
-- reference: projectKey in refine.dimProject.projectKey
with
project as (select * from refine.dimProject where projectKey <> -1),

rule as (select * from analyse.hygieneRule),

control as (
  select max(case when name = 'hygieneAlertBelow' then try_cast(value as double) end) as alertBelow
  from prepare.controls
),

total as (
  select
    projectKey,
    -- Rounded, for the order of a sum may touch its last digit.
    round(100.0 * sum(weight * complianceRate) / nullif(sum(weight), 0), 9) as hygieneScore,
    max(case when ruleName = 'projectFields' then complianceRate end) as projectFieldScore,
    sum(checkedCount) as checkedCount,
    sum(offenderCount) as offenderCount,
    sum(offenceCount) as offenceCount,
    count(*) as ruleCount,
    count(case when offenderCount > 0 then 1 end) as brokenRuleCount
  from rule
  group by projectKey
),

rankedRule as (
  select
    projectKey,
    ruleName,
    row_number() over (partition by projectKey order by pointsLost desc, ruleName) as severity
  from rule
  where pointsLost > 0
),

final as (
  select
    project.projectKey,
    project.projectId,
    project.projectName,
    rankedRule.ruleName as worstRule,
    total.hygieneScore,
    total.projectFieldScore,
    coalesce(total.checkedCount, 0) as checkedCount,
    coalesce(total.offenderCount, 0) as offenderCount,
    coalesce(total.offenceCount, 0) as offenceCount,
    cast(coalesce(total.ruleCount, 0) as int) as ruleCount,
    cast(coalesce(total.brokenRuleCount, 0) as int) as brokenRuleCount,
    coalesce(total.hygieneScore < control.alertBelow, false) as isBelowAlert
  from project
  cross join control
  left join total on project.projectKey = total.projectKey
  left join rankedRule on project.projectKey = rankedRule.projectKey and rankedRule.severity = 1
)

select * from final
