// One task, opened below its step: what it is given, what went wrong, and what it prints, as it grows.

import { el, facts, say, size } from "./dom.js";
import { ask } from "./server.js";
import { settling } from "./control.js";

/** What is kept of an output here; all of it stays where it is, and `surefoot logs` prints it. */
const MOST = 512 * 1024;

export function task(item, seen, task) {
  const place = el("div", { class: "opened", role: "region", "aria-label": task.name }, el("p", { class: "soft" }, "…"));
  item.append(place);
  const path = `runs/${encodeURIComponent(seen.name)}`;
  const outputs = new Map();
  let [closed, busy, again] = [false, false, false];

  /** One at a time; what changes meanwhile is asked for afterwards. */
  async function update() {
    again = true;
    if (busy) return;
    busy = true;
    while (again && !closed) {
      again = false;
      try {
        const told = await ask(`${path}/tasks/${encodeURIComponent(task.name)}`);
        show(told);
        for (const printed of told.printed) await grow(printed);
      } catch (error) {
        place.replaceChildren(el("p", { class: "bad" }, error.message));
      }
    }
    busy = false;
  }

  function show(told) {
    for (const printed of told.printed) {
      if (!outputs.has(printed.file)) outputs.set(printed.file, output(path, printed));
    }
    const fault = told.fault_text ? el("pre", { class: "bad" }, told.fault_text) : null;
    const command = told.command ? el("details", {}, el("summary", {}, "what it is given"), el("pre", {}, told.command)) : null;
    const old = place.querySelector("details");
    if (command && old?.open) command.open = true;
    const rows = [["task", told.task], ["changed", told.summary], ["undo", told.undo], ["attempts", told.attempts > 1 && String(told.attempts)], ...told.earlier.map((fault) => ["tried again", fault.message])];
    const top = el("div", {}, told.title ? el("p", {}, told.title) : null, fault, el("div", { class: "acts" }, ...settling(seen, task).filter(Boolean)), facts(rows), command, told.diff ? diff(told.diff) : null);
    place.replaceChildren(top, ...[...outputs.values()].map((output) => output.part));
    outputs.forEach((output) => output.follow());
    if (!outputs.size) place.append(el("p", { class: "soft" }, "It has printed nothing."));
  }

  async function grow(printed) {
    await outputs.get(printed.file).grow(printed.size);
  }

  update();
  return {
    update,
    close() {
      closed = true;
      place.remove();
    },
  };
}

function diff(text) {
  const kinds = { "+": "added", "-": "taken", "@": "at" };
  return el("pre", {}, ...text.split("\n").map((line) => el("span", { class: kinds[line[0]] ?? "" }, line)));
}

/** An output: its end at first, and on from there. */
function output(path, { file, title }) {
  const text = el("pre", { class: "output", tabindex: "0", "aria-label": title });
  const earlier = el("button", { type: "button", class: "link", hidden: true, onclick: before }, "show what was before");
  const about = el("span", { class: "soft" });
  const part = el("div", {}, el("p", {}, el("b", {}, title), " ", about, " ", earlier), text);
  const from = (place) => ask(`${path}/outputs/${encodeURIComponent(file)}${place === null ? "" : `/${place}`}`);
  let [first, next, at] = [null, null, true];
  text.addEventListener("scroll", () => (at = text.scrollHeight - text.scrollTop - text.clientHeight < 24));

  function show(piece) {
    first ??= piece.from;
    next = piece.next;
    text.append(piece.text);
    if (text.textContent.length > MOST) {
      const all = text.textContent;
      text.textContent = all.slice(-MOST / 2);
      first = null;
    }
    earlier.hidden = !first;
    say(about, size(piece.size) + (first === null ? ", its end" : ""));
  }

  async function before() {
    const start = Math.max(0, first - 64 * 1024);
    const piece = await from(start);
    const bytes = new TextEncoder().encode(piece.text).slice(0, first - start);
    text.prepend(new TextDecoder().decode(bytes));
    first = start;
    earlier.hidden = first === 0;
  }

  return {
    part,
    /** Stays at its end, unless somebody has scrolled away from there. */
    follow: () => at && (text.scrollTop = text.scrollHeight),
    async grow(to) {
      while (next === null || next < to) {
        const piece = await from(next);
        // A character that is not whole yet, or nothing.
        if (next === piece.next) break;
        show(piece);
        if (at) text.scrollTop = text.scrollHeight;
      }
    },
  };
}
