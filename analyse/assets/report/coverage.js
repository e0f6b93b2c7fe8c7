// Requirements and their test cases: how many are covered, which are not.

function showCoverage(host) {
  const rows = rowsOf("coverageByProject").filter(inProject);
  if (rows.length === 0) {
    nothingHere(host, "coverageByProject", "No project here has requirements.");
    return;
  }
  const all = rows.filter((row) => row.priorityLabel === "All");
  const total = {};
  for (const key of ["requirementCount", "coveredCount", "executedCount", "fullyPassedCount", "metCount"]) {
    total[key] = sum(all, (row) => row[key]);
  }
  const ofAll = (key) => (total.requirementCount ? total[key] / total.requirementCount : null);
  host.append(
    figures([
      {
        label: "Requirements",
        value: count(total.requirementCount),
        more: scope.project === null ? `in ${plural(all.length, "project", "projects")}` : "in this project",
      },
      ...[
        ["coveredCount", "With a test case"],
        ["executedCount", "All test cases executed"],
        ["fullyPassedCount", "All latest runs passed"],
        ["metCount", "Met across all cycles"],
      ].map(([key, label]) => ({
        label,
        value: percent(ofAll(key)),
        more: `${count(total[key])} of ${count(total.requirementCount)}`,
        share: share([["passed", total[key]]], total.requirementCount, "thin"),
      })),
    ]),
  );
  if (scope.release !== null) host.append(paragraph("Coverage is told for the whole project.", "muted"));
  if (scope.project === null) coverageProjects(host, all);
  coveragePriorities(host, rows);
  coverageChart(host);
  gaps(host);
}

const rateOf = (key) => (row) => (row.requirementCount ? row[key] / row.requirementCount : null);
const coverageColumns = (first) => [
  first,
  countColumn("Requirements", "requirementCount"),
  ...[
    ["coveredCount", "Covered"],
    ["executedCount", "Executed"],
    ["fullyPassedCount", "Passed"],
    ["metCount", "Met"],
  ].map(([key, label]) => ({
    label,
    kind: "number",
    needs: key,
    value: rateOf(key),
    show: (row) => meter(percent(rateOf(key)(row)), rateOf(key)(row)),
  })),
  countColumn("Without a test case", "remainingCount"),
];

function coverageProjects(host, rows) {
  host.append(heading("By project"));
  table(host, {
    caption: "Coverage by project",
    noun: ["project", "projects"],
    search: (row) => row.projectName,
    rows: rows.slice().sort((one, other) => other.remainingCount - one.remainingCount),
    onPick: (row) => choose({ project: row.projectId, release: null, cycle: null, at: "coverage" }),
    columns: known(
      "coverageByProject",
      coverageColumns(nameColumn("Project", "projectName", { isHeader: true, show: (row) => named(row.projectName) })),
    ),
  });
}

const PRIORITIES = ["Critical", "High", "Medium", "Low", "None"];
function coveragePriorities(host, rows) {
  const groups = PRIORITIES.map((label) => {
    const own = rows.filter((row) => row.priorityLabel === label);
    const group = { label };
    for (const key of [
      "requirementCount",
      "coveredCount",
      "executedCount",
      "fullyPassedCount",
      "metCount",
      "remainingCount",
    ])
      group[key] = sum(own, (row) => row[key]);
    return group;
  }).filter((group) => group.requirementCount > 0);
  if (groups.length < 2) return;
  host.append(heading("By priority"));
  table(host, {
    caption: "Coverage by priority",
    rows: groups,
    noun: ["priority", "priorities"],
    columns: known(
      "coverageByProject",
      coverageColumns({
        label: "Priority",
        kind: "text",
        isHeader: true,
        value: (row) => PRIORITIES.indexOf(row.label),
        show: (row) => row.label,
      }),
    ),
  });
}

