// The steps: a line for each with a mark for each of its tasks, and beside them the graph that colours as they do.

import { el, say, span } from "./dom.js";
import { task as opened } from "./task.js";

const GRAVEST_FIRST = ["bad", "open", "change", "good", "idle"];
const SIGNS = { done: "✓", changed: "✓", failed: "✕", stuck: "✕", kept: "!", unknown: "?", skipped: "–", undone: "↶", unreachable: "∅" };
/** With more tasks than that a step has squares in the place of names. */
const NAMED = 6;

export function steps(main, seen) {
  const [list, drawing] = [el("ol", { class: "steps" }), el("div", { class: "drawing" })];
  const graph = el("aside", { "aria-label": "The order of the steps" }, el("h2", {}, "Their order"), drawing);
  const atWork = el("p", { class: "at-work" });
  main.append(atWork, el("div", { class: "columns" }, el("section", {}, el("h2", {}, "Steps"), list), graph));
  let [rows, nodes, open] = [[], new Map(), null];

  function choose(row, task, mark) {
    const again = open?.task === task;
    open?.mark.setAttribute("aria-expanded", "false");
    open?.close();
    open = null;
    if (again) return;
    open = { task, mark, ...opened(row.item, seen, task) };
    mark.setAttribute("aria-expanded", "true");
  }

  function frame(update) {
    open?.close();
    open = null;
    rows = seen.steps.map((step, place) => line(step, place, seen.steps[place - 1], choose));
    list.replaceChildren(...rows.flatMap((row) => row.all));
    nodes = draw(drawing, update.frame.graph);
    graph.hidden = nodes.size === 0;
  }

  return {
    tick: () => rows.forEach((row) => row.tick(seen.now())),
    close: () => open?.close(),
    update(update) {
      if (update.frame) frame(update);
      const changed = new Set(update.tasks.map(({ place }) => seen.tasks[place].step));
      for (const place of changed) {
        const row = rows[place];
        const gravest = row.update(seen.now());
        nodes.get(row.step.id)?.setAttribute("class", gravest);
      }
      if (changed.size) atWork.replaceChildren(...working(rows));
      if (open && update.tasks.some(({ place }) => seen.tasks[place] === open.task)) open.update();
    },
  };
}

/** What is at work now, and the way there. */
function working(rows) {
  const links = rows.filter(({ step }) => step.tasks.some((task) => task.open)).map(({ step, item }) => {
    const hosts = step.tasks.filter((task) => task.open).map((task) => task.host);
    const where = hosts.length > NAMED ? `${hosts.length} tasks` : hosts.join(", ");
    const go = () => item.scrollIntoView({ block: "center" });
    return el("button", { type: "button", class: "link", onclick: go }, `${step.name} (${where})`);
  });
  return links.length ? [el("span", { class: "soft" }, "At work now "), ...links] : [];
}

/** A step's line. */
function line(step, number, before, choose) {
  const marks = step.tasks.map((task) => {
    const mark = el("button", { type: "button", class: "task", "aria-expanded": "false", onclick: () => choose(row, task, mark) });
    return mark;
  });
  const [words, note] = [el("span", { class: "words" }), el("p", { class: "note" })];
  const kind = step.mark === "irreversible" ? el("span", { class: "bad" }, "no return") : null;
  const item = el("li", { class: "step" },
    el("div", { class: "head" },
      el("span", { class: "number" }, String(number + 1)),
      el("span", { class: "id", title: step.title }, step.name), el("span", { class: "soft" }, step.action), kind,
      el("div", { class: marks.length > NAMED ? "marks many" : "marks" }, ...marks), words),
    note);
  const group = step.group && step.group !== before?.group ? el("li", { class: "mark" }, step.group) : null;
  const row = { step, item, all: group ? [group, item] : [item] };
  row.tick = (now) => say(words, summary(step, now));
  row.update = (now) => {
    step.tasks.forEach((task, number) => dress(marks[number], task, marks.length <= NAMED));
    const gravest = GRAVEST_FIRST.find((known) => step.tasks.some((task) => task.class === known)) ?? "idle";
    item.className = `step ${gravest}`;
    words.className = `words ${gravest}`;
    const notes = step.tasks.filter((task) => task.note && task.class !== "good");
    const told = notes.slice(0, 3).map((task) => (step.tasks.length > 1 ? `${place(task)}: ${task.note}` : task.note));
    say(note, [...told, ...(notes.length > 3 ? [`and ${notes.length - 3} more`] : [])].join("\n"));
    row.tick(now);
    return gravest;
  };
  return row;
}

/** `etcd-1`, or `etcd-1[2]` of several items. */
function place(task) {
  return task.name.slice(task.name.indexOf("@") + 1);
}

function dress(mark, task, named) {
  const sign = SIGNS[task.word] ?? (task.open ? "●" : "");
  say(mark, named ? `${place(task)} ${sign}`.trim() : sign);
  mark.className = `task ${task.class}${task.open ? " working" : ""}`;
  mark.title = `${task.name}: ${task.word}`;
  mark.setAttribute("aria-label", mark.title);
}

/** `2 done, 1 running · 12 s` */
function summary(step, now) {
  const counts = new Map();
  for (const { word } of step.tasks) counts.set(word, (counts.get(word) ?? 0) + 1);
  const words = counts.size === 1 ? [...counts.keys()] : [...counts].map(([word, count]) => `${count} ${word}`);
  const spans = step.tasks.flatMap((task) => [...(task.spans ?? []), ...(task.open ? [[task.open, now]] : [])]);
  const [from, to] = [Math.min(...spans.map(([from]) => from)), Math.max(...spans.map(([, to]) => to))];
  return words.join(", ") + (spans.length ? ` · ${span(to - from)}` : "");
}

/** The server's drawing; gives the shape of each step. */
function draw(place, text) {
  place.replaceChildren();
  if (!text) return new Map();
  const drawn = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  place.append(document.importNode(drawn, true));
  return new Map([...place.querySelectorAll("[data-step]")].map((node) => [node.dataset.step, node.querySelector("rect")]));
}
