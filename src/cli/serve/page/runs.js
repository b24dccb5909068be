// The list of runs, the newest first.

import { date, el, say, span } from "./dom.js";
import { stream } from "./server.js";

export function runs(main) {
  const list = el("ul", { class: "runs" });
  const empty = el("li", { class: "soft" }, "There is no run yet. This list fills by itself.");
  document.title = "surefoot: runs";
  main.append(el("h1", {}, "Runs"), list);
  const rows = new Map();
  return stream("runs", (runs) => {
    for (const run of runs) {
      if (!rows.has(run.run)) rows.set(run.run, row(run));
      rows.get(run.run).update(run);
    }
    const items = runs.length ? runs.map((run) => rows.get(run.run).item) : [empty];
    // What a person is about to press stays where it is.
    if (items.length !== list.children.length || items.some((item, place) => item !== list.children[place])) list.replaceChildren(...items);
  });
}

function row({ run }) {
  const [title, badge, progress, about] = [el("b"), el("span"), el("progress"), el("span", { class: "soft" })];
  const link = el("a", { href: `#/runs/${encodeURIComponent(run)}` }, title, el("span", { class: "soft" }, run));
  return {
    item: el("li", { class: "run" }, link, badge, progress, about),
    update(run) {
      const took = run.last && run.started ? span(run.last - run.started) : "";
      const facts = [`${run.over} of ${run.total}`, took, run.operator && `by ${run.operator}`, run.started && date(run.started)];
      say(title, run.runbook || "not begun");
      say(badge, run.status);
      say(about, run.broken ?? facts.filter(Boolean).join(" · "));
      badge.className = `badge ${run.class}`;
      progress.className = run.class;
      progress.max = run.total || 1;
      progress.value = run.over;
      progress.setAttribute("aria-label", `${run.over} of ${run.total} tasks`);
    },
  };
}
