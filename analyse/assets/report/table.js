// Tables: sortable, searchable, short at first; all of them read well to a screen reader.

// A phone scrolls through a screen for every few rows; the rest is one press away.
const ROW_LIMIT = matchMedia("(max-width: 47.99rem)").matches ? 8 : 12;
const PAPER_LIMIT = 40;
let tablesShown = [];
let tableCount = 0;

// columns: { label, kind: text | number | date | state, value(row) to sort by, show(row) text or node, isHeader, hint }
function table(host, { caption, columns, rows, footer, search, noun, onPick, paperLimit }) {
  const body = element("tbody");
  const isSortable = rows.length > 1;
  const state = { column: null, isDescending: false, terms: [], limit: ROW_LIMIT };
  const status = element("p", { kind: "muted", role: "status" });
  const more = element("button", { kind: "more-rows", type: "button" });
  const headers = columns.map((column) => {
    const header = element("th", { scope: "col", kind: column.kind, title: column.hint });
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
  const folds = search ? new Map() : null;
  function isFound(row) {
    if (!folds.has(row)) folds.set(row, folded(search(row)));
    return state.terms.every((term) => folds.get(row).includes(term));
  }

  function ordered() {
    const found = state.terms.length === 0 ? rows.slice() : rows.filter(isFound);
    const { column } = state;
    if (!column) return found;
    const sign = state.isDescending ? -1 : 1;
    const values = new Map(found.map((row) => [row, column.value(row)]));
    return found.sort((one, other) => {
      const [left, right] = [values.get(one), values.get(other)];
      // What is missing comes last in either direction.
      if (isMissing(left) || isMissing(right)) return isMissing(left) - isMissing(right);
      if (typeof left === "string") return sign * collator.compare(left, right);
      return sign * (left - right);
    });
  }

  function line(row, kind = "") {
    const made = element("tr", { kind });
    for (const column of columns) {
      const cell = element(column.isHeader ? "th" : "td", { kind: column.cellKind || column.kind });
      if (column.isHeader) cell.setAttribute("scope", "row");
      const shown = column.show(row);
      if (onPick && column.isHeader && kind !== "total") {
        const button = element("button", { kind: "pick", type: "button" }, shown);
        button.addEventListener("click", () => onPick(row));
        cell.append(button);
      } else {
        cell.append(shown);
      }
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
    const told = [
      found.length === rows.length
        ? plural(rows.length, ...noun)
        : `${count(found.length)} of ${plural(rows.length, ...noun)}`,
    ];
    if (shown.length < found.length) told.push(`the first ${count(shown.length)} shown`);
    if (state.column) {
      told.push(`sorted by ${state.column.label}, ${state.isDescending ? "descending" : "ascending"}`);
    }
    status.textContent = told.join(", ");
    more.hidden = shown.length === found.length;
    more.textContent = `Show all ${count(found.length)}`;
  }

  const showUpTo = (limit) => {
    if (limit <= state.limit) return;
    state.limit = limit;
    draw();
  };
  more.addEventListener("click", () => showUpTo(Infinity));
  if (search && rows.length > ROW_LIMIT) {
    tableCount += 1;
    const id = `search-${tableCount}`;
    const box = element("input", { type: "search", id, autocomplete: "off", spellcheck: "false" });
    box.addEventListener("input", () => {
      state.terms = folded(box.value).split(/\s+/).filter(Boolean);
      draw();
    });
    host.append(
      element(
        "div",
        { kind: "controls" },
        element("div", {}, element("label", { for: id, text: `Find among ${plural(rows.length, ...noun)}` }), box),
      ),
    );
  }
  const hint = isSortable ? ". Column headers are buttons that sort" : "";
  const grid = element(
    "table",
    {},
    element("caption", { kind: "unseen", text: caption + hint }),
    element("thead", {}, element("tr", {}, ...headers)),
    body,
  );
  host.append(element("div", { kind: "scroll", tabindex: "0", role: "region", "aria-label": caption }, grid), more);
  host.append(status);
  draw();
  tablesShown.push({ host: grid, unfold: () => showUpTo(paperLimit || PAPER_LIMIT) });
}

// On paper there is no button to press.
function unfoldTables() {
  tablesShown = tablesShown.filter((one) => one.host.isConnected);
  for (const one of tablesShown) one.unfold();
}

// ---- columns that recur ---------------------------------------------------------------------------------------------

const nameColumn = (label, key, more = {}) => ({
  label,
  kind: "text",
  value: (row) => row[key],
  show: (row) => namedInTable(row[key]),
  ...more,
});
const textColumn = (label, key, more = {}) => ({
  label,
  kind: "text",
  value: (row) => row[key],
  show: (row) => namedInTable(row[key], NOTHING),
  ...more,
});
const countColumn = (label, key, more = {}) => ({
  label,
  kind: "number",
  value: (row) => row[key],
  show: (row) => count(row[key]),
  ...more,
});
const decimalColumn = (label, key, more = {}) => ({
  label,
  kind: "number",
  value: (row) => row[key],
  show: (row) => decimal(row[key]),
  ...more,
});
const rateColumn = (label, key, more = {}) => ({
  label,
  kind: "number",
  value: (row) => row[key],
  show: (row) => percent(row[key]),
  ...more,
});
const dateColumn = (label, key, more = {}) => ({
  label,
  kind: "date",
  value: (row) => row[key],
  show: (row) => shortDate(row[key]),
  ...more,
});

// Columns a table of the lake may lack are left out.
const known = (name, list) => list.filter(({ needs }) => !needs || hasColumn(name, needs));

// A figure with a thin bar of its share below it.
const meter = (text, rate, kind = "passed") =>
  isMissing(rate) ? NOTHING : element("div", {}, text, share([[kind, Math.min(1, Math.max(0, rate))]], 1, "thin"));
