// Can these figures be trusted: hygiene of the projects, age of the data, rows set aside, health of the runs.

function scoreCell(score, isBad) {
  if (isMissing(score)) return NOTHING;
  const shown = element("span", { text: count(Math.round(score)) });
  if (isBad) shown.prepend(element("span", { kind: "bad", text: "below target " }));
  return meter(shown, score / 100);
}

function showHygiene(host) {
  const rows = rowsOf("projectHygiene").filter(inProject);
  if (rows.length === 0) {
    nothingHere(host, "projectHygiene", "No project was checked yet.");
    return;
  }
  rows.sort(
    (one, other) =>
      (isMissing(one.hygieneScore) ? 101 : one.hygieneScore) -
      (isMissing(other.hygieneScore) ? 101 : other.hygieneScore),
  );
  const ruleText = new Map(rowsOf("hygieneRule").map((row) => [row.ruleName, row.ruleText]));
  if (scope.project === null) {
    table(host, {
      caption: "Hygiene of projects, lowest first",
      rows,
      noun: ["project", "projects"],
      search: (row) => row.projectName,
      onPick: (row) => choose({ project: row.projectId, release: null, cycle: null, at: "hygiene" }),
      columns: known("projectHygiene", [
        nameColumn("Project", "projectName", { isHeader: true, show: (row) => named(row.projectName) }),
        {
          label: "Score of 100",
          kind: "number",
          value: (row) => row.hygieneScore,
          show: (row) => scoreCell(row.hygieneScore, row.isBelowAlert),
        },
        countColumn("Offences", "offenceCount"),
        countColumn("Things checked", "checkedCount"),
        countColumn("Rules broken", "brokenRuleCount"),
        textColumn("Weakest rule", "worstRule", {
          show: (row) => namedInTable(ruleText.get(row.worstRule) || row.worstRule, NOTHING),
        }),
      ]),
    });
  } else {
    const [row] = rows;
    host.append(
      figures([
        {
          label: "Hygiene score",
          value: isMissing(row.hygieneScore) ? NOTHING : count(Math.round(row.hygieneScore)),
          more: "of 100",
          kind: row.isBelowAlert ? "bad" : "good",
        },
        { label: "Offences", value: count(row.offenceCount), more: `among ${count(row.checkedCount)} things checked` },
        { label: "Rules broken", value: count(row.brokenRuleCount), more: `of ${count(row.ruleCount)} that apply` },
      ]),
    );
  }
  hygieneRules(host);
  offenders(host);
}

function hygieneRules(host) {
  const groups = new Map();
  for (const row of rowsOf("hygieneRule").filter(inProject)) {
    if (!groups.has(row.ruleName)) groups.set(row.ruleName, { ...row, checkedCount: 0, offenceCount: 0 });
    const group = groups.get(row.ruleName);
    group.checkedCount += row.checkedCount || 0;
    group.offenceCount += row.offenceCount || 0;
  }
  const rows = [...groups.values()].filter((row) => row.checkedCount > 0);
  if (rows.length === 0) return;
  const rate = (row) => 1 - row.offenceCount / row.checkedCount;
  rows.sort((one, other) => rate(one) - rate(other));
  host.append(heading("Rules"));
  table(host, {
    caption: "Hygiene rules",
    rows,
    noun: ["rule", "rules"],
    columns: [
      {
        label: "Rule",
        kind: "text",
        isHeader: true,
        value: (row) => row.ruleText || row.ruleName,
        show: (row) => row.ruleText || spoken(row.ruleName),
      },
      textColumn("About", "entity"),
      { label: "Kept", kind: "number", value: rate, show: (row) => meter(percent(rate(row)), rate(row)) },
      countColumn("Offences", "offenceCount"),
      countColumn("Checked", "checkedCount"),
      decimalColumn("Weight", "weight"),
    ],
  });
}

