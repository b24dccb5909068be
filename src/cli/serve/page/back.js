// What a rollback would do, while somebody looks.

import { el } from "./dom.js";
import { ask } from "./server.js";

export function back(main, seen) {
  const list = el("div");
  const part = el("details", { class: "step", ontoggle: look }, el("summary", {}, el("span", { class: "id" }, "What a rollback would do now")), list);
  main.append(el("h2", {}, "The rollback"), part);
  let [waits, busy] = [false, false];

  async function look() {
    waits = true;
    if (!part.open || busy) return;
    busy = true;
    while (waits) {
      waits = false;
      const way = await ask(`runs/${encodeURIComponent(seen.name)}/back`).catch(() => null);
      list.replaceChildren(...(way ? told(way) : [el("p", { class: "soft" }, "It is not known: the run has not begun, was tidied, or its inputs are not to be had.")]));
      await new Promise((later) => setTimeout(later, 1000));
    }
    busy = false;
  }

  return { update: look };
}

function told(way) {
  const undone = way.steps.filter((step) => step.undone).length;
  const kept = way.steps.length - undone;
  const notes = [el("p", {}, `To ${way.to ? `the checkpoint ${way.to}` : "the start"}: ${undone} of ${way.steps.length} changes would be undone${kept ? `, ${kept} would stay` : ""}.`)];
  if (way.wall) notes.push(el("p", { class: "bad" }, `It cannot pass ${way.wall}, a point of no return.`));
  for (const task of way.unknown) notes.push(el("p", { class: "open" }, `It waits for ${task}, whose outcome is unknown.`));
  if (way.gates.length) notes.push(el("p", {}, `It goes batch by batch, and looks at ${way.gates.join(", ")} between them.`));
  const rows = way.steps.map((step) => el("tr", {}, el("td", { class: step.undone ? "change" : "bad" }, step.undone ? "undoes" : "keeps"), el("td", {}, step.task), el("td", {}, step.what)));
  return rows.length ? [...notes, el("table", {}, el("tbody", {}, ...rows))] : notes;
}
