// Burn-down: what remains of a cycle, day by day, against its plan.

// The days of each cycle lie together; where they begin and end.
const burnDays = columnsOf("burndown");
const burnRanges = new Map();
{
  const ids = burnDays.columns.cycleId || [];
  for (let at = 0; at < ids.length; at += 1) {
    const range = burnRanges.get(ids[at]);
    if (range) range.to = at + 1;
    else burnRanges.set(ids[at], { from: at, to: at + 1 });
  }
  // The last one may be cut short where there were too many days.
  if (burnDays.left > 0) burnRanges.delete(ids[ids.length - 1]);
}

const POLICIES = [
  ["executed", "it was executed"],
  ["passed", "it passed"],
];
const POLICY_WORDS = {
  executed: "A test case is burned once an execution of it passed, failed or was blocked.",
  passed: "A test case is burned once an execution of it passed.",
};
// Counts are there for both policies; what is judged by them, at least for the one the controls name.
const BY_POLICY = {
  remainingCount: "remainingBy%Count",
  burnedCount: "burnedBy%Count",
  daysBehind: "daysBehindBy%",
  forecastDate: "forecastDateBy%",
  burndownHealthScore: "burndownHealthScoreBy%",
};
const hasPolicies = Boolean(burnDays.columns.remainingByPassedCount);
function policyColumn(name) {
  const given = burnDays.columns[BY_POLICY[name].replace("%", scope.policy === "passed" ? "Passed" : "Executed")];
  return given || (scope.policy === OWN_POLICY || !hasPolicies ? burnDays.columns[name] : undefined) || [];
}

const TAIL_DAYS = 10;

// One cycle as lists, cut where a flat line would say nothing more.
function burndownOf(cycleId) {
  const range = burnRanges.get(cycleId);
  if (!range) return null;
  const part = (name) => (burnDays.columns[name] ? burnDays.columns[name].slice(range.from, range.to) : []);
  const ofPolicy = (name) => policyColumn(name).slice(range.from, range.to);
  const dates = part("date");
  const [isFuture, isWithin, isWorking] = [part("isFuture"), part("isWithinCycle"), part("isWorkingDay")];
  const [inScope, remaining, planned] = [part("inScopeCount"), ofPolicy("remainingCount"), part("plannedRemaining")];
  const [added, removed] = [part("addedCount"), part("removedCount")];
  const [adjusted, behind] = [part("plannedAdjusted"), ofPolicy("daysBehind")];
  const [forecast, health] = [ofPolicy("forecastDate"), ofPolicy("burndownHealthScore")];
  let today = -1;
  let telling = 0;
  for (let at = 0; at < dates.length; at += 1) {
    if (!isFuture[at]) today = at;
    const isChange =
      at > 0 && (inScope[at] !== inScope[at - 1] || remaining[at] !== remaining[at - 1]) && !isMissing(remaining[at]);
    if (isWithin[at] || isChange) telling = at;
  }
  const length = Math.min(dates.length, telling + 1 + TAIL_DAYS);
  const cut = (list) => list.slice(0, length);
  const isAdjusted = adjusted.some(
    (value, at) => !isMissing(value) && !isMissing(planned[at]) && Math.abs(value - planned[at]) > 0.5,
  );
  return {
    days: cut(dates),
    inScope: cut(inScope),
    remaining: cut(remaining),
    planned: cut(planned).map((value, at) => (isWithin[at] === false ? null : value)),
    adjusted: isAdjusted ? cut(adjusted).map((value, at) => (isWithin[at] === false ? null : value)) : null,
    daysOff: isWorking.map((value, at) => (value === false ? at : -1)).filter((at) => at >= 0 && at < length),
    added,
    removed,
    addedTotal: added.slice(1).reduce((total, value) => total + (value || 0), 0),
    removedTotal: removed.reduce((total, value) => total + (value || 0), 0),
    today:
      today < 0 || isMissing(remaining[today])
        ? null
        : {
            date: dates[today],
            inScope: inScope[today],
            remaining: remaining[today],
            planned: planned[today],
            behind: behind[today],
            forecast: forecast[today],
            health: health[today],
          },
  };
}

// The forecast, drawn on from the last day with facts; a finish far away would squeeze what happened into a corner, so
// that the line then leaves at the edge.
function withForecast(burndown) {
  const { days, today } = burndown;
  const finish = today && today.forecast;
  const from = today ? days.indexOf(today.date) : -1;
  if (from < 0 || !(today.remaining > 0) || isMissing(finish) || finish <= today.date) {
    return { days, forecast: null };
  }
  const last = days[days.length - 1];
  const room = Math.max(14, Math.round((last - days[0]) / 2));
  const edge = Math.max(last, Math.min(finish, last + room));
  const longer = days.slice();
  for (let day = last + 1; day <= edge; day += 1) longer.push(day);
  const forecast = longer.map((day, index) =>
    index >= from && day <= finish ? (today.remaining * (finish - day)) / (finish - today.date) : null,
  );
  return { days: longer, forecast };
}

