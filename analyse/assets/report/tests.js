// Test cases: which of them flip, which nobody runs any more, and failures without a defect.

const RUN_WORDS = { P: "passed", F: "failed", B: "blocked" };
const RUN_KINDS = { P: "green", F: "red", B: "amber" };

// The latest runs, newest first, as letters on coloured shapes.
function runCell(results) {
  if (!results) return NOTHING;
  const letters = [...results].filter((letter) => RUN_WORDS[letter]);
  const cell = element("span", {
    kind: "runs",
    role: "img",
    "aria-label": `newest first: ${letters.map((letter) => RUN_WORDS[letter]).join(", ")}`,
  });
  for (const letter of letters) cell.append(element("span", { kind: `light ${RUN_KINDS[letter]}`, text: letter }));
  return cell;
}

function showTests(host) {
  const rows = rowsOf("testcaseStability").filter(inProject);
  const stale = rowsOf("staleTestcase").filter(inProject);
  const flaky = rows.filter((row) => row.isFlaky);
  const never = stale.filter((row) => row.staleReason === "never executed").length;
  const scored = rows.filter((row) => !isMissing(row.stabilityScore));
  if (rows.length + stale.length > 0) {
    host.append(
      figures([
        { label: "Test cases executed", value: count(rows.length + columnsOf("testcaseStability").left) },
        {
          label: "Flaky",
          value: count(flaky.length),
          kind: flaky.length > 0 ? "warn" : "good",
          more: "flip between pass and fail",
        },
        {
          label: "Mean stability",
          value: scored.length ? count(Math.round(sum(scored, (row) => row.stabilityScore) / scored.length)) : NOTHING,
          more: "of 100",
        },
        {
          label: "Stale",
          value: count(stale.length + columnsOf("staleTestcase").left),
          more: `${count(never)} never executed`,
        },
      ]),
    );
  }
  stability(host, rows, flaky);
  staleTests(host, stale);
  defects(host);
}

function stability(host, rows, flaky) {
  host.append(heading("Stability"));
  if (rows.length === 0) {
    nothingHere(host, "testcaseStability", "No test case here was ever executed.");
    return;
  }
  const shown = flaky.length > 0 ? flaky : rows;
  shown.sort(
    (one, other) =>
      (other.flakinessRate || 0) - (one.flakinessRate || 0) ||
      (one.stabilityScore || 0) - (other.stabilityScore || 0) ||
      other.executedCount - one.executedCount,
  );
  host.append(
    paragraph(
      flaky.length > 0
        ? "Flaky test cases, worst first: their result says more about them than " + "about the product."
        : "No test case is flaky; these are the least stable.",
    ),
  );
  table(host, {
    caption: "Least stable test cases",
    rows: shown.slice(0, 500),
    noun: ["test case", "test cases"],
    search: (row) => [row.testcaseName, row.projectName, row.folderPathDisplay, row.externalId].join(" "),
    columns: known("testcaseStability", [
      nameColumn("Test case", "testcaseName", { isHeader: true }),
      ...(scope.project === null ? [nameColumn("Project", "projectName")] : []),
      {
        label: "Latest runs",
        kind: "text",
        needs: "recentResults",
        value: (row) => row.recentResults,
        show: (row) => runCell(row.recentResults),
      },
      countColumn("Runs", "executedCount"),
      countColumn("Flips", "flipCount"),
      rateColumn("Flakiness", "flakinessRate", { needs: "flakinessRate" }),
      {
        label: "Stability",
        kind: "number",
        value: (row) => row.stabilityScore,
        show: (row) =>
          isMissing(row.stabilityScore)
            ? NOTHING
            : meter(count(Math.round(row.stabilityScore)), row.stabilityScore / 100),
      },
      rateColumn("Pass rate", "passRate"),
      dateColumn("Last run", "lastExecutionDate"),
    ]),
  });
}

function staleTests(host, rows) {
  host.append(heading("Stale test cases"));
  if (rows.length === 0) {
    nothingHere(host, "staleTestcase", "None: every test case here was executed lately.");
    return;
  }
  rows.sort(
    (one, other) =>
      (one.testcasePriorityNumeric || 9) - (other.testcasePriorityNumeric || 9) ||
      (other.daysSinceLastExecution || other.testcaseAgeDays || 0) -
        (one.daysSinceLastExecution || one.testcaseAgeDays || 0),
  );
  table(host, {
    caption: "Stale test cases",
    rows,
    noun: ["test case", "test cases"],
    search: (row) => [row.testcaseName, row.projectName, row.folderPathDisplay, row.staleReason].join(" "),
    columns: known("staleTestcase", [
      nameColumn("Test case", "testcaseName", { isHeader: true }),
      ...(scope.project === null ? [nameColumn("Project", "projectName")] : []),
      textColumn("Why", "staleReason"),
      textColumn("Priority", "priorityName", { needs: "priorityName", value: (row) => row.testcasePriorityNumeric }),
      textColumn("Folder", "folderPathDisplay", { needs: "folderPathDisplay" }),
      dateColumn("Last run", "lastExecutionDate"),
      countColumn("Age in days", "testcaseAgeDays"),
      countColumn("Requirements", "requirementCount"),
    ]),
  });
  const { left } = columnsOf("staleTestcase");
  if (left > 0) {
    host.append(paragraph(`${plural(left, "more is", "more are")} in the table analyse.staleTestcase.`, "muted"));
  }
}

function defects(host) {
  const rows = rowsOf("defectCompliance").filter(within);
  host.append(heading("Failures with a defect"));
  if (rows.length === 0) {
    nothingHere(host, "defectCompliance", "No execution here failed or was blocked.");
    return;
  }
  const failed = sum(rows, (row) => row.failedExecutions);
  const linked = sum(rows, (row) => row.failedWithDefect);
  host.append(
    paragraph(
      failed === 0
        ? "No execution here failed."
        : `${count(linked)} of ` +
            `${plural(failed, "failed execution names", "failed executions name")} a defect (${percent(linked / failed)}).`,
    ),
  );
  rows.sort((one, other) => other.failedWithoutDefect - one.failedWithoutDefect);
  table(host, {
    caption: "Failures with a defect, by cycle",
    rows,
    noun: ["cycle", "cycles"],
    search: (row) => [row.projectName, row.releaseName, row.cycleName].join(" "),
    columns: known("defectCompliance", [
      nameColumn("Cycle", "cycleName", { isHeader: true }),
      ...(scope.project === null ? [nameColumn("Project", "projectName")] : []),
      countColumn("Failed", "failedExecutions"),
      countColumn("Without defect", "failedWithoutDefect"),
      {
        label: "With defect",
        kind: "number",
        value: (row) => row.failedDefectLinkRate,
        show: (row) => meter(percent(row.failedDefectLinkRate), row.failedDefectLinkRate),
      },
      countColumn("Blocked", "blockedExecutions"),
      countColumn("Defects", "defectCount"),
      {
        label: "Target",
        kind: "state",
        value: (row) => row.isBelowTarget,
        show: (row) =>
          isMissing(row.isBelowTarget)
            ? NOTHING
            : element("span", {
                kind: `verdict ${row.isBelowTarget ? "bad" : "good"}`,
                text: row.isBelowTarget ? "Below" : "Reached",
              }),
      },
    ]),
  });
}
