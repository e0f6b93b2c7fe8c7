// What every part of the page uses: the data, words and numbers, elements.

const root = document.documentElement;
const report = JSON.parse(document.getElementById("report-data").textContent);

// ---- data -----------------------------------------------------------------------------------------------------------

// A column comes in the shortest of four forms: as it is; as a dictionary `d` with positions `c`, in any form
// themselves; as runs `r` of a value and how often it comes; as a first value and the runs of its steps `s`. A column without any
// value is left out.
function runs(pairs) {
  const values = [];
  for (let at = 0; at < pairs.length; at += 2) {
    for (let left = pairs[at + 1]; left > 0; left -= 1) values.push(pairs[at]);
  }
  return values;
}
function decoded(column) {
  if (Array.isArray(column)) return column;
  if (column.d) {
    const { d } = column;
    return decoded(column.c).map((position) => d[position]);
  }
  if (column.r) return runs(column.r);
  const values = runs(column.s);
  for (let at = 1; at < values.length; at += 1) values[at] += values[at - 1];
  return values;
}

const opened = new Map();
const NOTHING_AT_ALL = { rows: 0, left: 0, columns: {} };
function columnsOf(name) {
  if (!opened.has(name)) {
    const given = report.tables[name] || NOTHING_AT_ALL;
    const columns = {};
    for (const [key, column] of Object.entries(given.columns)) columns[key] = decoded(column);
    opened.set(name, { rows: given.rows, left: given.left || 0, columns });
  }
  return opened.get(name);
}
const rowsOpened = new Map();
function rowsOf(name) {
  if (!rowsOpened.has(name)) {
    const { rows, columns } = columnsOf(name);
    const entries = Object.entries(columns);
    const list = Array.from({ length: rows }, (_, index) => {
      const row = {};
      for (const [key, values] of entries) row[key] = values[index];
      return row;
    });
    rowsOpened.set(name, list);
  }
  return rowsOpened.get(name);
}
const hasColumn = (name, key) => Boolean(report.tables[name] && report.tables[name].columns[key]);

// ---- words and numbers ----------------------------------------------------------------------------------------------

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const NOTHING = "\u2013";
const wholes = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });
const collator = new Intl.Collator("en-GB", { numeric: true, sensitivity: "base" });

const isMissing = (value) => value === null || value === undefined;
const count = (value) => (isMissing(value) ? NOTHING : wholes.format(value));
const decimal = (value) => (isMissing(value) ? NOTHING : tenths.format(value));
const plural = (number, one, many) => `${count(number)} ${number === 1 ? one : many}`;
const sum = (rows, value) => rows.reduce((total, row) => total + (value(row) || 0), 0);
const yesNo = (value) => (isMissing(value) ? NOTHING : value ? "Yes" : "No");

// Never rounded up to 100 % or down to 0 %: those two say "all" and "none".
function percent(rate) {
  if (isMissing(rate)) return NOTHING;
  const rounded = Math.round(rate * 1000) / 10;
  if (rate < 1 && rounded >= 100) return ">99.9%";
  if (rate > 0 && rounded <= 0) return "<0.1%";
  return `${tenths.format(rounded)}%`;
}

function listed(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}

