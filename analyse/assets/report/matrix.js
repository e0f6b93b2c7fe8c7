// Requirements by cycles, as traffic lights: shape and letter say the same as the colour.

const verdictRows = rowsOf("requirementVerdict");
const matrixCells = columnsOf("requirementCycleMatrix");
const verdictsHere = () => verdictRows.filter(inProject);

const LETTERS = { Green: "G", Amber: "A", Red: "R", Grey: "\u2013", Unknown: "?" };
const VERDICTS = ["Not met", "In progress", "Not covered", "Not scheduled", "Met"];
const VERDICT_KINDS = {
  "Not met": "bad",
  "In progress": "warn",
  "Not covered": "warn",
  "Not scheduled": "",
  Met: "good",
};
const VERDICT_COLOURS = {
  Met: "green",
  "In progress": "amber",
  "Not met": "red",
  "Not covered": "grey",
  "Not scheduled": "pale",
};
const MATRIX_WORDS =
  "Green: nothing is open and all, or nearly all, of the executions passed. Amber: some are open or blocked, or not " +
  "enough passed. Red: one failed, or far too few passed. Grey: nothing is scheduled. Met: green in every cycle in " +
  "which the requirement is scheduled.";

// The cells of a requirement, by cycle.
const cellsOf = new Map();
{
  const { requirementId = [], cycleId = [] } = matrixCells.columns;
  for (let at = 0; at < requirementId.length; at += 1) {
    let cells = cellsOf.get(requirementId[at]);
    if (!cells) cellsOf.set(requirementId[at], (cells = new Map()));
    cells.set(cycleId[at], at);
  }
}
const cellValue = (name, at) => (matrixCells.columns[name] ? matrixCells.columns[name][at] : null);

const light = (name) => element("span", { kind: `light ${LIGHT_NAMES[name]}`, text: LETTERS[name] });
const lightKey = () =>
  element(
    "ul",
    { kind: "key lights" },
    ...["Green", "Amber", "Red", "Grey"].map((name) => element("li", {}, light(name), ` ${name}`)),
  );

// The cycles any requirement of the project is scheduled in, by their start.
function matrixCycles(requirements) {
  const ids = new Set();
  for (const row of requirements) for (const id of (cellsOf.get(row.requirementId) || new Map()).keys()) ids.add(id);
  const start = (id) => {
    const found = byId.cycle.get(id);
    return found && found.row && !isMissing(found.row.cycleStartDate) ? found.row.cycleStartDate : Infinity;
  };
  return [...ids]
    .filter((id) => {
      const found = byId.cycle.get(id);
      return (
        (scope.cycle === null || id === scope.cycle) &&
        (scope.release === null || (found && found.release === scope.release))
      );
    })
    .sort((one, other) => start(one) - start(other) || one - other);
}

const matrixState = { verdict: "", text: "", order: "worst" };

function matrixRows(requirements) {
  const terms = folded(matrixState.text).split(/\s+/).filter(Boolean);
  const found = requirements.filter(
    (row) =>
      (!matrixState.verdict || row.verdict === matrixState.verdict) &&
      terms.every((term) => folded([row.requirementName, row.externalId, row.folderPath].join(" ")).includes(term)),
  );
  const rank = (row) => VERDICTS.indexOf(row.verdict);
  const byName = (one, other) => collator.compare(one.requirementName || "", other.requirementName || "");
  return found.sort(
    matrixState.order === "worst"
      ? (one, other) =>
          rank(one) - rank(other) ||
          (other.redCount || 0) - (one.redCount || 0) ||
          (other.amberCount || 0) - (one.amberCount || 0) ||
          byName(one, other)
      : matrixState.order === "folder"
        ? (one, other) => collator.compare(one.folderPath || "", other.folderPath || "") || byName(one, other)
        : byName,
  );
}

// Where there were too many lights for one page, those of the last requirements are not in it.
const lastWithLights = matrixCells.left > 0 ? matrixCells.columns.requirementId[matrixCells.rows - 1] : Infinity;

function cellWords(row, cycleId) {
  const at = (cellsOf.get(row.requirementId) || new Map()).get(cycleId);
  if (row.requirementId >= lastWithLights) return "not in this report, which would be too large";
  if (at === undefined) return row.linkedTestcaseCount > 0 ? "grey, nothing scheduled" : "grey, no test case linked";
  const told = [
    ["passedCount", "passed"],
    ["failedCount", "failed"],
    ["blockedCount", "blocked"],
    ["pendingCount", "not executed"],
    ["otherCount", "other"],
  ]
    .filter(([key]) => cellValue(key, at) > 0)
    .map(([key, word]) => `${count(cellValue(key, at))} ${word}`);
  return (
    `${LIGHT_NAMES[cellValue("light", at)]}, ${plural(cellValue("executionCount", at), "execution", "executions")}: ` +
    `${told.join(", ")}`
  );
}
const lightAt = (row, cycleId) => {
  const at = (cellsOf.get(row.requirementId) || new Map()).get(cycleId);
  if (row.requirementId >= lastWithLights) return "Unknown";
  return at === undefined ? "Grey" : cellValue("light", at);
};

