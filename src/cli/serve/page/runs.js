// The list of runs, the newest first.

import { date, el, span } from "./dom.js";
import { stream } from "./server.js";

export function runs(main) {
  const list = el("ul", { class: "runs" });
  document.title = "surefoot: runs";
  main.append(el("h1", {}, "Runs"), list);
  return stream("runs", (rows) => {
    const empty = el("li", { class: "soft" }, "There is no run yet. This list fills by itself.");
    list.replaceChildren(...(rows.length ? rows.map(row) : [empty]));
  });
}

function row(run) {
  if (run.broken) return el("li", { class: "run" }, el("b", {}, run.run), el("span", { class: "bad" }, `cannot be read: ${run.broken}`));
  const took = run.last && run.started ? span(run.last - run.started) : "";
  const words = state(run);
  return el("li", { class: "run" },
    el("a", { href: `#/runs/${encodeURIComponent(run.run)}` }, el("b", {}, run.runbook || "not begun"), el("span", { class: "soft" }, run.run)),
    el("span", { class: `badge ${run.class}` }, words),
    el("progress", { class: run.class, max: run.total || 1, value: run.over, "aria-label": `${run.over} of ${run.total} tasks` }),
    el("span", { class: "soft" }, [`${run.over} of ${run.total}`, took, run.operator && `by ${run.operator}`, run.started && date(run.started)].filter(Boolean).join(" · ")));
}

/** How a run is, in a few words. */
export function state(run) {
  if (run.end) return run.end;
  if (!run.engine) return "no engine";
  if (run.asks?.length) return "waits for an answer";
  if (run.paused) return "paused";
  if (run.back) return "walking back";
  return run.stopping ? "stopping" : "running";
}
