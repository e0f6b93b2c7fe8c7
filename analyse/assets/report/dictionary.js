// What each table and column means, from the models themselves.

function showDictionary(host) {
  const tables = report.dictionary;
  if (tables.length === 0) {
    host.append(paragraph("The data dictionary was not built into this report.", "nothing"));
    return;
  }
  const box = element("input", { type: "search", id: "dictionary-text", autocomplete: "off", spellcheck: "false" });
  const status = element("p", { kind: "muted", role: "status" });
  const list = element("div");
  host.append(
    element(
      "div",
      { kind: "controls" },
      element(
        "div",
        {},
        element("label", { for: "dictionary-text", text: "Find a table, a column or a meaning" }),
        box,
      ),
    ),
    status,
    list,
  );
  const entries = tables.map((entry) => ({
    entry,
    own: folded(`${entry.schema}.${entry.table} ${entry.purpose || ""}`),
    columns: entry.columns.map((column) => folded(`${column.name} ${column.meaning || ""}`)),
  }));
  function draw() {
    const terms = folded(box.value).split(/\s+/).filter(Boolean);
    const isIn = (text) => terms.every((term) => text.includes(term));
    const found = entries
      .map((one) => ({ ...one, hits: one.columns.map(isIn), isOwn: isIn(one.own) }))
      .filter(({ hits, isOwn }) => terms.length === 0 || isOwn || hits.some(Boolean));
    status.textContent = `${count(found.length)} of ${plural(tables.length, "table", "tables")}`;
    list.replaceChildren(
      ...found.map(({ entry, hits, isOwn }) =>
        described(entry, terms.length === 0 || isOwn ? null : hits, terms.length > 0 && found.length <= 6),
      ),
    );
  }
  box.addEventListener("input", draw);
  draw();
}

function described(entry, hits, isOpen) {
  const details = element(
    "details",
    { kind: "dictionary" },
    element(
      "summary",
      {},
      element("code", { text: `${entry.schema}.${entry.table}` }),
      element("span", { kind: "detail", text: (entry.purpose || "").split(/(?<=\.)\s/)[0] }),
    ),
  );
  function fill() {
    if (!details.open || details.childElementCount > 1) return;
    details.append(paragraph(entry.purpose || ""), paragraph(`Key: ${(entry.key || []).join(", ")}`, "muted"));
    table(details, {
      caption: `Columns of ${entry.schema}.${entry.table}`,
      noun: ["column", "columns"],
      rows: entry.columns.filter((_, index) => !hits || hits[index]),
      columns: [
        {
          label: "Column",
          kind: "text",
          isHeader: true,
          value: (row) => row.name,
          show: (row) => element("code", { text: row.name }),
        },
        textColumn("Type", "type"),
        { label: "Meaning", kind: "text", show: (row) => row.meaning || NOTHING },
        { label: "From", kind: "text", show: (row) => namedInTable((row.from || []).join(", "), NOTHING) },
      ],
    });
  }
  details.addEventListener("toggle", fill);
  details.open = isOpen;
  return details;
}