function showMatrix(host) {
  if (verdictRows.length === 0) {
    nothingHere(host, "requirementVerdict", "No project has requirements yet.");
    return;
  }
  if (scope.project === null) {
    matrixByProject(host);
    return;
  }
  const requirements = verdictsHere();
  if (requirements.length === 0) {
    host.append(paragraph("This project has no requirements, or they could not be read.", "nothing"));
    return;
  }
  const cycles = matrixCycles(requirements);
  const body = element("div");
  host.append(
    verdictBar(requirements),
    matrixControls(requirements, () => drawMatrix(body, requirements, cycles)),
    body,
  );
  drawMatrix(body, requirements, cycles);
  host.append(paragraph(MATRIX_WORDS, "muted"));
  if (matrixCells.left > 0) {
    host.append(
      paragraph(
        `${plural(matrixCells.left, "more light is", "more lights are")} in the table ` +
          "analyse.requirementCycleMatrix.",
        "muted",
      ),
    );
  }
}

const verdictCounts = (rows) =>
  VERDICTS.map((verdict) => [verdict, rows.filter((row) => row.verdict === verdict).length]);

function verdictBar(rows) {
  const counts = verdictCounts(rows)
    .filter(([, number]) => number > 0)
    .reverse();
  const bar = share(
    counts.map(([verdict, number]) => [VERDICT_COLOURS[verdict], number]),
    rows.length,
    "tall",
  );
  const words = element("ul", { kind: "key" });
  for (const [verdict, number] of counts) {
    words.append(
      element(
        "li",
        {},
        element("span", { kind: VERDICT_COLOURS[verdict] }),
        `${verdict}: ${count(number)} (${percent(number / rows.length)})`,
      ),
    );
  }
  return element("div", { kind: "verdicts" }, bar, words);
}

function matrixControls(requirements, onChange) {
  const option = (value, text) => element("option", { value, text });
  const verdict = element(
    "select",
    { id: "matrix-verdict" },
    option("", `All ${count(requirements.length)}`),
    ...verdictCounts(requirements)
      .filter(([, number]) => number > 0)
      .map(([name, number]) => option(name, `${name} (${count(number)})`)),
  );
  if (![...verdict.options].some(({ value }) => value === matrixState.verdict)) matrixState.verdict = "";
  verdict.value = matrixState.verdict;
  const order = element(
    "select",
    { id: "matrix-order" },
    option("worst", "Worst first"),
    option("name", "Name"),
    option("folder", "Folder"),
  );
  order.value = matrixState.order;
  const text = element("input", { type: "search", id: "matrix-text", autocomplete: "off", spellcheck: "false" });
  text.value = matrixState.text;
  const follow = (control, key, event) =>
    control.addEventListener(event, () => {
      matrixState[key] = control.value;
      onChange();
    });
  follow(verdict, "verdict", "change");
  follow(order, "order", "change");
  follow(text, "text", "input");
  const labelled = (control, label) => element("div", {}, element("label", { for: control.id, text: label }), control);
  return element(
    "div",
    { kind: "controls" },
    labelled(text, "Find a requirement, its id or folder"),
    labelled(verdict, "Verdict"),
    labelled(order, "Order"),
  );
}

function drawMatrix(host, requirements, cycles) {
  const rows = matrixRows(requirements);
  const told = element("p", {
    kind: "muted",
    role: "status",
    text:
      `${count(rows.length)} of ${plural(requirements.length, "requirement", "requirements")}, ` +
      `${plural(cycles.length, "cycle", "cycles")}. Arrow keys move from light to light.`,
  });
  host.replaceChildren(lightKey(), told);
  if (rows.length === 0) return;
  const picked = element("div", { kind: "picked", role: "status" }, paragraph("Press a light to read it.", "muted"));
  const titles = cycles.map((id) => nameOf("cycle", id) || `Cycle ${id}`);
  // Releases use the same names again and again.
  const whole = cycles.map((id, index) => {
    const release = byId.cycle.has(id) ? nameOf("release", byId.cycle.get(id).release) : "";
    return release ? `${titles[index]} (${release})` : titles[index];
  });
  virtualGrid(host, {
    label: "Requirements by cycles",
    columns: titles.map((title, index) => ({ title, hint: whole[index] })),
    rows: rows.length,
    head: (row) => [
      element("span", {
        kind: "name",
        dir: "auto",
        text: rows[row].requirementName || "(no name)",
        title: rows[row].requirementName,
      }),
      element("span", { kind: `on-phone ${VERDICT_KINDS[rows[row].verdict]}`, text: rows[row].verdict }),
    ],
    verdict: (row) => element("span", { kind: `verdict ${VERDICT_KINDS[rows[row].verdict]}`, text: rows[row].verdict }),
    cell: (row, column) => light(lightAt(rows[row], cycles[column])),
    spoken: (row, column) => `${isolated(whole[column])}: ${cellWords(rows[row], cycles[column])}`,
    onPick: (row, column) => describe(picked, rows[row], column < 0 ? null : cycles[column]),
  });
  host.append(picked);
}