// Requirements still without a test case, over the days of the cycle that is looked at.
function coverageChart(host) {
  if (scope.project === null) return;
  const { columns } = columnsOf("coverageBurndown");
  const ids = columns.cycleId || [];
  const wanted =
    scope.cycle !== null ? scope.cycle : (chartedCycles().find((row) => ids.includes(row.cycleId)) || {}).cycleId;
  const [from, to] = [ids.indexOf(wanted), ids.lastIndexOf(wanted) + 1];
  host.append(heading("Coverage burn-down"));
  if (isMissing(wanted) || from < 0) {
    nothingHere(host, "coverageBurndown", "No cycle here has a calendar to draw the coverage over.");
    return;
  }
  const part = (key) => (columns[key] || []).slice(from, to);
  const days = part("date");
  const within = part("isWithinCycle");
  const remaining = part("remainingCount");
  const cycle = byId.cycle.get(wanted).row;
  const known = remaining.filter((value) => !isMissing(value));
  lineChart(host, {
    label:
      `Requirements without a test case during ${isolated(cycle.cycleName)}: ${count(known[0])} at first, ` +
      `${count(known[known.length - 1])} at last. The figures follow as a table.`,
    days,
    lines: [
      { key: "remaining", label: "Without a test case", width: 3, values: remaining, isFilled: true, isStepped: true },
      {
        key: "planned",
        label: "Planned",
        width: 2,
        dash: [7, 5],
        values: part("plannedRemaining").map((value, at) => (within[at] === false ? null : value)),
      },
      { key: "scope", label: "Requirements", width: 1.5, values: part("requirementCount"), isStepped: true },
    ],
    markers: [
      { at: cycle.cycleEndDate, label: "planned end" },
      { at: report.asOf, label: "as of" },
    ],
    notes: [
      `During ${cycle.cycleName || "the cycle"}. A requirement is covered from the day its first link to a test ` +
        "case was seen.",
    ],
    first: report.asOf,
    noun: "Coverage by day",
  });
}

function gaps(host) {
  const rows = rowsOf("requirementGap").filter(inProject);
  host.append(heading("Gaps"));
  if (rows.length === 0) {
    nothingHere(host, "requirementGap", "No gap: every requirement here has test cases, and all of them passed.");
    return;
  }
  rows.sort(
    (one, other) =>
      Boolean(other.isBusinessCritical) - Boolean(one.isBusinessCritical) ||
      (one.gapOrder || 0) - (other.gapOrder || 0) ||
      (one.requirementPriorityNumeric || 9) - (other.requirementPriorityNumeric || 9),
  );
  const kinds = new Map();
  for (const row of rows) kinds.set(row.gap, (kinds.get(row.gap) || 0) + 1);
  host.append(paragraph(`${listed([...kinds].map(([gap, number]) => `${count(number)} ${gap.toLowerCase()}`))}.`));
  table(host, {
    caption: "Requirements with a gap",
    rows,
    noun: ["gap", "gaps"],
    search: (row) => [row.requirementName, row.externalId, row.projectName, row.folderPath, row.gap].join(" "),
    columns: known("requirementGap", [
      nameColumn("Requirement", "requirementName", {
        isHeader: true,
        show(row) {
          const cell = element("span", {}, namedInTable(row.requirementName));
          if (row.isBusinessCritical) cell.append(badge("critical", "bad"));
          return cell;
        },
      }),
      textColumn("Gap", "gap", { value: (row) => row.gapOrder }),
      ...(scope.project === null ? [nameColumn("Project", "projectName")] : []),
      textColumn("Id", "externalId", { needs: "externalId" }),
      textColumn("Folder", "folderPath", { needs: "folderPath" }),
      countColumn("Linked", "linkedTestcaseCount"),
      countColumn("Executed", "executedTestcaseCount"),
      countColumn("Passed", "passedTestcaseCount"),
      countColumn("Age in days", "requirementAgeDays", { needs: "requirementAgeDays" }),
    ]),
  });
  if (columnsOf("requirementGap").left > 0) {
    host.append(
      paragraph(
        `${plural(columnsOf("requirementGap").left, "more gap is", "more gaps are")} in the table ` +
          "analyse.requirementGap.",
        "muted",
      ),
    );
  }
}
