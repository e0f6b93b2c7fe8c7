// Lines over days: drawn by uPlot, read day by day with a slider, and always there as a table too.

const FONTS = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const AXIS_STEPS = [1, 2, 7, 14, 28, 56, 112, 182, 364, 728];
const COUNT_STEPS = [0, 1, 2, 3, 4, 5, 6].flatMap((power) => [1, 2, 5].map((step) => step * 10 ** power));
// The axis counts from a Monday, so that weekly marks fall on Mondays.
const FROM_MONDAY = 3;
let chartsShown = [];
let chartCount = 0;

function swatch({ key, width, dash = [] }) {
  const line = drawing("line", { x1: 0, x2: 32, y1: 5, y2: 5, stroke: "currentColor", "stroke-width": width });
  if (dash.length) line.setAttribute("stroke-dasharray", dash.join(" "));
  return drawing("svg", { width: 32, height: 10, "aria-hidden": "true", class: `line-${key}` }, line);
}

// given: { label, days, lines: [{ key, label, width, dash, isStepped, values }], daysOff, markers: [{ at, label }],
// areas: whether the first line is filled, top, show(value), first: the day told at first, notes, noun }
function lineChart(host, given) {
  const { days, lines, daysOff = [], markers = [], notes = [], show = decimal } = given;
  chartCount += 1;
  const chart = element("div", { kind: "chart", role: "img", "aria-label": given.label });
  const slider = element("input", {
    type: "range",
    id: `chart-day-${chartCount}`,
    min: "0",
    max: String(days.length - 1),
    step: "1",
  });
  const dayLabel = element("label", { for: slider.id });
  const legend = element("ul", { kind: "legend" });
  const values = lines.map((line) => {
    const value = element("strong");
    legend.append(element("li", {}, swatch(line), element("span", { text: line.label }), value));
    return value;
  });

  let shown = -1;
  function tell(index) {
    if (index === shown) return;
    shown = index;
    const { weekday, day, month, year } = dayParts(days[index]);
    const date = `${weekday} ${day} ${month} ${year}`;
    const words = [];
    lines.forEach((line, position) => {
      const value = line.values[index];
      values[position].textContent = show(value);
      if (!isMissing(value)) words.push(`${line.label} ${show(value)}`);
    });
    dayLabel.textContent = date;
    slider.value = String(index);
    slider.setAttribute("aria-valuetext", `${date}: ${words.join(", ") || "no figures"}`);
  }

  const alternative = element("details", {}, element("summary", { text: "The chart as a table" }));
  alternative.addEventListener("toggle", () => {
    if (!alternative.open || alternative.childElementCount > 1) return;
    const columns = [
      {
        label: "Day",
        kind: "date",
        isHeader: true,
        value: (index) => days[index],
        show(index) {
          const { weekday, day, month, year } = dayParts(days[index]);
          return `${weekday.slice(0, 3)} ${day} ${month.slice(0, 3)} ${year}`;
        },
      },
    ];
    for (const line of lines) {
      columns.push({
        label: line.label,
        kind: "number",
        value: (index) => line.values[index],
        show: (index) => show(line.values[index]),
      });
    }
    table(alternative, {
      caption: given.noun || "The chart by day",
      columns,
      rows: days.map((_, index) => index),
      noun: ["day", "days"],
    });
  });

  host.append(
    element(
      "figure",
      {},
      ...notes.map((text) => element("figcaption", { kind: "muted", text })),
      chart,
      element("div", { kind: "day" }, dayLabel, slider, legend),
    ),
    alternative,
  );

  let picture = null;
  let width = 0;
  function redraw() {
    if (picture) picture.destroy();
    width = chart.clientWidth;
    picture = draw(
      chart,
      given,
      days.map((day) => day + FROM_MONDAY),
      daysOff,
      markers,
      tell,
    );
  }
  const told = days.indexOf(given.first);
  tell(told >= 0 ? told : days.length - 1);
  redraw();
  slider.addEventListener("input", () => {
    tell(Number(slider.value));
    picture.setCursor({ left: picture.valToPos(days[shown] + FROM_MONDAY, "x"), top: picture.over.clientHeight / 2 });
  });
  chartsShown.push({
    host: chart,
    redraw,
    destroy: () => picture.destroy(),
    resize() {
      if (chart.clientWidth !== width && !root.classList.contains("is-printing")) redraw();
    },
  });
}

