// How far projects, releases and cycles are, and how their executions ended.

const projectOf = (row) => named(row.projectName);
const staleName = (key) => (row) => {
  const cell = element("span", {}, namedInTable(row[key]));
  if (row.isStale) cell.append(staleBadge());
  return cell;
};

// Of a project, test cases are counted once for each cycle they are burned in.
function burnedRate(row) {
  const whole = isMissing(row.cycleTestcases) ? row.totalTestcases : row.cycleTestcases;
  return whole ? row.burnedTestcases / whole : null;
}
const burnedMeter = {
  label: "Burned",
  kind: "number",
  needs: "burnedTestcases",
  hint: "Test cases burned, summed over cycles",
  value: burnedRate,
  show: (row) => meter(percent(burnedRate(row)), burnedRate(row)),
};
const executedColumn = {
  label: "Executed",
  kind: "number",
  value: (row) => row.completedExecutions,
  show: (row) =>
    element(
      "span",
      {},
      count(row.completedExecutions),
      element("span", { kind: "detail", text: `of ${count(row.totalExecutions)}` }),
    ),
};
const trackColumn = {
  label: "Late cycles",
  kind: "number",
  needs: "lateCycles",
  value: (row) => row.lateCycles,
  hint: "Cycles with more left than their plan has, those that have ended among them",
  show: (row) => element("span", { kind: row.lateCycles > 0 ? "bad" : "", text: count(row.lateCycles) }),
};

function showProgress(host) {
  if (scope.project === null) projectsTable(host);
  if (scope.release === null) releasesTable(host);
  cyclesTable(host);
}

function projectsTable(host) {
  host.append(heading("Projects"));
  const rows = rowsOf("projectProgress")
    .slice()
    .sort((one, other) => other.activeCycles - one.activeCycles || other.totalExecutions - one.totalExecutions);
  if (rows.length === 0) {
    nothingHere(host, "projectProgress", "No project is known yet.");
    return;
  }
  table(host, {
    caption: "Progress of projects",
    rows,
    noun: ["project", "projects"],
    search: (row) => [row.projectName, row.projectStatusCategory].join(" "),
    onPick: (row) => chooseProject(row.projectId),
    columns: known("projectProgress", [
      nameColumn("Project", "projectName", { isHeader: true, show: projectOf }),
      countColumn("Active cycles", "activeCycles", {
        show: (row) =>
          element(
            "span",
            {},
            count(row.activeCycles),
            element("span", { kind: "detail", text: `of ${count(row.totalCycles)}` }),
          ),
      }),
      trackColumn,
      burnedMeter,
      executedColumn,
      rateColumn("Pass rate", "projectPassRate"),
      {
        label: "Health",
        kind: "number",
        needs: "projectHealthScore",
        hint: "0 to 100",
        value: (row) => row.projectHealthScore,
        show: (row) =>
          isMissing(row.projectHealthScore)
            ? NOTHING
            : meter(count(Math.round(row.projectHealthScore)), row.projectHealthScore / 100),
      },
      dateColumn("Last execution", "lastExecutionDate"),
      {
        label: "Data",
        kind: "state",
        value: (row) => Boolean(row.isStale),
        show: (row) => (row.isStale ? staleBadge() : "current"),
      },
    ]),
  });
}

function releaseState(row) {
  if (row.isActiveRelease) return "Active";
  if (row.isFutureRelease) return "Upcoming";
  if (row.isPastRelease) return "Finished";
  return "No dates";
}