function paceText(behind) {
  const days = Math.round(behind * 10) / 10;
  if (days === 0) return "exactly on plan";
  const amount = `${tenths.format(Math.abs(days))} working ${Math.abs(days) === 1 ? "day" : "days"}`;
  return days > 0 ? `${amount} behind the plan` : `${amount} ahead of the plan`;
}

function burndownSummary({ today }, cycle) {
  const end = cycle.cycleEndDate;
  if (!today) return "Nothing has happened in this cycle yet.";
  const told = [
    `On ${longDate(today.date)}, ${count(today.remaining)} of ` +
      `${plural(today.inScope, "test case", "test cases")} remained`,
  ];
  if (!isMissing(today.planned)) told[0] += `; the plan had ${decimal(today.planned)}`;
  if (today.remaining > 0 && !isMissing(today.behind)) told[0] += `, so the cycle was ${paceText(today.behind)}`;
  if (isMissing(today.planned)) told.push("There is no plan, because the cycle has no end date or no working days");
  if (today.remaining === 0 && !isMissing(today.forecast)) {
    told.push(`The last test case was burned on ${longDate(today.forecast)}`);
  } else if (!isMissing(today.forecast) && today.forecast > today.date) {
    const late = isMissing(end) ? null : today.forecast - end;
    let against = "";
    if (late > 0) against = `, ${plural(late, "day", "days")} after its planned end`;
    if (late === 0) against = ", on its planned end";
    if (late < 0) against = `, ${plural(-late, "day", "days")} before its planned end`;
    told.push(`At the pace so far nothing would remain on ${longDate(today.forecast)}${against}`);
  } else if (today.remaining > 0) {
    told.push("At the pace so far no finish is in sight");
  }
  return `${told.join(". ")}.`;
}

function burndownFigures({ today, addedTotal, removedTotal }, cycle) {
  if (!today) return [];
  const behind = today.remaining === 0 ? null : today.behind;
  const isLate = !isMissing(behind) && Math.round(behind * 10) > 0;
  return [
    { label: "Remaining", value: count(today.remaining), more: `of ${count(today.inScope)} in scope` },
    { label: "Planned remaining", value: decimal(today.planned), more: `on ${shortDate(today.date)}` },
    {
      label: isMissing(behind) || isLate ? "Working days behind" : "Working days ahead",
      value: isMissing(behind) ? NOTHING : decimal(Math.abs(behind)),
      kind: isLate ? "bad" : "good",
    },
    {
      label: today.remaining === 0 ? "Finished" : "Forecast finish",
      value: shortDate(today.forecast),
      more: isMissing(cycle.cycleEndDate) ? "no planned end" : `planned ${shortDate(cycle.cycleEndDate)}`,
    },
    {
      label: "Scope change",
      value: `+${count(addedTotal)} \u2212${count(removedTotal)}`,
      more: "test cases since the start",
    },
    {
      label: "Burn-down health",
      value: isMissing(today.health) ? NOTHING : count(Math.round(today.health)),
      more: "of 100",
    },
  ];
}

// Which cycle is drawn when none is chosen: the busiest under way, else the one executed last.
function chartedCycles() {
  const rows = cycleRows.filter((row) => within(row) && burnRanges.has(row.cycleId) && row.totalTestcases > 0);
  return rows.sort(
    (one, other) =>
      Boolean(other.isActiveCycle) - Boolean(one.isActiveCycle) ||
      (one.isActiveCycle ? other.completedExecutions - one.completedExecutions : 0) ||
      (other.lastExecutionDate || 0) - (one.lastExecutionDate || 0) ||
      other.completedExecutions - one.completedExecutions,
  );
}

const SMALL_LIMIT = 12;
let burndownShown = null;

function showBurndown(host) {
  const charted = chartedCycles();
  if (charted.length === 0) {
    nothingHere(
      host,
      "burndown",
      scope.cycle === null
        ? "No cycle here has test cases and a start date, so there is nothing to burn down."
        : "This cycle has no test cases or no start date, so there is nothing to burn down.",
    );
    return;
  }
  if (!charted.some((row) => row.cycleId === burndownShown)) burndownShown = charted[0].cycleId;
  if (scope.cycle !== null) burndownShown = scope.cycle;
  if (hasPolicies) {
    host.append(
      choiceOf({
        legend: "A test case is burned when",
        name: "policy",
        options: POLICIES,
        value: scope.policy,
        onChoose: (policy) => {
          choose({ policy });
          place(`policy-${policy}`).focus();
        },
      }),
    );
  }
  const panel = element("div");
  host.append(panel);
  drawBurndown(
    panel,
    charted.find((row) => row.cycleId === burndownShown),
  );
  if (charted.length > 1) smallBurndowns(host, charted, panel);
  if (burnDays.left > 0) {
    host.append(paragraph("The burn-downs of some older cycles are in the table analyse.burndown only.", "muted"));
  }
}