function offenders(host) {
  const rows = rowsOf("hygieneOffender").filter(inProject);
  const { left } = columnsOf("hygieneOffender");
  if (rows.length === 0) {
    if (left === 0) host.append(paragraph("Nothing here breaks a rule.", "calm"));
    return;
  }
  const ruleText = new Map(rowsOf("hygieneRule").map((row) => [row.ruleName, row.ruleText]));
  const rule = (row) => ruleText.get(row.ruleName) || spoken(row.ruleName);
  host.append(heading("Offenders"));
  table(host, {
    caption: "What breaks the rules",
    rows,
    noun: ["offender", "offenders"],
    search: (row) => [row.entityName, row.entity, row.projectName, rule(row), row.detail].join(" "),
    columns: [
      {
        label: "What",
        kind: "text",
        isHeader: true,
        value: (row) => row.entityName,
        show: (row) =>
          element(
            "span",
            {},
            namedInTable(row.entityName),
            element("span", { kind: "detail", text: `${row.entity} ${isMissing(row.entityId) ? "" : row.entityId}` }),
          ),
      },
      ...(scope.project === null ? [nameColumn("Project", "projectName")] : []),
      { label: "Rule", kind: "text", value: rule, show: rule },
      textColumn("What is wrong", "detail"),
    ],
  });
  if (left > 0) {
    host.append(paragraph(`${plural(left, "more is", "more are")} in the table analyse.hygieneOffender.`, "muted"));
  }
}

// ---- freshness ------------------------------------------------------------------------------------------------------

const RESOURCES = {
  dimExecutionStatus: "Execution statuses",
  dimTester: "Testers",
  dimProject: "Projects",
  dimReleaseAll: "Releases (one list of all)",
  dimRelease: "Releases of a project",
  dimCycle: "Cycles of a release",
  factExecution: "Executions of a phase",
  dimFolder: "Folders",
  dimFolderRepository: "Folders of the repository",
  dimTestcase: "Test cases of a folder",
  dimTestcaseRepository: "Test cases of the repository",
  dimRequirement: "Requirements of a folder",
  dimRequirementFolder: "Requirement folders",
  dimListOfValues: "Lists of values",
  releaseSummary: "Summaries of releases",
};
const resourceName = (row) => RESOURCES[row.resource] || spoken(row.resource || "");

// How many lists of the source there are for the choice, and what is wrong with them. A list is what one address of the
// API answers with: the projects, the cycles of one release, the executions of one phase.
function freshnessHere() {
  const rows = rowsOf("freshness").filter(
    (row) => scope.project === null || row.projectId === scope.project || isMissing(row.projectId),
  );
  const [all, stale, forbidden, failed] = ["sliceCount", "staleCount", "forbiddenCount", "failedCount"].map((key) =>
    sum(rows, (row) => row[key]),
  );
  const bad = [];
  if (forbidden > 0) bad.push(`${count(forbidden)} forbidden`);
  if (failed > 0) bad.push(`${count(failed)} failed`);
  return { rows, all, stale, bad };
}

function showQuality(host) {
  const fresh = freshnessHere();
  if (fresh.all === 0) {
    nothingHere(host, "freshness", "Nothing has been read from the source yet.");
  } else {
    freshnessTables(host, fresh);
  }
  setAside(host);
  if (scope.project === null) operations(host);
}

const FRESH_COUNTS = [
  "sliceCount",
  "staleCount",
  "forbiddenCount",
  "failedCount",
  "skippedCount",
  "partialCount",
  "goneCount",
];
function grouped(rows, keyOf, more) {
  const groups = new Map();
  for (const row of rows) {
    const key = keyOf(row);
    if (!groups.has(key)) {
      groups.set(key, { ...more(row), oldest: null, newest: null, walked: null });
      for (const name of FRESH_COUNTS) groups.get(key)[name] = 0;
    }
    const group = groups.get(key);
    for (const name of FRESH_COUNTS) group[name] += row[name] || 0;
    if (!isMissing(row.oldestDate) && (group.oldest === null || row.oldestDate < group.oldest))
      group.oldest = row.oldestDate;
    if (!isMissing(row.newestDate) && (group.newest === null || row.newestDate > group.newest))
      group.newest = row.newestDate;
    if (row.lastWalkedDateTime > (group.walked || 0)) group.walked = row.lastWalkedDateTime;
  }
  return [...groups.values()];
}

const freshnessColumns = (first) => [
  first,
  {
    label: "As of",
    kind: "date",
    value: (row) => row.oldest,
    show: (row) =>
      isMissing(row.oldest)
        ? "never read"
        : row.oldest === row.newest
          ? shortDate(row.newest)
          : element(
              "span",
              {},
              shortDate(row.newest),
              element("span", { kind: "detail", text: `oldest ${shortDate(row.oldest)}` }),
            ),
  },
  {
    label: "State",
    kind: "state",
    value: (row) => row.staleCount,
    show: (row) =>
      element("span", {
        kind: `verdict ${row.staleCount > 0 ? "warn" : "good"}`,
        text: row.staleCount > 0 ? (row.staleCount === row.sliceCount ? "Older data" : "Partly older") : "Current",
      }),
  },
  countColumn("Lists", "sliceCount", { hint: "Answers of the API that make up this data" }),
  countColumn("Forbidden", "forbiddenCount"),
  countColumn("Failed", "failedCount"),
  countColumn("Skipped", "skippedCount", {
    hint: "Not asked for, because nothing in them was expected to have changed",
  }),
];