function releasesTable(host) {
  host.append(heading("Releases"));
  const rows = rowsOf("releaseProgress")
    .filter(inProject)
    .sort(
      (one, other) =>
        STATE_ORDER[releaseState(one)] - STATE_ORDER[releaseState(other)] ||
        other.totalExecutions - one.totalExecutions,
    );
  if (rows.length === 0) {
    nothingHere(host, "releaseProgress", "There is no release here.");
    return;
  }
  table(host, {
    caption: "Progress of releases",
    rows,
    noun: ["release", "releases"],
    search: (row) => [row.projectName, row.releaseName, releaseState(row)].join(" "),
    onPick: (row) => chooseRelease(row.releaseId),
    columns: known("releaseProgress", [
      nameColumn("Release", "releaseName", { isHeader: true, show: (row) => named(row.releaseName) }),
      ...(scope.project === null ? [nameColumn("Project", "projectName")] : []),
      { label: "State", kind: "state", value: releaseState, show: releaseState },
      dateColumn("Start", "releaseStartDate"),
      dateColumn("End", "releaseEndDate"),
      dateColumn("Forecast", "forecastDate"),
      countColumn("Cycles", "totalCycles"),
      trackColumn,
      burnedMeter,
      executedColumn,
      rateColumn("Pass rate", "releasePassRate"),
    ]),
  });
}

function cyclesTable(host) {
  host.append(heading(scope.cycle === null ? "Cycles" : "This cycle"));
  const rows = cycleRows.filter(within).sort(cycleOrder);
  if (rows.length === 0) {
    nothingHere(host, "cycleProgress", "There is no test cycle here.");
    return;
  }
  const columns = [
    nameColumn("Cycle", "cycleName", { isHeader: true, show: (row) => named(row.cycleName) }),
    ...(scope.project === null ? [nameColumn("Project", "projectName")] : []),
    ...(scope.release === null ? [nameColumn("Release", "releaseName")] : []),
    { label: "State", kind: "state", value: stateOf, show: stateOf },
    dateColumn("Start", "cycleStartDate"),
    dateColumn("End", "cycleEndDate"),
    countColumn("In scope", "totalTestcases"),
    burnedMeter,
    executedColumn,
    rateColumn("Pass rate", "cyclePassRate"),
    { label: "Verdict", kind: "state", value: (row) => verdictOf(row).rank, show: verdictCell },
  ];
  table(host, {
    caption: "Progress of test cycles",
    columns,
    rows,
    noun: ["cycle", "cycles"],
    search: (row) => [row.projectName, row.releaseName, row.cycleName, stateOf(row)].join(" "),
    onPick: scope.cycle === null ? (row) => chooseCycle(row.cycleId) : null,
  });
  host.append(
    paragraph(
      "In scope and burned count distinct test cases of a cycle; executed counts executions. Pass " +
        "rate: passed of executed. On track: no more remains than was planned for the day.",
      "muted",
    ),
  );
}

// ---- results --------------------------------------------------------------------------------------------------------

const RESULTS = [
  ["passed", "Passed"],
  ["failed", "Failed"],
  ["blocked", "Blocked"],
  ["pending", "Not executed"],
];
const NEXT_LEVEL = { all: "project", project: "release", release: "cycle", cycle: "phase" };
const LEVEL_NOUNS = {
  project: ["project", "projects"],
  release: ["release", "releases"],
  cycle: ["cycle", "cycles"],
  phase: ["phase", "phases"],
};