function drawBurndown(panel, cycle) {
  forgetCharts(panel);
  const burndown = burndownOf(cycle.cycleId);
  const title = element(
    "h3",
    { id: "burn-down-cycle" },
    named(cycle.projectName),
    " \u203a ",
    named(cycle.releaseName),
    " \u203a ",
    named(cycle.cycleName),
  );
  if (cycle.isStale) title.append(staleBadge());
  const { days, forecast } = withForecast(burndown);
  const filled = (list) => list.concat(Array(days.length - list.length).fill(null));
  const lines = [
    { key: "remaining", label: "Remaining", width: 3, values: filled(burndown.remaining), isFilled: true },
    { key: "planned", label: "Planned", width: 2, dash: [7, 5], values: filled(burndown.planned) },
  ];
  if (burndown.adjusted) {
    lines.push({
      key: "adjusted",
      label: "Planned, scope as it is",
      width: 1.5,
      dash: [3, 3],
      values: filled(burndown.adjusted),
    });
  }
  lines.push({ key: "scope", label: "In scope", width: 1.5, values: filled(burndown.inScope), isStepped: true });
  if (forecast) lines.push({ key: "forecast", label: "Forecast", width: 2, dash: [2, 4], values: forecast });
  const told = burndownSummary(burndown, cycle);
  const notes = [`${told} ${POLICY_WORDS[scope.policy]} Shaded days are not worked.`];
  panel.replaceChildren(title, figures(burndownFigures(burndown, cycle)));
  const path = [cycle.projectName, cycle.releaseName, cycle.cycleName].map(isolated).join(" \u203a ");
  lineChart(panel, {
    label: `Burn-down chart of ${path}. ${told} The figures follow as a table.`,
    days,
    lines,
    daysOff: burndown.daysOff,
    markers: [
      { at: cycle.cycleEndDate, label: "planned end" },
      { at: report.asOf, label: "as of" },
    ],
    notes,
    first: burndown.today && burndown.today.date,
    noun: "Burn-down by day",
  });
  scopeChanges(panel, burndown);
}

// What came and went after the start, as a list: the chart shows that it did, this says when.
function scopeChanges(host, { days, added, removed }) {
  const rows = days
    .map((date, at) => ({ date, added: at === 0 ? 0 : added[at], removed: removed[at] }))
    .filter((row) => row.added > 0 || row.removed > 0);
  if (rows.length === 0) return;
  const details = element(
    "details",
    {},
    element("summary", { text: `Scope changed on ${plural(rows.length, "day", "days")}` }),
  );
  table(details, {
    caption: "Days on which the scope changed",
    rows,
    noun: ["day", "days"],
    columns: [
      dateColumn("Day", "date", { isHeader: true }),
      countColumn("Added", "added"),
      countColumn("Removed", "removed"),
    ],
  });
  host.append(details);
}

function smallBurndowns(host, charted, panel) {
  const list = element("ul", { kind: "small-charts" });
  const shown = charted.slice(0, SMALL_LIMIT);
  for (const cycle of shown) {
    const burndown = burndownOf(cycle.cycleId);
    const top = burndown.inScope.reduce((most, value) => (value > most ? value : most), 1);
    const { text, kind } = verdictOf(cycle);
    const button = element(
      "button",
      { kind: "small-chart", type: "button", "aria-pressed": String(cycle.cycleId === burndownShown) },
      element("span", { kind: "name", dir: "auto", text: cycle.cycleName || "(no name)" }),
      sparkline(burndown.remaining, burndown.planned, top),
      element(
        "span",
        { kind: "detail" },
        element("span", { kind: kind || "", text: text === NOTHING ? stateOf(cycle) : text }),
        `, ${count(cycle.remainingTestcases)} of ${count(cycle.totalTestcases)} left`,
      ),
    );
    button.addEventListener("click", () => {
      burndownShown = cycle.cycleId;
      for (const other of list.querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
      drawBurndown(panel, cycle);
    });
    list.append(element("li", {}, button));
  }
  const others = element(
    "div",
    { kind: "others" },
    heading(scope.release === null ? "Other cycles here" : "Cycles of this release"),
    list,
  );
  if (charted.length > shown.length) {
    others.append(
      paragraph(
        `${plural(charted.length - shown.length, "more cycle has", "more cycles have")} a ` +
          "burn-down: choose one at the top.",
        "muted",
      ),
    );
  }
  host.append(others);
}
