// What the page is about: project, release and cycle chosen, kept in the address so that it can be shared.

const SECTIONS = [
  "overview",
  "progress",
  "burn-down",
  "results",
  "matrix",
  "coverage",
  "tests",
  "hygiene",
  "quality",
  "dictionary",
];
const OWN_POLICY = (columnsOf("burndown").columns.burnPolicy || [])[0] || "executed";
const scope = { project: null, release: null, cycle: null, policy: OWN_POLICY, at: "" };

// ---- the tree of projects, releases and cycles ----------------------------------------------------------------------

const byId = { project: new Map(), release: new Map(), cycle: new Map() };
function note(kind, id, name, more) {
  if (isMissing(id)) return;
  const found = byId[kind].get(id);
  if (!found) byId[kind].set(id, { id, name, ...more });
  else if (!found.name && name) found.name = name;
}
for (const row of rowsOf("projectProgress")) note("project", row.projectId, row.projectName, {});
for (const row of rowsOf("releaseProgress")) {
  note("project", row.projectId, row.projectName, {});
  note("release", row.releaseId, row.releaseName, { project: row.projectId });
}
for (const row of rowsOf("cycleProgress")) {
  note("project", row.projectId, row.projectName, {});
  note("release", row.releaseId, row.releaseName, { project: row.projectId });
  note("cycle", row.cycleId, row.cycleName, { project: row.projectId, release: row.releaseId, row });
}
for (const row of rowsOf("passRate")) {
  if (row.level === "project") note("project", row.projectId, row.projectName, {});
  if (row.level === "release") note("release", row.releaseId, row.releaseName, { project: row.projectId });
}

const nameOf = (kind, id) => (byId[kind].get(id) || {}).name;
const within = (row) =>
  (scope.project === null || row.projectId === scope.project) &&
  (scope.release === null || row.releaseId === scope.release) &&
  (scope.cycle === null || row.cycleId === scope.cycle);
const inProject = (row) => scope.project === null || row.projectId === scope.project;
const scopeLevel = () =>
  scope.cycle !== null ? "cycle" : scope.release !== null ? "release" : scope.project !== null ? "project" : "all";

// The names of the choice, as an element: they are other people's text.
function scopeName() {
  const names = [];
  if (scope.project !== null) names.push(named(nameOf("project", scope.project)));
  if (scope.release !== null) names.push(named(nameOf("release", scope.release)));
  if (scope.cycle !== null) names.push(named(nameOf("cycle", scope.cycle)));
  const host = element("span");
  names.forEach((name, index) => host.append(...(index ? [" \u203a "] : []), name));
  if (names.length === 0) host.append("All projects");
  return host;
}

// ---- the address ----------------------------------------------------------------------------------------------------

function addressOf(changes = {}) {
  const wanted = { ...scope, ...changes };
  const parts = [];
  for (const key of ["project", "release", "cycle"]) {
    if (wanted[key] !== null) parts.push(`${key}=${encodeURIComponent(wanted[key])}`);
  }
  if (wanted.policy !== OWN_POLICY) parts.push(`policy=${wanted.policy}`);
  if (wanted.at) parts.push(`at=${wanted.at}`);
  return `#${parts.join("&")}`;
}

// Whatever is not in the data is left out; a cycle brings its release and project with it.
function readAddress() {
  const given = new Map(
    location.hash
      .slice(1)
      .split("&")
      .map((part) => {
        const [key, value] = part.split("=");
        return [key, value || ""];
      }),
  );
  const id = (kind) => {
    if (!given.has(kind)) return null;
    const text = decodeSafely(given.get(kind));
    const found = [...byId[kind].keys()].find((known) => String(known) === text);
    return found === undefined ? null : found;
  };
  scope.cycle = id("cycle");
  scope.release = scope.cycle !== null ? byId.cycle.get(scope.cycle).release : id("release");
  scope.project =
    scope.release !== null && byId.release.has(scope.release) ? byId.release.get(scope.release).project : id("project");
  if (scope.cycle !== null) scope.project = byId.cycle.get(scope.cycle).project;
  scope.policy = ["passed", "executed"].includes(given.get("policy")) ? given.get("policy") : OWN_POLICY;
  scope.at = SECTIONS.includes(given.get("at")) ? given.get("at") : "";
}
function decodeSafely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