// One light in words, with the way to its cycle.
function describe(host, row, cycleId) {
  const lines = [
    element(
      "h3",
      {},
      named(row.requirementName),
      ...(row.externalId ? [" ", badge(row.externalId)] : []),
      ...(row.isStale ? [staleBadge()] : []),
    ),
  ];
  if (cycleId !== null) {
    lines.push(
      element(
        "p",
        {},
        light(lightAt(row, cycleId)),
        " ",
        named(nameOf("cycle", cycleId)),
        `: ${cellWords(row, cycleId)}. `,
        element("a", { href: addressOf({ ...placeOf(cycleId), at: "burn-down" }), text: "To this cycle" }),
      ),
    );
  }
  lines.push(
    paragraph(
      `${row.verdict}: green in ${count(row.greenCount)}, amber in ${count(row.amberCount)}, red in ` +
        `${count(row.redCount)} of ${plural(row.cycleCount, "cycle", "cycles")}; ` +
        `${plural(row.linkedTestcaseCount, "test case", "test cases")} linked` +
        `${row.folderPath ? `; in ${row.folderPath}` : ""}.`,
      "muted",
    ),
  );
  host.replaceChildren(...lines);
}
function placeOf(cycleId) {
  const found = byId.cycle.get(cycleId);
  return found ? { project: found.project, release: found.release, cycle: cycleId } : {};
}

function matrixByProject(host) {
  const groups = new Map();
  for (const row of verdictRows) {
    if (!groups.has(row.projectId))
      groups.set(row.projectId, { projectId: row.projectId, projectName: row.projectName, rows: [] });
    groups.get(row.projectId).rows.push(row);
  }
  const rows = [...groups.values()]
    .map((group) => ({ ...group, counts: new Map(verdictCounts(group.rows)) }))
    .sort(
      (one, other) => other.counts.get("Not met") - one.counts.get("Not met") || other.rows.length - one.rows.length,
    );
  host.append(paragraph("Choose a project to see its requirements by cycles."), verdictBar(verdictRows));
  table(host, {
    caption: "Requirements of each project by verdict",
    rows,
    noun: ["project", "projects"],
    search: (row) => row.projectName,
    onPick: (row) => choose({ project: row.projectId, release: null, cycle: null, at: "matrix" }),
    columns: [
      nameColumn("Project", "projectName", { isHeader: true, show: (row) => named(row.projectName) }),
      { label: "Requirements", kind: "number", value: (row) => row.rows.length, show: (row) => count(row.rows.length) },
      {
        label: "Share",
        kind: "text",
        cellKind: "bar-cell",
        show: (row) =>
          share(
            VERDICTS.slice()
              .reverse()
              .map((verdict) => [VERDICT_COLOURS[verdict], row.counts.get(verdict)]),
            row.rows.length,
          ),
      },
      ...VERDICTS.map((verdict) => ({
        label: verdict,
        kind: "number",
        value: (row) => row.counts.get(verdict),
        show: (row) => count(row.counts.get(verdict)),
      })),
    ],
  });
}

// Paper cannot scroll: the latest cycles as letters, the requirements in the order of the page.
const PAPER_CYCLES = 14;
function matrixOnPaper(host) {
  if (scope.project === null || verdictRows.length === 0) return;
  const requirements = verdictsHere();
  const all = matrixCycles(requirements);
  const cycles = all.slice(-PAPER_CYCLES);
  const found = matrixRows(requirements);
  if (found.length === 0) return;
  const paper = element("div", { kind: "paper" });
  const legend = element("ol", {}, ...cycles.map((id) => element("li", {}, named(nameOf("cycle", id)))));
  table(paper, {
    caption: "Requirements by cycles",
    rows: found,
    noun: ["requirement", "requirements"],
    paperLimit: 150,
    columns: [
      nameColumn("Requirement", "requirementName", { isHeader: true }),
      textColumn("Verdict", "verdict"),
      ...cycles.map((id, index) => ({
        label: String(index + 1),
        kind: "date",
        show: (row) => light(lightAt(row, id)),
      })),
    ],
  });
  paper.append(
    legend,
    ...(all.length > cycles.length
      ? [paragraph(`The ${count(cycles.length)} latest of ${count(all.length)} cycles.`, "muted")]
      : []),
  );
  host.append(paper);
}