// A column's name as words: daysSinceLastExecution becomes "Days since last execution".
function spoken(name) {
  const words = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

// Days are numbers counted from 1 January 1970, a Thursday; no time zone takes part.
const DAY_MS = 86400000;
function dayParts(number) {
  const date = new Date(number * DAY_MS);
  return {
    day: date.getUTCDate(),
    month: MONTHS[date.getUTCMonth()],
    year: date.getUTCFullYear(),
    weekday: WEEKDAYS[(((number + 3) % 7) + 7) % 7],
  };
}
function shortDate(number) {
  if (isMissing(number)) return NOTHING;
  const { day, month, year } = dayParts(number);
  return `${day}\u00a0${month.slice(0, 3)}\u00a0${year}`;
}
function longDate(number) {
  const { day, month, year } = dayParts(number);
  return `${day} ${month} ${year}`;
}
function instant(ms) {
  if (isMissing(ms)) return NOTHING;
  const date = new Date(ms);
  const clock = date.toISOString().slice(11, 16);
  return `${shortDate(Math.floor(ms / DAY_MS))}, ${clock}\u00a0UTC`;
}
function duration(ms) {
  if (isMissing(ms)) return NOTHING;
  if (ms < 1000) return `${wholes.format(ms)}\u00a0ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${tenths.format(seconds)}\u00a0s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes}\u00a0min` : `${Math.floor(minutes / 60)}\u00a0h ${minutes % 60}\u00a0min`;
}

// The same letters for a search, whatever their case and accents.
const folded = (text) =>
  (text || "")
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase();

// ---- elements -------------------------------------------------------------------------------------------------------

// Names are other people's text: they reach the page through textContent and attributes that hold plain text only.
function element(tag, { text, id, kind, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  if (id) made.id = id;
  if (kind) made.className = kind;
  if (!isMissing(text)) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    if (!isMissing(value)) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
const place = (id) => document.getElementById(id);
const paragraph = (text, kind = "") => element("p", { text, kind });
const heading = (text) => element("h3", { text });
const named = (text, missing = "(no name)") => element("span", { kind: "name", dir: "auto", text: text || missing });

// In a table a very long name would push all else away: it shows its first lines, and the rest when pressed.
const LONG_NAME = 72;
function namedInTable(text, missing) {
  if (!text || text.length <= LONG_NAME) return named(text, missing);
  const button = element("button", { kind: "name long", dir: "auto", type: "button", text, "aria-expanded": "false" });
  button.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") === "false"));
  });
  return button;
}

// Within a sentence a very long name is cut; the whole of it shows on hovering.
function namedBriefly(text) {
  const letters = [...(text || "")];
  if (letters.length <= LONG_NAME) return named(text);
  const name = named(`${letters.slice(0, LONG_NAME - 8).join("")}\u2026`);
  name.title = text;
  return name;
}

// Where only text can stand, isolates keep one name's writing direction out of the next.
const isolated = (text) => `\u2068${text || "(no name)"}\u2069`;

const SVG = "http://www.w3.org/2000/svg";
function drawing(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function figures(list, kind = "") {
  const host = element("dl", { kind: `figures ${kind}` });
  for (const { label, value, more, kind: tone, share: parts } of list) {
    const lines = [element("dd", { kind: `big ${tone || ""}`, text: value })];
    if (parts) lines.push(element("dd", {}, parts));
    if (more) lines.push(element("dd", { kind: "more", text: more }));
    host.append(element("div", {}, element("dt", { text: label }), ...lines));
  }
  return host;
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

function colourKey(entries) {
  const key = element("ul", { kind: "key", "aria-hidden": "true" });
  for (const [kind, label] of entries) key.append(element("li", {}, element("span", { kind }), label));
  return key;
}

const badge = (text, kind = "") => element("span", { kind: `badge ${kind}`, text });
const staleBadge = () => badge("older data");

// A choice of a few as radio buttons in a row.
function choiceOf({ legend, name, options, value, onChoose }) {
  const group = element("fieldset", { kind: "choice" }, element("legend", { text: legend }));
  for (const [key, label] of options) {
    const input = element("input", { type: "radio", name, id: `${name}-${key}`, value: key });
    input.checked = key === value;
    input.addEventListener("change", () => {
      if (input.checked) onChoose(key);
    });
    group.append(element("span", {}, input, element("label", { for: input.id, text: label })));
  }
  return group;
}

// A section without rows says why it has none.
function nothingHere(host, name, otherwise) {
  const why = report.missing[name];
  host.append(paragraph(why || otherwise, "nothing"));
}