let isOwnChange = false;
function choose(changes) {
  Object.assign(scope, changes);
  const wanted = addressOf();
  if (location.hash !== wanted && !(location.hash === "" && wanted === "#")) {
    isOwnChange = true;
    location.hash = wanted;
  }
  showScope();
  if (changes.at) goTo(changes.at);
}
const chooseProject = (id) => choose({ project: id, release: null, cycle: null });
const chooseRelease = (id) =>
  choose({ project: id === null ? scope.project : byId.release.get(id).project, release: id, cycle: null });
function chooseCycle(id) {
  if (id === null) {
    choose({ cycle: null });
    return;
  }
  const { project, release } = byId.cycle.get(id);
  choose({ project, release, cycle: id });
}

// ---- the three lists ------------------------------------------------------------------------------------------------

const selects = { project: place("choose-project"), release: place("choose-release"), cycle: place("choose-cycle") };

function fillSelect(kind, all, entries) {
  const select = selects[kind];
  const byName = entries.slice().sort((one, other) => collator.compare(one.name || "", other.name || ""));
  select.replaceChildren(
    element("option", { value: "", text: all }),
    ...byName.map(({ id, name }) => element("option", { value: String(id), text: name || `(no name, ${id})` })),
  );
  select.value = scope[kind] === null ? "" : String(scope[kind]);
  select.disabled = entries.length === 0;
}

function fillSelects() {
  const releases = [...byId.release.values()].filter(({ project }) => project === scope.project);
  const cycles = [...byId.cycle.values()].filter(
    (cycle) => cycle.project === scope.project && (scope.release === null || cycle.release === scope.release),
  );
  fillSelect("project", `All projects (${count(byId.project.size)})`, [...byId.project.values()]);
  fillSelect(
    "release",
    scope.project === null ? "Choose a project first" : `All releases (${count(releases.length)})`,
    releases,
  );
  fillSelect(
    "cycle",
    scope.project === null ? "Choose a project first" : `All cycles (${count(cycles.length)})`,
    cycles,
  );
}

function listenToSelects() {
  const chosen = (kind) => {
    const text = selects[kind].value;
    return text === "" ? null : [...byId[kind].keys()].find((id) => String(id) === text);
  };
  selects.project.addEventListener("change", () => chooseProject(chosen("project")));
  selects.release.addEventListener("change", () => chooseRelease(chosen("release")));
  selects.cycle.addEventListener("change", () => chooseCycle(chosen("cycle")));
}

// ---- cycles, everywhere the same ------------------------------------------------------------------------------------

const cycleRows = rowsOf("cycleProgress");

function stateOf(row) {
  if (row.isActiveCycle) return "Active";
  if (row.isFutureCycle) return "Upcoming";
  if (row.isPastCycle) return "Finished";
  return "No dates";
}
const STATE_ORDER = { Active: 0, Upcoming: 1, Finished: 2, "No dates": 3 };

// Under way: what ends first; to come: what starts first; over: what ended last.
function cycleOrder(one, other) {
  const [left, right] = [stateOf(one), stateOf(other)];
  if (left !== right) return STATE_ORDER[left] - STATE_ORDER[right];
  if (left === "Active") return (one.cycleEndDate || 0) - (other.cycleEndDate || 0);
  if (left === "Upcoming") return (one.cycleStartDate || 0) - (other.cycleStartDate || 0);
  return (other.cycleEndDate || 0) - (one.cycleEndDate || 0);
}

function verdictOf(row) {
  if (!row.totalTestcases || isMissing(row.isOnTrack)) return { text: NOTHING, rank: null };
  if (row.remainingTestcases === 0) return { text: "Done", kind: "good", rank: 0 };
  if (row.isFutureCycle) return { text: "Not started", rank: 1 };
  const days = row.daysBehindSchedule;
  if (row.isPastCycle)
    return {
      text: "Ended unfinished",
      kind: "bad",
      rank: 300 + row.remainingTestcases,
      detail: `${count(row.remainingTestcases)} left`,
    };
  if (row.isOnTrack) return { text: "On track", kind: "good", rank: 2 };
  return {
    text: "Behind",
    kind: "bad",
    rank: 3 + Math.max(0, days || 0),
    detail: days > 0 ? `${plural(days, "working day", "working days")}` : "",
  };
}
function verdictCell(row) {
  const { text, detail, kind } = verdictOf(row);
  const cell = element("span", {}, element("span", { kind: `verdict ${kind || ""}`, text }));
  if (detail) cell.append(element("span", { kind: "detail", text: detail }));
  return cell;
}