function showResults(host) {
  passRateTrend(host);
  const level = NEXT_LEVEL[scopeLevel()];
  const rows = rates
    .filter((row) => row.level === level && within(row) && row.executionCount > 0)
    .sort((one, other) => other.executionCount - one.executionCount);
  host.append(heading(`By ${level}`));
  if (rows.length === 0) {
    nothingHere(host, "passRate", `No ${level} here has executions.`);
    return;
  }
  host.append(colourKey(RESULTS));
  const total = { isTotal: true };
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
  total.passRate = total.executedCount ? total.passedCount / total.executedCount : null;
  const nameKey = level === "phase" ? "cyclePhaseName" : `${level}Name`;
  const pick = {
    project: (row) => chooseProject(row.projectId),
    release: (row) => chooseRelease(row.releaseId),
    cycle: (row) => chooseCycle(row.cycleId),
  }[level];
  const change = (row) =>
    isMissing(row.passRateChangePoints)
      ? NOTHING
      : `${row.passRateChangePoints > 0 ? "+" : row.passRateChangePoints < 0 ? "\u2212" : ""}` +
        `${tenths.format(Math.abs(row.passRateChangePoints))}\u00a0pts`;
  const kinds = { Improving: "good", Declining: "bad" };
  table(host, {
    caption: `Executions of each ${level} by result`,
    rows,
    footer: rows.length > 1 ? total : null,
    noun: LEVEL_NOUNS[level],
    search: (row) => row[nameKey],
    onPick: pick,
    columns: known("passRate", [
      {
        label: spoken(level),
        kind: "text",
        isHeader: true,
        value: (row) => row[nameKey],
        show: (row) => (row.isTotal ? "All together" : pick ? named(row[nameKey]) : staleName(nameKey)(row)),
      },
      rateColumn("Pass rate", "passRate"),
      {
        label: "Trend",
        kind: "state",
        needs: "passRateTrend",
        value: (row) => row.passRateChangePoints,
        show: (row) =>
          row.passRateTrend
            ? element(
                "span",
                {},
                element("span", { kind: `verdict ${kinds[row.passRateTrend] || ""}`, text: row.passRateTrend }),
                element("span", { kind: "detail", text: change(row) }),
              )
            : NOTHING,
      },
      {
        label: "Share of executions",
        kind: "text",
        cellKind: "bar-cell",
        show: (row) =>
          share(
            [
              ["passed", row.passedCount],
              ["failed", row.failedCount],
              ["blocked", row.blockedCount],
            ],
            row.executionCount,
          ),
      },
      countColumn("Executions", "executionCount"),
      countColumn("Passed", "passedCount"),
      countColumn("Failed", "failedCount"),
      countColumn("Blocked", "blockedCount"),
      countColumn("Pending", "pendingCount"),
      ...(total.otherCount > 0 ? [countColumn("Other", "otherCount")] : []),
    ]),
  });
  host.append(
    paragraph(
      "Pass rate: passed of executed, where executed is passed, failed or blocked. The trend sets " +
        "the days up to the as-of date against as many days before.",
      "muted",
    ),
  );
}

// Pass rate by week, with the running rate of everything so far.
function passRateTrend(host) {
  const level = scopeLevel();
  const rows = rowsOf("passRateTrend").filter(
    (row) => row.level === level && (level === "all" || row[`${level}Id`] === scope[level]),
  );
  rows.sort((one, other) => one.weekStartDate - other.weekStartDate);
  if (rows.length < 2) {
    nothingHere(host, "passRateTrend", "There are not two weeks with executions here, so no trend can be drawn.");
    return;
  }
  const byWeek = new Map(rows.map((row) => [row.weekStartDate, row]));
  const weeks = [];
  for (let week = rows[0].weekStartDate; week <= rows[rows.length - 1].weekStartDate; week += 7) weeks.push(week);
  const shown = weeks.slice(-104);
  const value = (key) => shown.map((week) => (byWeek.has(week) ? byWeek.get(week)[key] : null));
  let running = null;
  const cumulative = shown.map((week) => {
    if (byWeek.has(week)) running = byWeek.get(week).cumulativePassRate;
    return running;
  });
  const last = rows[rows.length - 1];
  host.append(heading("Pass rate by week"));
  lineChart(host, {
    label:
      `Pass rate by week. In the last week with executions, from ${longDate(last.weekStartDate)}, ` +
      `${percent(last.passRate)} of ${count(last.executedCount)} passed; of everything so far ${percent(last.cumulativePassRate)}. ` +
      "The figures follow as a table.",
    days: shown,
    lines: [
      { key: "passed-line", label: "Passed in the week", width: 2.5, values: value("passRate"), isDotted: true },
      { key: "planned", label: "Passed so far", width: 2, dash: [7, 5], values: cumulative },
      {
        key: "failed-line",
        label: "Failed in the week",
        width: 1.5,
        dash: [2, 3],
        values: value("failRate"),
        isDotted: true,
      },
    ],
    notes: ["Of what was executed in a week, by the Monday it began on. Weeks without executions have no dot."],
    top: 1.05,
    show: percent,
    noun: "Pass rate by week",
    isWeekly: true,
  });
}
