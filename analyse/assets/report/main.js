// The page as a whole: shows the choice, follows the address, gets ready for paper.

const SHOWN = {
  overview: showOverview,
  progress: showProgress,
  "burn-down": showBurndown,
  results: showResults,
  matrix: showMatrix,
  coverage: showCoverage,
  tests: showTests,
  hygiene: showHygiene,
  quality: showQuality,
  dictionary: showDictionary,
};

// What lies far below is filled when it comes near, so that a choice shows at once.
const waiting = new Set();
const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) if (entry.isIntersecting) fill(entry.target.parentElement.id);
  },
  { rootMargin: "600px" },
);

function fill(id) {
  if (!waiting.delete(id)) return;
  const host = place(`${id}-body`);
  host.style.minHeight = "";
  host.replaceChildren();
  SHOWN[id](host);
}
const fillAll = () => {
  for (const id of SECTIONS) fill(id);
};

function showScope() {
  fillSelects();
  place("scope-name").replaceChildren(scopeName());
  document.title =
    scope.project === null
      ? "SPECTRA test report"
      : `${nameOf(scopeLevel(), scope[scopeLevel()]) || "(no name)"} \u2013 SPECTRA test report`;
  for (const link of document.querySelectorAll("nav [data-at]")) link.href = addressOf({ at: link.dataset.at });
  for (const id of SECTIONS) {
    // The dictionary is the same for every choice.
    if (id === "dictionary" && place("dictionary-body").childElementCount > 0) continue;
    const host = place(`${id}-body`);
    // Keeps its height until it is filled again, so that nothing jumps.
    if (host.childElementCount > 0) host.style.minHeight = `${host.offsetHeight}px`;
    forgetCharts(host);
    watcher.unobserve(host);
    waiting.add(id);
  }
  fill("overview");
  for (const id of waiting) watcher.observe(place(`${id}-body`));
}

function goTo(at) {
  if (!at) return;
  // What lies above is filled first: it would push the goal away afterwards.
  for (const id of SECTIONS.slice(0, SECTIONS.indexOf(at) + 1)) fill(id);
  const title = place(`${at}-title`);
  title.focus({ preventScroll: true });
  place(at).scrollIntoView();
}

addEventListener("hashchange", () => {
  if (isOwnChange) {
    isOwnChange = false;
    return;
  }
  // The way past the head is no choice; the address goes on saying what was chosen.
  if (location.hash === "#content") {
    history.replaceState(null, "", addressOf());
    return;
  }
  readAddress();
  showScope();
  goTo(scope.at);
});

// The section on screen is the one marked in the list of sections.
const marker = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      for (const link of document.querySelectorAll("nav [data-at]")) {
        if (link.dataset.at === target.id) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    }
  },
  { rootMargin: "-30% 0px -65% 0px" },
);

function freshnessPill() {
  const isStale = sum(rowsOf("freshness"), (row) => row.staleCount) > 0;
  place("as-of").replaceChildren(
    isMissing(report.asOf) ? "No data yet" : `As of ${longDate(report.asOf)}`,
    ...(isStale ? [badge("some data is older")] : []),
  );
}

addEventListener("beforeprint", () => {
  root.classList.add("is-printing");
  fillAll();
  matrixOnPaper(place("matrix-body"));
  unfoldTables();
  redrawCharts();
});
addEventListener("afterprint", () => {
  root.classList.remove("is-printing");
  for (const paper of document.querySelectorAll(".paper")) paper.remove();
  redrawCharts();
});
place("print").addEventListener("click", () => print());

readAddress();
freshnessPill();
listenToSelects();
listenForCharts();
showScope();
goTo(scope.at);
for (const id of SECTIONS) marker.observe(place(id));