function draw(host, given, numbers, daysOff, markers, onDay) {
  const style = getComputedStyle(root);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const isPrinting = root.classList.contains("is-printing");
  const scale = isPrinting ? 2 : 1;
  const width = isPrinting ? 700 : Math.max(240, Math.floor(host.clientWidth));
  const height = isPrinting ? 300 : width > 560 ? 340 : 260;
  const { lines, show = decimal } = given;
  const highest = lines.reduce(
    (top, { values }) => values.reduce((most, value) => (value > most ? value : most), top),
    1,
  );
  const top = given.top || highest * 1.2;
  const last = numbers[numbers.length - 1];

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
    const unit = (bbox.width / plot.over.clientWidth) * scale;
    const placed = markers
      .filter(({ at }) => !isMissing(at))
      .map(({ at, label }) => ({ number: at + FROM_MONDAY, label }))
      .filter(({ number }) => number >= numbers[0] && number <= last)
      .map(({ number, label }) => ({ x: Math.round(plot.valToPos(number, "x", true)) + 0.5, label }));
    ctx.save();
    ctx.strokeStyle = colour("ink");
    ctx.lineWidth = unit;
    ctx.setLineDash([3 * unit, 3 * unit]);
    for (const { x } of placed) {
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.font = `${11 * unit}px ${FONTS}`;
    ctx.textBaseline = "top";
    ctx.textAlign = "left";
    placed.forEach(({ x, label }, row) => {
      const wide = ctx.measureText(label).width;
      const left = x > bbox.left + bbox.width / 2 ? x - wide - 5 * unit : x + 5 * unit;
      const above = bbox.top + (2 + 15 * row) * unit;
      // Where two lines stand close, the name of one must not be struck through by the other.
      ctx.fillStyle = colour("paper");
      ctx.fillRect(left - 2 * unit, above, wide + 4 * unit, 13 * unit);
      ctx.fillStyle = colour("ink");
      ctx.fillText(label, left, above + unit);
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
  const faint = (name) => {
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour(name).slice(at, at + 2), 16));
    return `rgba(${red}, ${green}, ${blue}, 0.13)`;
  };
  return new uPlot(
    {
      width: width * scale,
      height: height * scale,
      padding: [10 * scale, 14 * scale, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 9 } },
      scales: {
        x: { time: false, range: [numbers[0] - 0.5, last + 0.5] },
        y: { range: [0, top] },
      },
      axes: [
        {
          ...axis,
          incrs: given.isWeekly ? AXIS_STEPS.slice(2) : AXIS_STEPS,
          space: 64 * scale,
          size: 46 * scale,
          values: (_, splits) =>
            splits.map((number, index) => {
              const { day, month, year } = dayParts(number - FROM_MONDAY);
              const isNewYear = index === 0 || dayParts(splits[index - 1] - FROM_MONDAY).year !== year;
              return `${day} ${month.slice(0, 3)}${isNewYear ? `\n${year}` : ""}`;
            }),
        },
        {
          ...axis,
          incrs: given.top ? [0.1, 0.2, 0.25, 0.5] : COUNT_STEPS,
          space: 40 * scale,
          size: (_, values) => (Math.max(1, ...(values || []).map((value) => value.length)) * 7.5 + 16) * scale,
          values: (_, splits) => splits.map((value) => (given.top ? show(value) : count(value))),
        },
      ],
      series: [
        {},
        ...lines.map(({ key, width: thickness, dash = [], isStepped, isFilled, isDotted, values }) => ({
          stroke: colour(key),
          width: thickness * scale,
          dash: dash.map((length) => length * scale),
          fill: isFilled ? faint(key) : undefined,
          spanGaps: Boolean(isDotted),
          // A line needs two days; a single one is a dot.
          points: {
            show: Boolean(isDotted) || values.filter((value) => !isMissing(value)).length === 1,
            size: (isDotted ? 5 : 7) * scale,
            fill: colour(key),
          },
          ...(isStepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
        })),
      ],
      hooks: {
        drawClear: [shade],
        draw: [mark],
        setCursor: [
          (current) => {
            if (!isMissing(current.cursor.idx)) onDay(current.cursor.idx);
          },
        ],
      },
    },
    [numbers, ...lines.map(({ values }) => values)],
    host,
  );
}

function forgetCharts(host) {
  chartsShown = chartsShown.filter((one) => {
    if (!host.contains(one.host)) return true;
    one.destroy();
    return false;
  });
}
const redrawCharts = () => {
  for (const one of chartsShown) one.redraw();
};

function listenForCharts() {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawCharts);
  new ResizeObserver(() => {
    for (const one of chartsShown) one.resize();
  }).observe(place("content"));
}

// A small burn-down without axes: what remained, over what was planned.
function sparkline(remaining, planned, top) {
  const [width, height] = [120, 32];
  const points = (values) =>
    values
      .map((value, index) =>
        isMissing(value)
          ? null
          : [(index * width) / Math.max(1, values.length - 1), height - 1 - ((height - 3) * value) / Math.max(1, top)],
      )
      .filter(Boolean)
      .map((point) => point.map((at) => at.toFixed(1)).join(","))
      .join(" ");
  return drawing(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "spark", "aria-hidden": "true", preserveAspectRatio: "none" },
    drawing("polyline", { points: points(planned), class: "spark-planned" }),
    drawing("polyline", { points: points(remaining), class: "spark-remaining" }),
  );
}
