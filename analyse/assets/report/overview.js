// The first screen: how it stands in one sentence and a few figures, and what needs somebody's attention.

const LIGHT_NAMES = { Green: "green", Amber: "amber", Red: "red", Grey: "grey", Unknown: "grey" };
const rates = rowsOf("passRate");

// The executions of the scope by result.
function resultsHere() {
  const level = scopeLevel();
  const rows =
    level === "all"
      ? rates.filter((row) => row.level === "project")
      : rates.filter((row) => row.level === level && row[`${level}Id`] === scope[level]);
  const total = {};
  for (const key of [
    "executionCount",
    "executedCount",
    "passedCount",
    "failedCount",
    "blockedCount",
    "pendingCount",
    "otherCount",
  ])
    total[key] = sum(rows, (row) => row[key]);
  return total;
}

function kpiHere() {
  const level = scopeLevel();
  return rowsOf("kpi").find((row) => row.level === level && (level === "all" || row[`${level}Id`] === scope[level]));
}

function headline(active, judged, good) {
  const results = resultsHere();
  const told = [];
  if (scope.cycle !== null) {
    const row = byId.cycle.get(scope.cycle).row;
    const { text, detail } = verdictOf(row);
    const state = stateOf(row).toLowerCase();
    told.push(
      text === NOTHING
        ? `This cycle cannot be judged: ${row.totalTestcases ? "it has no plan" : "it is empty"}.`
        : text === "Done"
          ? "Every test case of this cycle is burned."
          : text === "Behind"
            ? `This cycle is ${detail ? `${detail} behind` : "behind"} its plan.`
            : `This cycle is ${state === "no dates" ? "without dates" : state}, ${text.toLowerCase()}.`,
    );
  } else if (judged.length > 0) {
    told.push(
      good === judged.length
        ? `All ${plural(judged.length, "active cycle", "active cycles")} are on track.`.replace(
            "All 1 active cycle are",
            "The one active cycle is",
          )
        : `${count(good)} of ${plural(judged.length, "active cycle", "active cycles")} ${good === 1 ? "is" : "are"} on track.`,
    );
  } else {
    told.push(active.length > 0 ? "No active cycle has a plan to judge it by." : "No cycle is active here.");
  }
  if (results.executionCount > 0) {
    told.push(
      results.executedCount === 0
        ? `None of ${plural(results.executionCount, "execution", "executions")} is done.`
        : `${percent(results.executedCount / results.executionCount)} of the executions are done, ` +
            `${percent(results.passedCount / results.executedCount)} of those passed.`,
    );
  }
  return told.join(" ");
}

function showOverview(host) {
  const rows = cycleRows.filter(within);
  const active = rows.filter((row) => row.isActiveCycle);
  const judged = active.filter((row) => row.totalTestcases > 0 && !isMissing(row.isOnTrack));
  const good = judged.filter((row) => row.isOnTrack).length;
  const results = resultsHere();
  const rate = results.executedCount ? results.passedCount / results.executedCount : null;
  host.append(
    element("p", { kind: "headline" }, element("strong", {}, scopeName()), " \u2013 ", headline(active, judged, good)),
  );

  const list = [];
  if (scope.cycle === null) {
    list.push(
      { label: "Cycles", value: count(rows.length), more: `${count(active.length)} active` },
      {
        label: "Active cycles on track",
        value: judged.length ? `${count(good)} of ${count(judged.length)}` : NOTHING,
        kind: judged.length === 0 ? "" : good === judged.length ? "good" : "bad",
      },
    );
  } else {
    const row = byId.cycle.get(scope.cycle).row;
    list.push(
      {
        label: "Test cases burned",
        value: percent(row.totalTestcases ? row.burnedTestcases / row.totalTestcases : null),
        more: `${count(row.burnedTestcases)} of ${count(row.totalTestcases)}`,
      },
      {
        label: "Time gone",
        value: isMissing(row.cycleProgressPct) ? NOTHING : percent(row.cycleProgressPct / 100),
        more: isMissing(row.daysRemaining)
          ? "no dates"
          : row.daysRemaining >= 0
            ? `${plural(row.daysRemaining, "day", "days")} left`
            : `ended ${plural(-row.daysRemaining, "day", "days")} ago`,
      },
    );
  }
  list.push(
    {
      label: "Executed",
      value: count(results.executedCount),
      more: `of ${plural(results.executionCount, "execution", "executions")}`,
      share: share(
        [
          ["passed", results.passedCount],
          ["failed", results.failedCount],
          ["blocked", results.blockedCount],
        ],
        results.executionCount,
      ),
    },
    {
      label: "Pass rate",
      value: percent(rate),
      more: `${count(results.failedCount)} failed, ` + `${count(results.blockedCount)} blocked`,
    },
  );
  const kpi = kpiHere();
  if (kpi && hasColumn("kpi", "executionsLast7Days")) {
    list.push({ label: "Last 7 days", value: count(kpi.executionsLast7Days), more: "executions" });
  }
  const verdicts = verdictsHere();
  if (verdicts.length > 0) {
    const met = verdicts.filter((row) => row.isRequirementMet).length;
    list.push({
      label: "Requirements met",
      value: percent(met / verdicts.length),
      more: `${count(met)} of ${count(verdicts.length)}${
        scope.project === null || scopeLevel() === "project" ? "" : " in the project"
      }`,
    });
  }
  const fresh = freshnessHere();
  list.push({
    label: "Data",
    value: fresh.all === 0 ? NOTHING : fresh.stale === 0 ? "Current" : `${count(fresh.stale)} stale`,
    kind: fresh.stale > 0 ? "warn" : "",
    more:
      fresh.all === 0
        ? "nothing was read yet"
        : fresh.bad.length
          ? listed(fresh.bad)
          : `${plural(fresh.all, "list", "lists")} read completely`,
  });
  host.append(figures(list));
  attention(host, active, fresh);
}