function freshnessTables(host, { rows, all, stale }) {
  const walks = rows.map((row) => row.lastWalkedDateTime).filter((at) => !isMissing(at));
  const told = [
    stale === 0
      ? `All ${plural(all, "list", "lists")} of the source were read completely when last asked for.`
      : `${count(stale)} of ${plural(all, "list", "lists")} could not be read completely when last asked for, or lie below ` +
        "one that could not; they keep their earlier rows.",
  ];
  if (walks.length > 0) told.push(`Last asked: ${instant(walks.reduce((last, at) => Math.max(last, at)))}.`);
  host.append(
    paragraph(told.join(" ")),
    paragraph(
      "A list is one answer of the source: the projects, the cycles of one " + "release, the executions of one phase.",
      "muted",
    ),
  );
  const missing = rowsOf("staleSlices").filter(
    (row) => scope.project === null || row.projectId === scope.project || isMissing(row.projectId),
  );
  if (missing.length > 0) missingTable(host, missing);
  const own = rows.filter((row) => !isMissing(row.projectId));
  if (scope.project === null && own.length > 0) {
    host.append(heading("As of, by project"));
    table(host, {
      caption: "Freshness by project",
      noun: ["project", "projects"],
      search: (row) => row.projectName,
      rows: grouped(
        own,
        (row) => row.projectId,
        ({ projectId, projectName }) => ({ projectId, projectName }),
      ).sort((one, other) => other.staleCount - one.staleCount || (one.oldest || 0) - (other.oldest || 0)),
      onPick: (row) => choose({ project: row.projectId, release: null, cycle: null, at: "quality" }),
      columns: freshnessColumns(
        nameColumn("Project", "projectName", {
          isHeader: true,
          show: (row) => named(row.projectName, `Project ${row.projectId}`),
        }),
      ),
    });
  }
  host.append(heading("As of, by kind of data"));
  table(host, {
    caption: "Freshness by kind of data",
    noun: ["kind of data", "kinds of data"],
    rows: grouped(
      rows,
      (row) => row.resource,
      ({ resource }) => ({ resource }),
    ),
    columns: freshnessColumns({ label: "Data", kind: "text", isHeader: true, value: resourceName, show: resourceName }),
  });
}

function missingTable(host, rows) {
  const why = { forbidden: "Forbidden", failed: "Failed" };
  host.append(heading("What is missing, and why"));
  table(host, {
    caption: "Lists that could not be read",
    rows,
    noun: ["line", "lines"],
    search: (row) => [row.projectName, row.releaseName, row.cycleName, resourceName(row), row.reason].join(" "),
    columns: [
      {
        label: "Where",
        kind: "text",
        isHeader: true,
        value: (row) => [row.projectName, row.releaseName].join(" "),
        show(row) {
          const where = element("span");
          const names = [row.projectName, row.releaseName, row.cycleName, row.cyclePhaseName].filter(Boolean);
          if (names.length === 0) where.append(row.projectId ? `Project ${row.projectId}` : "The whole source");
          names.forEach((name, index) => where.append(...(index ? [" \u203a "] : []), namedInTable(name)));
          return where;
        },
      },
      { label: "What", kind: "text", value: resourceName, show: resourceName },
      countColumn("Lists", "sliceCount"),
      {
        label: "State",
        kind: "state",
        value: (row) => row.status,
        show: (row) => element("span", { kind: "warn verdict", text: why[row.status] || "Below such a one" }),
      },
      textColumn("Why", "reason"),
      {
        label: "Data as of",
        kind: "date",
        value: (row) => row.oldestDate,
        show: (row) =>
          row.neverCount === row.sliceCount
            ? "never read"
            : `${shortDate(row.oldestDate)}${row.neverCount > 0 ? ` (${count(row.neverCount)} never)` : ""}`,
      },
      countColumn("Age in days", "ageDays"),
    ],
  });
}

// ---- rows set aside, and the runs -----------------------------------------------------------------------------------

