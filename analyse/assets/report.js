"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report-data").textContent);
  const root = document.documentElement;

  // ---- words and numbers -------------------------------------------------------------------------------------------

  const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December"];
  const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
  const NOTHING = "\u2013";
  const wholes = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
  const tenths = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
  const collator = new Intl.Collator("en-GB", { numeric: true, sensitivity: "base" });

  const isMissing = (value) => value === null || value === undefined;
  const count = (value) => (isMissing(value) ? NOTHING : wholes.format(value));
  const decimal = (value) => (isMissing(value) ? NOTHING : tenths.format(value));
  const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
  const sum = (rows, value) => rows.reduce((total, row) => total + value(row), 0);

  // Never rounded up to 100 % or down to 0 %: those two say "all" and "none".
  function percent(rate) {
    if (isMissing(rate)) return NOTHING;
    const rounded = Math.round(rate * 1000) / 10;
    if (rate < 1 && rounded >= 100) return ">99.9%";
    if (rate > 0 && rounded <= 0) return "<0.1%";
    return `${tenths.format(rounded)}%`;
  }

  // Days are counted from a Monday, so that weekly marks of an axis fall on Mondays; no time zone takes part.
  const FIRST_MONDAY = Date.UTC(1970, 0, 5);
  const DAY_MS = 86400000;
  function dayNumber(date) {
    const [year, month, day] = date.split("-").map(Number);
    return Math.round((Date.UTC(year, month - 1, day) - FIRST_MONDAY) / DAY_MS);
  }
  function dayParts(number) {
    const date = new Date(FIRST_MONDAY + number * DAY_MS);
    return {
      day: date.getUTCDate(),
      month: MONTHS[date.getUTCMonth()],
      year: date.getUTCFullYear(),
      weekday: WEEKDAYS[((number % 7) + 7) % 7],
    };
  }
  function shortDate(date) {
    if (isMissing(date)) return NOTHING;
    const { day, month, year } = dayParts(dayNumber(date));
    return `${day}\u00a0${month.slice(0, 3)} ${year}`;
  }
  function longDate(date) {
    const { day, month, year } = dayParts(dayNumber(date));
    return `${day} ${month} ${year}`;
  }

  // ---- elements ----------------------------------------------------------------------------------------------------

  // Names are other people's text: they reach the page through textContent and attributes that hold plain text only.
  function element(tag, { text, id, kind, ...attributes } = {}, ...children) {
    const made = document.createElement(tag);
    if (id) made.id = id;
    if (kind) made.className = kind;
    if (!isMissing(text)) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  }
  const place = (id) => document.getElementById(id);
  const paragraph = (text, kind = "") => element("p", { text, kind });
  const named = (text, missing = "(no name)") =>
    element("span", { kind: "name", dir: "auto", text: text || missing });

  // In a table a very long name would push all else away: it shows its first lines, and the rest when pressed.
  const LONG_NAME = 72;
  function namedInTable(text, missing) {
    if (!text || text.length <= LONG_NAME) return named(text, missing);
    const button = element("button",
      { kind: "name long", dir: "auto", type: "button", text, "aria-expanded": "false" });
    button.addEventListener("click", () => {
      button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") === "false"));
    });
    return button;
  }

  // Where only text can stand, isolates keep one name's writing direction out of the next.
  const isolated = (text) => `\u2068${text || "(no name)"}\u2069`;
  const pathText = (row) => [row.projectName, row.releaseName, row.cycleName].map(isolated).join(" \u203a ");

  function figures(host, list) {
    for (const { label, value, more, kind } of list) {
      const lines = [element("dd", { kind: `big ${kind || ""}`, text: value })];
      if (more) lines.push(element("dd", { kind: "more", text: more }));
      host.append(element("div", {}, element("dt", { text: label }), ...lines));
    }
  }

  // Shares of a whole as a bar. The figures stand beside it as text, so it is hidden from screen readers.
  function share(parts, whole, kind = "") {
    const bar = element("div", { kind: `share ${kind}`, "aria-hidden": "true" });
    for (const [name, value] of parts) {
      if (!(value > 0 && whole > 0)) continue;
      const part = element("span", { kind: name });
      part.style.width = `${(100 * value) / whole}%`;
      bar.append(part);
    }
    return bar;
  }

  // ---- tables ------------------------------------------------------------------------------------------------------

  // A phone scrolls through a screen for every few rows; the rest is one press away.
  const ROW_LIMIT = matchMedia("(max-width: 47.99rem)").matches ? 20 : 250;
  const tables = [];

  // columns: { label, kind: text | number | date | state, value(row) to sort by, show(row) text or node, isHeader }
  function table(host, { caption, columns, rows, isSortable, isTall, footer, matches, noun }) {
    const body = element("tbody");
    const state = { column: null, isDescending: false, terms: [], limit: ROW_LIMIT };
    const status = element("p", { kind: "muted", role: "status" });
    const more = element("button", { kind: "more-rows", type: "button" });
    const headers = columns.map((column) => {
      const header = element("th", { scope: "col", kind: column.kind });
      if (!isSortable || !column.value) {
        header.textContent = column.label;
        return header;
      }
      const button = element("button", { type: "button", text: column.label });
      button.addEventListener("click", () => {
        const isSame = state.column === column;
        state.isDescending = isSame ? !state.isDescending : column.kind === "number";
        state.column = column;
        for (const other of headers) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", state.isDescending ? "descending" : "ascending");
        draw();
      });
      header.append(button);
      return header;
    });

    function ordered() {
      const found = state.terms.length === 0 ? rows.slice() : rows.filter((row) => matches(row, state.terms));
      const { column } = state;
      if (!column) return found;
      const sign = state.isDescending ? -1 : 1;
      const values = new Map(found.map((row) => [row, column.value(row)]));
      return found.sort((one, other) => {
        const [left, right] = [values.get(one), values.get(other)];
        // What is missing comes last in either direction.
        if (isMissing(left) || isMissing(right)) return isMissing(left) - isMissing(right);
        if (typeof left === "number") return sign * (left - right);
        return sign * collator.compare(left, right);
      });
    }

    function line(row, kind = "") {
      const made = element("tr", { kind });
      for (const column of columns) {
        const cell = element(column.isHeader ? "th" : "td", { kind: column.cellKind || column.kind });
        if (column.isHeader) cell.setAttribute("scope", "row");
        cell.append(column.show(row));
        made.append(cell);
      }
      return made;
    }

    function draw() {
      const found = ordered();
      const shown = found.slice(0, state.limit);
      const lines = shown.map((row) => line(row));
      if (footer && state.terms.length === 0) lines.push(line(footer, "total"));
      body.replaceChildren(...lines);
      const told = [found.length === rows.length ? plural(rows.length, ...noun)
        : `${count(found.length)} of ${plural(rows.length, ...noun)}`];
      if (shown.length < found.length) told.push(`the first ${count(shown.length)} shown`);
      if (state.column) {
        told.push(`sorted by ${state.column.label}, ${state.isDescending ? "descending" : "ascending"}`);
      }
      status.textContent = told.join(", ");
      more.hidden = shown.length === found.length;
      more.textContent = `Show all ${count(found.length)}`;
    }

    const showAll = () => { state.limit = Infinity; draw(); };
    more.addEventListener("click", showAll);
    const hint = isSortable ? ". Column headers are buttons that sort" : "";
    const grid = element("table", {}, element("caption", { kind: "unseen", text: caption + hint }),
      element("thead", {}, element("tr", {}, ...headers)), body);
    host.append(element("div",
      { kind: isTall ? "scroll tall" : "scroll", tabindex: "0", role: "region", "aria-label": caption }, grid), more);
    host.append(status);
    draw();
    tables.push({ showAll });
    return {
      filter(text) {
        state.terms = folded(text).split(/\s+/).filter(Boolean);
        draw();
      },
    };
  }

  // The same letters for a search, whatever their case and accents.
  const folded = (text) => (text || "").normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase();

  const staleBadge = () => element("span", { kind: "badge", text: "older data" });

  // ---- header and overview -----------------------------------------------------------------------------------------

  const resources = report.freshness.resources;
  const slices = {
    all: sum(resources, (row) => row.sliceCount),
    stale: sum(resources, (row) => row.staleCount),
    forbidden: sum(resources, (row) => row.forbiddenCount),
    failed: sum(resources, (row) => row.failedCount),
  };

  function stateOf(cycle) {
    if (cycle.isActiveCycle) return "Active";
    if (cycle.isFutureCycle) return "Upcoming";
    if (cycle.isPastCycle) return "Finished";
    return "No dates";
  }

  function overview() {
    place("as-of").textContent = report.asOf ? `As of ${longDate(report.asOf)}` : "No data yet";
    const active = report.cycles.filter((cycle) => cycle.isActiveCycle);
    const judged = active.filter((cycle) => cycle.totalTestcases > 0 && !isMissing(cycle.isOnTrack));
    const good = judged.filter((cycle) => cycle.isOnTrack).length;
    const executed = sum(report.passRates, (row) => row.executedCount);
    const passed = sum(report.passRates, (row) => row.passedCount);
    const bad = [];
    if (slices.forbidden > 0) bad.push(`${count(slices.forbidden)} forbidden`);
    if (slices.failed > 0) bad.push(`${count(slices.failed)} failed`);
    const stale = slices.stale === 0 ? "Current" : `${count(slices.stale)} stale`;
    figures(place("overview"), [
      { label: "Cycles", value: count(report.cycles.length), more: `${count(active.length)} active` },
      { label: "Active cycles on track", value: judged.length ? `${count(good)} of ${count(judged.length)}` : NOTHING,
        more: judged.length ? "" : active.length ? "none has a plan to judge by" : "no cycle is active" },
      { label: "Executed", value: count(executed),
        more: `of ${plural(sum(report.passRates, (row) => row.executionCount), "execution", "executions")}` },
      { label: "Pass rate", value: percent(executed ? passed / executed : null), more: "of what was executed" },
      { label: "Data freshness", value: slices.all === 0 ? NOTHING : stale,
        kind: slices.stale > 0 ? "warn" : "",
        more: slices.all === 0 ? "nothing was read yet"
          : `of ${plural(slices.all, "slice", "slices")}${bad.length ? `: ${bad.join(", ")}` : " read completely"}` },
    ]);
  }

  // ---- burn-down ---------------------------------------------------------------------------------------------------

  const LINES = [
    { key: "remaining", label: "Remaining", width: 3, dash: [] },
    { key: "planned", label: "Planned remaining", width: 2, dash: [7, 5] },
    { key: "scope", label: "In scope", width: 1.5, dash: [] },
    { key: "forecast", label: "Forecast", width: 2, dash: [2, 4] },
  ];

  // The lines of one chart, with the forecast drawn on from the last day with facts.
  function series(burndown) {
    const { cycleEndDate, today } = burndown;
    const numbers = burndown.dates.map(dayNumber);
    const end = cycleEndDate ? dayNumber(cycleEndDate) : Infinity;
    const lines = {
      remaining: burndown.remaining.slice(),
      planned: burndown.planned.map((value, index) => (numbers[index] > end ? null : value)),
      scope: burndown.inScope.slice(),
    };
    const last = numbers.length - 1;
    const from = today ? numbers.indexOf(dayNumber(today.date)) : -1;
    const finish = today && today.forecastDate ? dayNumber(today.forecastDate) : null;
    const hasForecast = from >= 0 && today.remaining > 0 && finish !== null && finish > numbers[from];
    if (hasForecast) {
      // A finish far away would squeeze what happened into a corner: the line then leaves at the edge.
      const room = Math.max(14, Math.round((numbers[last] - numbers[0]) / 2));
      const edge = Math.max(numbers[last], Math.min(finish, numbers[last] + room));
      for (let number = numbers[last] + 1; number <= edge; number += 1) numbers.push(number);
    }
    const start = numbers[from];
    lines.forecast = numbers.map((number, index) => (hasForecast && index >= from && number <= finish
      ? (today.remaining * (finish - number)) / (finish - start) : null));
    for (const key of ["remaining", "planned", "scope"]) {
      while (lines[key].length < numbers.length) lines[key].push(null);
    }
    return { numbers, lines, daysOff: burndown.daysOff, hasForecast, finish };
  }

  function pace(daysBehind) {
    const days = Math.round(daysBehind * 10) / 10;
    if (days === 0) return "exactly on plan";
    const amount = `${tenths.format(Math.abs(days))} working ${Math.abs(days) === 1 ? "day" : "days"}`;
    return days > 0 ? `${amount} behind the plan` : `${amount} ahead of the plan`;
  }

  function summary(burndown) {
    const { today, cycleEndDate } = burndown;
    if (!today || isMissing(today.remaining)) return "Nothing has happened in this cycle yet.";
    const told = [`On ${longDate(today.date)}, ${count(today.remaining)} of ` +
      `${plural(today.inScope, "test case", "test cases")} remained`];
    if (!isMissing(today.planned)) told[0] += `; the plan had ${decimal(today.planned)}`;
    if (today.remaining > 0 && !isMissing(today.daysBehind)) told[0] += `, so the cycle was ${pace(today.daysBehind)}`;
    if (isMissing(today.planned)) told.push("There is no plan, because the cycle has no end date or no working days");
    if (today.remaining === 0 && today.forecastDate) {
      told.push(`The last test case was burned on ${longDate(today.forecastDate)}`);
    } else if (today.forecastDate && today.forecastDate > today.date) {
      const late = cycleEndDate ? dayNumber(today.forecastDate) - dayNumber(cycleEndDate) : 0;
      let against = "";
      if (cycleEndDate && late > 0) against = `, ${plural(late, "day", "days")} after its planned end`;
      if (cycleEndDate && late === 0) against = ", on its planned end";
      if (late < 0) against = `, ${plural(-late, "day", "days")} before its planned end`;
      told.push(`At the pace so far nothing would remain on ${longDate(today.forecastDate)}${against}`);
    } else if (today.remaining > 0) {
      told.push("At the pace so far no finish is in sight");
    }
    return `${told.join(". ")}.`;
  }

  function figuresOf(burndown) {
    const { today, cycleEndDate } = burndown;
    if (!today) return [];
    const behind = today.remaining === 0 ? null : today.daysBehind;
    const isLate = !isMissing(behind) && Math.round(behind * 10) > 0;
    const finish = today.remaining === 0 ? "Finished" : "Forecast finish";
    return [
      { label: "Remaining", value: count(today.remaining), more: `of ${count(today.inScope)} in scope` },
      { label: "Planned remaining", value: decimal(today.planned), more: `on ${shortDate(today.date)}` },
      { label: isMissing(behind) || isLate ? "Working days behind" : "Working days ahead",
        value: isMissing(behind) ? NOTHING : decimal(Math.abs(behind)), kind: isLate ? "bad" : "" },
      { label: finish, value: shortDate(today.forecastDate),
        more: cycleEndDate ? `planned ${shortDate(cycleEndDate)}` : "no planned end" },
      { label: "Burn-down health", value: count(today.health), more: "of 100" },
    ];
  }

  const FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
  const AXIS_STEPS = [1, 2, 7, 14, 28, 56, 112, 182, 364, 728];
  const COUNT_STEPS = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));

  function drawChart(host, drawn, burndown, onDay) {
    const style = getComputedStyle(root);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    const isPrinting = root.classList.contains("is-printing");
    const scale = isPrinting ? 2 : 1;
    const width = isPrinting ? 700 : Math.max(240, Math.floor(host.clientWidth));
    const height = isPrinting || width > 560 ? 340 : 260;
    const { numbers, lines, daysOff } = drawn;
    const top = Math.max(1, ...LINES.flatMap(({ key }) => lines[key].filter((value) => !isMissing(value))));
    const markers = [{ at: burndown.cycleEndDate, label: "planned end" }, { at: report.asOf, label: "as of" }];

    function shade(plot) {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.fillStyle = colour("day-off");
      for (const index of daysOff) {
        const left = Math.max(bbox.left, plot.valToPos(numbers[index] - 0.5, "x", true));
        const right = Math.min(bbox.left + bbox.width, plot.valToPos(numbers[index] + 0.5, "x", true));
        ctx.fillRect(left, bbox.top, right - left, bbox.height);
      }
      ctx.restore();
    }

    function mark(plot) {
      const { ctx, bbox } = plot;
      // The canvas counts device pixels.
      const unit = bbox.width / plot.over.clientWidth * scale;
      const lines = markers.filter(({ at }) => at).map(({ at, label }) => ({ number: dayNumber(at), label }))
        .filter(({ number }) => number >= numbers[0] && number <= numbers[numbers.length - 1])
        .map(({ number, label }) => ({ x: Math.round(plot.valToPos(number, "x", true)) + 0.5, label }));
      ctx.save();
      ctx.strokeStyle = colour("ink");
      ctx.lineWidth = unit;
      ctx.setLineDash([3 * unit, 3 * unit]);
      for (const { x } of lines) {
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
      ctx.font = `${11 * unit}px ${FONTS}`;
      ctx.textBaseline = "top";
      ctx.textAlign = "left";
      lines.forEach(({ x, label }, row) => {
        const width = ctx.measureText(label).width;
        const left = x > bbox.left + bbox.width / 2 ? x - width - 5 * unit : x + 5 * unit;
        const top = bbox.top + (2 + 15 * row) * unit;
        // Where two lines stand close, the name of one must not be struck through by the other.
        ctx.fillStyle = colour("paper");
        ctx.fillRect(left - 2 * unit, top, width + 4 * unit, 13 * unit);
        ctx.fillStyle = colour("ink");
        ctx.fillText(label, left, top + unit);
      });
      ctx.restore();
    }

    const axis = {
      stroke: colour("muted"),
      font: `${12 * scale}px ${FONTS}`,
      grid: { stroke: colour("rule"), width: scale },
      ticks: { stroke: colour("rule"), width: scale, size: 5 * scale },
      gap: 5 * scale,
    };
    const plot = new uPlot({
      width: width * scale,
      height: height * scale,
      padding: [10 * scale, 14 * scale, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 9 } },
      scales: {
        x: { time: false, range: [numbers[0] - 0.5, numbers[numbers.length - 1] + 0.5] },
        y: { range: [0, top * 1.2] },
      },
      axes: [
        {
          ...axis,
          incrs: AXIS_STEPS,
          space: 64 * scale,
          size: 46 * scale,
          values: (_, splits) => splits.map((number, index) => {
            const { day, month, year } = dayParts(number);
            const isNewYear = index === 0 || dayParts(splits[index - 1]).year !== year;
            return `${day} ${month.slice(0, 3)}${isNewYear ? `\n${year}` : ""}`;
          }),
        },
        {
          ...axis,
          incrs: COUNT_STEPS,
          space: 40 * scale,
          size: (_, values) => (Math.max(1, ...(values || []).map((value) => value.length)) * 7.5 + 16) * scale,
          values: (_, splits) => splits.map(count),
        },
      ],
      series: [{}, ...LINES.map(({ key, width: thickness, dash }) => ({
        stroke: colour(key),
        width: thickness * scale,
        dash: dash.map((length) => length * scale),
        // A line needs two days; a single one is a dot.
        points: {
          show: lines[key].filter((value) => !isMissing(value)).length === 1,
          size: 7 * scale,
          fill: colour(key),
        },
        ...(key === "scope" ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
      }))],
      hooks: {
        drawClear: [shade],
        draw: [mark],
        setCursor: [(current) => { if (!isMissing(current.cursor.idx)) onDay(current.cursor.idx); }],
      },
    }, [numbers, ...LINES.map(({ key }) => lines[key])], host);
    return {
      plot,
      show(index) {
        plot.setCursor({ left: plot.valToPos(numbers[index], "x"), top: plot.over.clientHeight / 2 });
      },
    };
  }

  function swatch({ key, width, dash }) {
    const space = "http://www.w3.org/2000/svg";
    const picture = document.createElementNS(space, "svg");
    const line = document.createElementNS(space, "line");
    const attributes = { x1: 0, x2: 32, y1: 5, y2: 5, stroke: "currentColor", "stroke-width": width };
    for (const [name, value] of Object.entries(attributes)) line.setAttribute(name, value);
    if (dash.length) line.setAttribute("stroke-dasharray", dash.join(" "));
    for (const [name, value] of Object.entries({ width: 32, height: 10, "aria-hidden": "true" })) {
      picture.setAttribute(name, value);
    }
    picture.setAttribute("class", `line-${key}`);
    picture.append(line);
    return picture;
  }

  function burndowns() {
    const host = place("burn-down-body");
    if (report.burndowns.length === 0) {
      host.append(paragraph("No cycle has test cases and a start date yet, so there is nothing to burn down."));
      return;
    }
    const choice = element("select", { id: "cycle-choice" });
    const groups = [["Active, busiest first", true], ["Not active, latest first", false]];
    for (const [label, isActive] of groups) {
      const group = element("optgroup", { label });
      report.burndowns.forEach((burndown, index) => {
        if (burndown.isActive === isActive) {
          group.append(element("option", { value: String(index), text: pathText(burndown) }));
        }
      });
      if (group.childElementCount > 0) choice.append(group);
    }
    const panel = element("div");
    host.append(
      element("div", { kind: "controls" }, element("div", {},
        element("label", { for: "cycle-choice", text: "Project \u203a release \u203a cycle" }), choice)),
      panel);

    let current = null;
    function choose() {
      current = burndownPanel(panel, report.burndowns[Number(choice.value)]);
    }
    choice.addEventListener("change", choose);
    choose();

    const redraw = () => current.redraw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new ResizeObserver(() => current.resize()).observe(panel);
    addEventListener("beforeprint", () => {
      root.classList.add("is-printing");
      redraw();
    });
    addEventListener("afterprint", () => {
      root.classList.remove("is-printing");
      redraw();
    });
  }

  function burndownPanel(panel, burndown) {
    const drawn = series(burndown);
    const { numbers, lines } = drawn;
    const title = element("h3", { id: "chart-title" }, named(burndown.projectName), " \u203a ",
      named(burndown.releaseName), " \u203a ", named(burndown.cycleName));
    if (burndown.isStale) title.append(staleBadge());
    const told = element("dl", { kind: "figures" });
    figures(told, figuresOf(burndown));
    const chart = element("div", { kind: "chart", role: "img",
      "aria-label": `Burn-down chart of ${pathText(burndown)}. ${summary(burndown)} The figures follow as a table.` });
    const slider = element("input", { type: "range", id: "chart-day", min: "0", max: String(numbers.length - 1),
      step: "1" });
    const dayLabel = element("label", { for: "chart-day" });
    const legend = element("ul", { kind: "legend" });
    const values = new Map();
    for (const line of LINES) {
      if (line.key === "forecast" && !drawn.hasForecast) continue;
      const value = element("strong");
      values.set(line.key, value);
      legend.append(element("li", {}, swatch(line), element("span", { text: line.label }), value));
    }

    let shown = -1;
    function tell(index) {
      if (index === shown) return;
      shown = index;
      const { weekday, day, month, year } = dayParts(numbers[index]);
      const date = `${weekday} ${day} ${month} ${year}`;
      const words = [];
      for (const { key, label } of LINES) {
        const value = values.get(key);
        if (!value) continue;
        value.textContent = decimal(lines[key][index]);
        if (!isMissing(lines[key][index])) words.push(`${label} ${decimal(lines[key][index])}`);
      }
      dayLabel.textContent = `Day shown: ${date}`;
      slider.value = String(index);
      slider.setAttribute("aria-valuetext", `${date}: ${words.join(", ") || "no figures"}`);
    }

    const alternative = element("details", {}, element("summary", { text: "The chart as a table" }));
    alternative.addEventListener("toggle", () => {
      if (!alternative.open || alternative.childElementCount > 1) return;
      const columns = [{ label: "Day", kind: "date", isHeader: true, show: (index) => {
        const { weekday, day, month, year } = dayParts(numbers[index]);
        return `${weekday.slice(0, 3)} ${day} ${month.slice(0, 3)} ${year}`;
      } }];
      for (const { key, label } of LINES) {
        if (!values.has(key)) continue;
        columns.push({ label, kind: "number", show: (index) => decimal(lines[key][index]) });
      }
      table(alternative, { caption: "Burn-down by day", columns, rows: numbers.map((_, index) => index), isTall: true,
        noun: ["day", "days"] });
    });

    const last = burndown.dates[burndown.dates.length - 1];
    const notes = [summary(burndown), "Shaded days are not worked."];
    if (burndown.today && burndown.today.date > last) {
      notes.push(`The days after ${longDate(last)} are left out, because nothing changed on them.`);
    }
    panel.replaceChildren(title, told, element("figure", {},
      element("figcaption", { kind: "muted", text: notes.join(" ") }),
      chart, element("div", { kind: "day" }, dayLabel, slider, legend)), alternative);

    let picture = null;
    let width = 0;
    function redraw() {
      if (picture) picture.plot.destroy();
      width = chart.clientWidth;
      picture = drawChart(chart, drawn, burndown, tell);
    }
    const first = burndown.today ? numbers.indexOf(dayNumber(burndown.today.date)) : -1;
    tell(first >= 0 ? first : burndown.dates.length - 1);
    redraw();
    slider.addEventListener("input", () => {
      tell(Number(slider.value));
      picture.show(shown);
    });
    return {
      redraw,
      resize() {
        if (chart.clientWidth !== width && !root.classList.contains("is-printing")) redraw();
      },
    };
  }

  // ---- cycles ------------------------------------------------------------------------------------------------------

  function verdict(cycle) {
    if (cycle.totalTestcases === 0 || isMissing(cycle.isOnTrack)) return { text: NOTHING, rank: null };
    if (cycle.remainingTestcases === 0) return { text: "Yes", detail: "all burned", kind: "good", rank: 0 };
    if (cycle.isOnTrack) return { text: "Yes", kind: "good", rank: 1 };
    const days = cycle.daysBehindSchedule;
    const detail = days > 0 ? `${plural(days, "day", "days")} behind` : "";
    return { text: "No", detail, kind: "bad", rank: 2 + Math.max(0, days || 0) };
  }

  function cycles() {
    const host = place("cycles-body");
    if (report.cycles.length === 0) {
      host.append(paragraph("There is no test cycle yet."));
      return;
    }
    const nameColumn = (label, key) => ({ label, kind: "text", value: (row) => row[key],
      show: (row) => namedInTable(row[key]) });
    const dateColumn = (label, key) => ({ label, kind: "date", value: (row) => row[key],
      show: (row) => shortDate(row[key]) });
    const columns = [
      {
        label: "Cycle",
        kind: "text",
        isHeader: true,
        value: (row) => row.cycleName,
        show(row) {
          const cell = element("span", {}, namedInTable(row.cycleName));
          if (row.isStale) cell.append(staleBadge());
          return cell;
        },
      },
      nameColumn("Project", "projectName"),
      nameColumn("Release", "releaseName"),
      { label: "State", kind: "state", value: stateOf, show: stateOf },
      dateColumn("Start", "cycleStartDate"),
      dateColumn("End", "cycleEndDate"),
      { label: "In scope", kind: "number", value: (row) => row.totalTestcases,
        show: (row) => count(row.totalTestcases) },
      {
        label: "Executed",
        kind: "number",
        value: (row) => row.completedExecutions,
        show: (row) => element("span", {}, count(row.completedExecutions),
          element("span", { kind: "detail", text: `of ${count(row.totalExecutions)}` })),
      },
      {
        label: "Burned",
        kind: "number",
        value: (row) => row.burnedTestcases,
        show: (row) => element("div", {}, count(row.burnedTestcases),
          share([["passed", row.burnedTestcases]], row.totalTestcases, "thin")),
      },
      { label: "Remaining", kind: "number", value: (row) => row.remainingTestcases,
        show: (row) => count(row.remainingTestcases) },
      { label: "Pass rate", kind: "number", value: (row) => row.cyclePassRate,
        show: (row) => percent(row.cyclePassRate) },
      {
        label: "On track",
        kind: "state",
        value: (row) => verdict(row).rank,
        show(row) {
          const { text, detail, kind } = verdict(row);
          const cell = element("span", {}, element("span", { kind: `verdict ${kind || ""}`, text }));
          if (detail) cell.append(element("span", { kind: "detail", text: detail }));
          return cell;
        },
      },
    ];
    const box = element("input", { type: "search", id: "cycle-filter", autocomplete: "off", spellcheck: "false" });
    host.append(element("div", { kind: "controls" }, element("div", {},
      element("label", { for: "cycle-filter", text: "Filter by project, release, cycle or state" }), box)));
    const search = new Map(report.cycles.map((row) =>
      [row, folded([row.projectName, row.releaseName, row.cycleName, stateOf(row)].join(" "))]));
    const cycleTable = table(host, {
      caption: "Progress of test cycles",
      columns,
      rows: report.cycles,
      isSortable: true,
      isTall: true,
      matches: (row, terms) => terms.every((term) => search.get(row).includes(term)),
      noun: ["cycle", "cycles"],
    });
    box.addEventListener("input", () => cycleTable.filter(box.value));
    host.append(paragraph("In scope, burned and remaining count distinct test cases of a cycle; a test case is " +
      "burned from the first day on which one of its executions passed, failed or was blocked. Executed counts " +
      "executions. Pass rate: passed of executed. On track: no more remains than was planned for the day; days " +
      "behind are working days.", "muted"));
  }

  // ---- pass rates --------------------------------------------------------------------------------------------------

  function passRates() {
    const host = place("pass-rates-body");
    const rows = report.passRates.filter((row) => row.executionCount > 0);
    if (rows.length === 0) {
      host.append(paragraph("No project has executions yet."));
      return;
    }
    const key = element("ul", { kind: "key", "aria-hidden": "true" });
    for (const [kind, label] of [["passed", "Passed"], ["failed", "Failed"], ["blocked", "Blocked"],
      ["pending", "Not executed"]]) {
      key.append(element("li", {}, element("span", { kind }), label));
    }
    const counted = ["executionCount", "executedCount", "passedCount", "failedCount", "blockedCount", "pendingCount",
      "otherCount"];
    const total = { isTotal: true };
    for (const name of counted) total[name] = sum(rows, (row) => row[name]);
    total.passRate = total.executedCount ? total.passedCount / total.executedCount : null;
    const labels = { executionCount: "Executions", passedCount: "Passed", failedCount: "Failed",
      blockedCount: "Blocked", pendingCount: "Pending" };
    if (total.otherCount > 0) labels.otherCount = "Other";
    const shareOf = (row) => share([["passed", row.passedCount], ["failed", row.failedCount],
      ["blocked", row.blockedCount]], row.executionCount);
    const columns = [
      {
        label: "Project",
        kind: "text",
        isHeader: true,
        value: (row) => row.projectName,
        show(row) {
          if (row.isTotal) return "All projects";
          const cell = element("span", {}, namedInTable(row.projectName));
          if (row.isStale) cell.append(staleBadge());
          return cell;
        },
      },
      { label: "Pass rate", kind: "number", value: (row) => row.passRate, show: (row) => percent(row.passRate) },
      { label: "Share of executions", kind: "text", cellKind: "bar-cell", show: shareOf },
      ...Object.entries(labels).map(([name, label]) =>
        ({ label, kind: "number", value: (row) => row[name], show: (row) => count(row[name]) })),
    ];
    host.append(key);
    table(host, { caption: "Executions of each project by result", columns, rows, isSortable: true, footer: total,
      noun: ["project", "projects"] });
    const idle = report.passRates.length - rows.length;
    const told = ["Pass rate: passed of executed, where executed is passed, failed or blocked."];
    if (idle > 0) told.push(`${plural(idle, "project has", "projects have")} no executions and are left out.`
      .replace("project has no executions and are", "project has no executions and is"));
    host.append(paragraph(told.join(" "), "muted"));
  }

  // ---- freshness ---------------------------------------------------------------------------------------------------

  const RESOURCES = { dimExecutionStatus: "Execution statuses", dimTester: "Testers", dimProject: "Projects",
    dimReleaseAll: "Releases (one list of all)", dimRelease: "Releases of a project", dimCycle: "Cycles of a release",
    factExecution: "Executions of a phase" };
  const resourceName = (row) => RESOURCES[row.resource] || row.resource;

  function freshness() {
    const host = place("freshness-body");
    if (slices.all === 0) {
      host.append(paragraph("Nothing has been read from the source yet."));
      return;
    }
    const walks = resources.map((row) => row.lastWalkedDateTime).filter(Boolean).sort();
    const lastWalk = walks.length ? walks[walks.length - 1] : null;
    const told = [];
    if (slices.stale === 0) {
      told.push(`All ${plural(slices.all, "slice", "slices")} of the source were read completely when last asked for.`);
    } else {
      told.push(`${count(slices.stale)} of ${plural(slices.all, "slice", "slices")} could not be read completely ` +
        "when last asked for, or lie below one that could not; they keep their earlier rows.");
    }
    if (lastWalk) told.push(`Last asked: ${longDate(lastWalk.slice(0, 10))} at ${lastWalk.slice(11, 16)} UTC.`);
    host.append(paragraph(told.join(" ")));
    host.append(paragraph("A slice is one list of the source: the projects, the cycles of one release, the " +
      "executions of one phase.", "muted"));

    const numberColumn = (label, key) =>
      ({ label, kind: "number", value: (row) => row[key], show: (row) => count(row[key]) });
    const dateColumn = (label, key) => ({ label, kind: "date", value: (row) => row[key],
      show: (row) => (row[key] ? shortDate(row[key]) : "never read") });

    if (report.freshness.stale.length > 0) {
      host.append(element("h3", { text: "What is stale, and why" }));
      const why = { forbidden: "Forbidden", failed: "Failed" };
      table(host, {
        caption: "Stale slices and the reasons",
        isSortable: true,
        isTall: true,
        rows: report.freshness.stale,
        noun: ["line", "lines"],
        columns: [
          {
            label: "Where",
            kind: "text",
            isHeader: true,
            value: (row) => [row.projectName, row.releaseName, row.cycleName, row.cyclePhaseName].join(" "),
            show(row) {
              const where = element("span");
              const names = [row.projectName, row.releaseName, row.cycleName, row.cyclePhaseName].filter(Boolean);
              if (names.length === 0) where.append(row.projectId ? `Project ${row.projectId}` : "The whole source");
              names.forEach((name, index) => where.append(...(index ? [" \u203a "] : []), namedInTable(name)));
              return where;
            },
          },
          { label: "What", kind: "text", value: resourceName, show: resourceName },
          numberColumn("Slices", "sliceCount"),
          { label: "State", kind: "state", value: (row) => why[row.status] || "Below a stale one",
            show: (row) => element("span", { kind: "warn verdict", text: why[row.status] || "Below a stale one" }) },
          { label: "Why", kind: "text", value: (row) => row.reason, show: (row) => namedInTable(row.reason, NOTHING) },
          { ...dateColumn("Data as of", "oldestDate"), show: (row) => (row.neverCount === row.sliceCount ? "never read"
            : `${shortDate(row.oldestDate)}${row.neverCount > 0 ? ` (${count(row.neverCount)} never)` : ""}`) },
          numberColumn("Age in days", "ageDays"),
        ],
      });
      const hidden = report.freshness.staleLineCount - report.freshness.stale.length;
      if (hidden > 0) {
        host.append(paragraph(
          `${plural(hidden, "more line is", "more lines are")} in the table analyse.freshness.`, "muted"));
      }
      host.append(element("h3", { text: "All data by kind" }));
    }
    table(host, {
      caption: "Freshness by kind of data",
      isSortable: true,
      rows: resources,
      noun: ["kind of data", "kinds of data"],
      columns: [
        { label: "Data", kind: "text", isHeader: true, value: resourceName, show: resourceName },
        numberColumn("Slices", "sliceCount"),
        numberColumn("Stale", "staleCount"),
        numberColumn("Forbidden", "forbiddenCount"),
        numberColumn("Failed", "failedCount"),
        dateColumn("Oldest as of", "oldestDate"),
        dateColumn("Newest as of", "newestDate"),
      ],
    });
  }

  overview();
  burndowns();
  cycles();
  passRates();
  freshness();
  // On paper there is no button to press.
  addEventListener("beforeprint", () => { for (const one of tables) one.showAll(); });
})();