const ATTENTION_LIMIT = 4;

// What somebody should look at, worst first, with a way there.
function attention(host, active, fresh) {
  const found = [];
  const add = (kind, at, changes, ...words) => found.push({ kind, at, changes, words });
  const late = active
    .filter((row) => row.isOnTrack === false && row.remainingTestcases > 0)
    .sort((one, other) => (other.daysBehindSchedule || 0) - (one.daysBehindSchedule || 0));
  for (const row of late.slice(0, ATTENTION_LIMIT)) {
    const behind =
      row.daysBehindSchedule > 0
        ? ` is ${plural(row.daysBehindSchedule, "working day", "working days")} behind`
        : " is behind its plan";
    const names =
      scope.project === null
        ? [namedBriefly(row.projectName), " \u203a ", namedBriefly(row.cycleName)]
        : [namedBriefly(row.cycleName)];
    add(
      "bad",
      "burn-down",
      { project: row.projectId, release: row.releaseId, cycle: row.cycleId },
      ...names,
      `${behind}, ` + `${count(row.remainingTestcases)} of ${count(row.totalTestcases)} left`,
    );
  }
  if (late.length > ATTENTION_LIMIT) {
    add("bad", "progress", {}, `${plural(late.length - ATTENTION_LIMIT, "more cycle", "more cycles")} behind the plan`);
  }
  const verdicts = verdictsHere();
  const red = verdicts.filter((row) => row.latestLight === "Red").length;
  if (red > 0) add("bad", "matrix", {}, `${plural(red, "requirement", "requirements")} red in the latest cycle`);
  const gaps = rowsOf("requirementGap").filter(inProject);
  const critical = gaps.filter((row) => row.isBusinessCritical).length;
  if (critical > 0)
    add(
      "warn",
      "coverage",
      {},
      `${plural(critical, "business-critical requirement has", "business-critical requirements have")} a gap`,
    );
  const flaky = rowsOf("testcaseStability").filter((row) => inProject(row) && row.isFlaky).length;
  if (flaky > 0)
    add("warn", "tests", {}, `${plural(flaky, "test case flips", "test cases flip")} between pass and fail`);
  const poor = rowsOf("projectHygiene").filter((row) => inProject(row) && row.isBelowAlert).length;
  if (poor > 0) {
    add(
      "warn",
      "hygiene",
      {},
      scope.project === null
        ? `${plural(poor, "project", "projects")} below the hygiene target`
        : "Hygiene is below its target",
    );
  }
  if (fresh.stale > 0) {
    add(
      "warn",
      "quality",
      {},
      `${plural(fresh.stale, "list", "lists")} of data ` +
        `${fresh.stale === 1 ? "is" : "are"} older than the rest${fresh.bad.length ? `: ${listed(fresh.bad)}` : ""}`,
    );
  }
  host.append(heading("What needs attention"));
  if (found.length === 0) {
    host.append(paragraph("Nothing: no active cycle is behind, nothing is red, and all data is current.", "calm"));
    return;
  }
  const marks = { bad: "Urgent", warn: "Look at" };
  host.append(
    element(
      "ul",
      { kind: "attention" },
      ...found.map(({ kind, at, changes, words }) =>
        element(
          "li",
          { kind },
          element("span", { kind: "mark", text: marks[kind] }),
          element("a", { href: addressOf({ ...changes, at }) }, ...words),
        ),
      ),
    ),
  );
}