function setAside(host) {
  host.append(heading("Rows set aside or warned about"));
  const rows = rowsOf("dataQuality");
  if (rows.length === 0) {
    nothingHere(host, "dataQuality", "No table was checked yet.");
    return;
  }
  const whole = rows.filter((row) => !row.expectation);
  const broken = rows.filter((row) => row.expectation && row.brokenCount > 0);
  const quarantined = sum(whole, (row) => row.quarantinedCount);
  host.append(
    paragraph(
      `${plural(quarantined, "row was", "rows were")} set aside and ${plural(
        sum(whole, (row) => row.warningCount),
        "warning",
        "warnings",
      )} counted in ${plural(whole.length, "table", "tables")}. Rows set aside are in ` +
        "the schema quarantine, each with its reasons.",
    ),
  );
  if (broken.length === 0) return;
  broken.sort(
    (one, other) => Boolean(other.isAboveAlert) - Boolean(one.isAboveAlert) || other.brokenCount - one.brokenCount,
  );
  table(host, {
    caption: "Expectations that were broken",
    rows: broken,
    noun: ["expectation", "expectations"],
    search: (row) => [row.stage, row.tableName, row.expectation].join(" "),
    columns: [
      {
        label: "Expectation",
        kind: "text",
        isHeader: true,
        value: (row) => row.expectation,
        show: (row) => element("code", { text: row.expectation }),
      },
      {
        label: "Table",
        kind: "text",
        value: (row) => `${row.stage}.${row.tableName}`,
        show: (row) => `${row.stage}.${row.tableName}`,
      },
      textColumn("Then", "otherwise"),
      countColumn("Rows", "brokenCount"),
      rateColumn("Of the table", "quarantineRate", {
        value: (row) => row.brokenCount / row.rowCount,
        show: (row) => percent(row.rowCount ? row.brokenCount / row.rowCount : null),
      }),
      textColumn("For example", "examples"),
    ],
  });
}

function operations(host) {
  host.append(heading("Runs"));
  const rows = rowsOf("operationsHealth");
  if (rows.length === 0) {
    nothingHere(host, "operationsHealth", "No run is in the log yet.");
    return;
  }
  rows.sort((one, other) => one.stageOrder - other.stageOrder);
  table(host, {
    caption: "Health of the stages",
    rows,
    noun: ["stage", "stages"],
    columns: [
      {
        label: "Stage",
        kind: "text",
        isHeader: true,
        value: (row) => row.stageOrder,
        show: (row) => spoken(row.stage),
      },
      {
        label: "Health",
        kind: "state",
        value: (row) => row.isHealthy,
        show: (row) =>
          element(
            "span",
            {},
            element("span", {
              kind: `verdict ${row.isHealthy ? "good" : "bad"}`,
              text: row.isHealthy ? "Healthy" : "Unwell",
            }),
            element("span", { kind: "detail", text: row.isHealthy ? "" : row.healthReason || "" }),
          ),
      },
      {
        label: "Last release",
        kind: "date",
        value: (row) => row.lastReleaseDateTime,
        show: (row) => instant(row.lastReleaseDateTime),
      },
      countColumn("Runs", "runCount"),
      rateColumn("Succeeded", "successRate"),
      {
        label: "Mean time",
        kind: "number",
        value: (row) => row.meanDurationSeconds,
        show: (row) => duration(isMissing(row.meanDurationSeconds) ? null : row.meanDurationSeconds * 1000),
      },
      countColumn("Rows", "rowCount"),
      rateColumn("Set aside", "quarantineRate"),
    ],
  });
  const api = rowsOf("apiHealth");
  if (api.length === 0) return;
  host.append(heading("The API"));
  table(host, {
    caption: "Health of the API by kind of data",
    rows: api,
    noun: ["kind of data", "kinds of data"],
    columns: [
      { label: "Data", kind: "text", isHeader: true, value: resourceName, show: resourceName },
      countColumn("Requests", "requestCount"),
      rateColumn("Failed", "failureRate"),
      rateColumn("Forbidden", "forbiddenRate"),
      {
        label: "Mean time",
        kind: "number",
        value: (row) => row.meanDurationMs,
        show: (row) => duration(row.meanDurationMs),
      },
      {
        label: "95 of 100 within",
        kind: "number",
        value: (row) => row.p95DurationMs,
        show: (row) => duration(row.p95DurationMs),
      },
      textColumn("Last failure", "lastFailureMessage"),
    ],
  });
}
