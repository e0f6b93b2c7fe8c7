// A grid that holds in the page only what is in sight, so that a hundred thousand cells scroll like a hundred. The
// focus stays on the grid and moves from cell to cell with the arrow keys, as screen readers expect of a grid.

let gridCount = 0;
const CELL = 36;
const ROW = 40;
const SPARE = 6;
const BLOCK = 8;

// given: { label, columns: [{ title, hint }], rows: count, head(row) nodes of the row's name, verdict(row) node,
// cell(row, column) node or null, spoken(row, column) text, onPick(row, column) }; column -1 is the verdict, -2 the name
function virtualGrid(host, given) {
  gridCount += 1;
  const prefix = `grid-${gridCount}`;
  const { columns, rows } = given;
  const layer = element("div", { kind: "grid-rows", role: "presentation" });
  const titles = element("div", { kind: "grid-titles", role: "presentation" });
  const header = element(
    "div",
    { kind: "grid-header", role: "row", "aria-rowindex": "1" },
    element("div", { kind: "grid-name", role: "columnheader", "aria-colindex": "1", text: "Requirement" }),
    element("div", { kind: "grid-verdict", role: "columnheader", "aria-colindex": "2", text: "Across all cycles" }),
    titles,
  );
  const grid = element(
    "div",
    {
      kind: "grid",
      role: "grid",
      tabindex: "0",
      "aria-label": given.label,
      "aria-rowcount": String(rows + 1),
      "aria-colcount": String(columns.length + 2),
    },
    header,
    layer,
  );
  host.append(grid);

  const active = { row: 0, column: columns.length > 0 ? 0 : -1 };
  let isFocused = false;
  let activeCell = null;
  let lead = 0;
  let span = [0, 0];
  const lines = new Map();
  const cellId = (row, column) => `${prefix}-${row}-${column + 2}`;

  function cellOf(row, column, kind, role, ...content) {
    return element("div", { id: cellId(row, column), kind, role, "aria-colindex": String(column + 3) }, ...content);
  }

  function lineOf(row) {
    const cells = element("div", { kind: "grid-cells", role: "presentation" });
    cells.style.paddingInlineStart = `${span[0] * CELL}px`;
    for (let column = span[0]; column < span[1]; column += 1) {
      const cell = cellOf(row, column, "grid-cell", "gridcell", given.cell(row, column));
      cell.setAttribute("aria-label", given.spoken(row, column));
      cells.append(cell);
    }
    const line = element(
      "div",
      { kind: row % 2 ? "grid-row is-odd" : "grid-row", role: "row", "aria-rowindex": String(row + 2) },
      cellOf(row, -2, "grid-name", "rowheader", ...given.head(row)),
      cellOf(row, -1, "grid-verdict", "gridcell", given.verdict(row)),
      cells,
    );
    line.style.transform = `translateY(${row * ROW}px)`;
    return line;
  }

  // Columns change in blocks, so that most steps to the side change nothing.
  function drawTitles(first, last) {
    span = [first, last];
    titles.style.paddingInlineStart = `${first * CELL}px`;
    titles.replaceChildren(
      ...columns.slice(first, last).map((column, index) =>
        element(
          "div",
          {
            kind: "grid-title",
            role: "columnheader",
            "aria-colindex": String(first + index + 3),
            title: column.hint,
          },
          element("span", { kind: "name", dir: "auto", text: column.title }),
        ),
      ),
    );
    lines.clear();
    layer.replaceChildren();
  }

  function measure() {
    lead = header.firstChild.offsetWidth + header.children[1].offsetWidth;
    const width = `${lead + columns.length * CELL + 1}px`;
    header.style.width = width;
    layer.style.width = width;
    layer.style.height = `${rows * ROW}px`;
  }

  function render() {
    const { scrollTop, scrollLeft, clientHeight, clientWidth } = grid;
    const firstRow = Math.max(0, Math.floor(scrollTop / ROW) - SPARE);
    const lastRow = Math.min(rows, Math.ceil((scrollTop + clientHeight) / ROW) + SPARE);
    const firstColumn = Math.max(0, Math.floor(scrollLeft / CELL / BLOCK) * BLOCK);
    const lastColumn = Math.min(
      columns.length,
      Math.ceil((scrollLeft + Math.max(CELL, clientWidth - lead)) / CELL / BLOCK) * BLOCK,
    );
    if (firstColumn !== span[0] || lastColumn !== span[1]) drawTitles(firstColumn, lastColumn);
    for (const [row, line] of lines) {
      if (row >= firstRow && row < lastRow) continue;
      line.remove();
      lines.delete(row);
    }
    for (let row = firstRow; row < lastRow; row += 1) {
      if (lines.has(row)) continue;
      const line = lineOf(row);
      lines.set(row, line);
      // In order for those who read row by row.
      const after = [...lines.keys()]
        .filter((other) => other > row)
        .reduce((least, other) => Math.min(least, other), Infinity);
      layer.insertBefore(line, after === Infinity ? null : lines.get(after));
    }
    if (activeCell) activeCell.classList.remove("is-active");
    activeCell = isFocused ? document.getElementById(cellId(active.row, active.column)) : null;
    if (activeCell) {
      activeCell.classList.add("is-active");
      grid.setAttribute("aria-activedescendant", activeCell.id);
    } else {
      grid.removeAttribute("aria-activedescendant");
    }
  }

  function bringIntoSight() {
    const top = active.row * ROW;
    const room = grid.clientHeight - header.offsetHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + ROW > grid.scrollTop + room) grid.scrollTop = top + ROW - room;
    if (active.column < 0) return;
    const left = lead + active.column * CELL;
    if (left - lead < grid.scrollLeft) grid.scrollLeft = left - lead;
    else if (left + CELL > grid.scrollLeft + grid.clientWidth) grid.scrollLeft = left + CELL - grid.clientWidth;
  }

  function moveTo(row, column) {
    active.row = Math.max(0, Math.min(rows - 1, row));
    active.column = Math.max(-2, Math.min(columns.length - 1, column));
    bringIntoSight();
    render();
    given.onPick(active.row, active.column);
  }

  const page = () => Math.max(1, Math.floor((grid.clientHeight - header.offsetHeight) / ROW) - 1);
  grid.addEventListener("keydown", (event) => {
    const { row, column } = active;
    const isFar = event.ctrlKey || event.metaKey;
    const steps = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      PageUp: [row - page(), column],
      PageDown: [row + page(), column],
      Home: [isFar ? 0 : row, -2],
      End: [isFar ? rows - 1 : row, columns.length - 1],
    };
    if (!steps[event.key] || event.altKey) return;
    event.preventDefault();
    moveTo(...steps[event.key]);
  });
  grid.addEventListener("click", (event) => {
    const cell = event.target.closest("[id]");
    if (!cell || !cell.id.startsWith(`${prefix}-`)) return;
    const [row, column] = cell.id
      .slice(prefix.length + 1)
      .split("-")
      .map(Number);
    isFocused = true;
    moveTo(row, column - 2);
  });
  grid.addEventListener("focus", () => {
    isFocused = true;
    render();
  });
  grid.addEventListener("blur", () => {
    isFocused = false;
    render();
  });

  let isWaiting = false;
  grid.addEventListener(
    "scroll",
    () => {
      if (isWaiting) return;
      isWaiting = true;
      requestAnimationFrame(() => {
        isWaiting = false;
        render();
      });
    },
    { passive: true },
  );
  new ResizeObserver(() => {
    measure();
    render();
  }).observe(grid);
  measure();
  // What happened last is what is asked for first.
  active.column = columns.length - 1;
  grid.scrollLeft = columns.length * CELL;
  render();
}
