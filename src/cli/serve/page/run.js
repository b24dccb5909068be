// One run: what comes from the server is kept in one place here, and each part of the page is drawn from that.

import { clock, date, el, say, span } from "./dom.js";
import { stream } from "./server.js";
import { steps } from "./steps.js";
import { timeline } from "./timeline.js";
import { approval, forEngine } from "./control.js";
import { back } from "./back.js";

export function run(main, name, session) {
  const seen = { name, session, head: null, steps: [], tasks: [], moments: [], skew: 0, now: () => Date.now() - seen.skew };
  const parts = [head(main, seen), timeline(main, seen), steps(main, seen), back(main, seen), course(main, seen)];
  const close = stream(`runs/${encodeURIComponent(name)}`, (update) => {
    take(seen, update);
    for (const part of parts) part.update(update);
  });
  const tick = setInterval(() => parts.forEach((part) => part.tick?.()), 1000);
  return () => {
    close();
    clearInterval(tick);
    parts.forEach((part) => part.close?.());
  };
}

function take(seen, update) {
  seen.head = update.head;
  seen.broken = update.broken;
  seen.noInputs = update.no_inputs;
  seen.skew = Date.now() - update.now;
  if (update.frame) {
    seen.moments = [];
    seen.steps = update.frame.steps.map((step) => ({ ...step, tasks: [] }));
    seen.tasks = update.frame.tasks.map((task) => ({ ...task }));
    for (const task of seen.tasks) seen.steps[task.step].tasks.push(task);
  }
  for (const shown of update.tasks) Object.assign(seen.tasks[shown.place], shown);
  seen.moments.push(...update.moments);
}

/** The time that a run has taken, or takes. */
export function elapsed(seen) {
  const { started, last, end, engine } = seen.head;
  return started ? (end || !engine ? last : Math.max(seen.now(), last)) - started : 0;
}

function head(main, seen) {
  const badge = el("span", { class: "badge", role: "status" });
  const [title, summary] = [el("h1"), el("p", { class: "soft" })];
  const progress = el("progress", { "aria-label": "tasks that are over" });
  const [numbers, tally, about] = [el("span"), el("ul", { class: "tally" }), el("p", { class: "soft" })];
  const notices = el("div", { role: "status", "aria-live": "polite" });
  const [acts, asks] = [el("div", { class: "acts" }), el("div", { role: "status" })];
  const failures = el("div", { role: "status" });
  let [offered, asked, failed] = ["", "", ""];
  main.append(el("div", { class: "title" }, title, badge, acts), summary, about, asks, failures, notices, el("div", { class: "far" }, progress, numbers), tally);
  const tick = () => {
    if (seen.head) say(numbers, `${seen.head.over} of ${seen.head.total} tasks · ${span(elapsed(seen))}`);
  };
  return {
    tick,
    update() {
      const { head } = seen;
      document.title = `${head.runbook}: ${head.status}`;
      say(title, head.runbook);
      say(badge, head.status);
      badge.className = `badge ${head.class}`;
      say(summary, head.summary);
      progress.max = head.total || 1;
      progress.value = head.over;
      progress.className = head.class;
      const counts = head.tally.map(({ count, what, class: kind }) => el("li", {}, el("b", { class: kind }, String(count)), what));
      tally.replaceChildren(...counts);
      say(about, [`run ${head.run}`, `by ${head.operator}`, head.started && date(head.started), leftOut(head)].filter(Boolean).join(" · "));
      notices.replaceChildren(...notes(seen).map((text) => el("p", { class: "notice" }, text)));
      // What a person is about to press stays where it is.
      const offers = JSON.stringify([head.engine, head.end, head.stopping, head.paused]);
      if (offers !== offered) acts.replaceChildren(...forEngine(seen).filter(Boolean));
      const questions = JSON.stringify(head.asks);
      if (questions !== asked) asks.replaceChildren(...head.asks.map((question) => asking(seen, question)));
      const causes = JSON.stringify([head.failures, head.next]);
      if (causes !== failed) failures.replaceChildren(...head.failures.map(failure), ...leadingOn(head));
      [offered, asked, failed] = [offers, questions, causes];
      tick();
    },
  };
}

function asking(seen, asked) {
  const hint = seen.session.control ? approval(seen, asked) : el("p", { class: "soft" }, `\`surefoot approve ${seen.head.run} ${asked.step}\` lets it pass.`);
  return el("div", { class: "notice ask" }, el("p", {}, el("b", {}, `${asked.step} asks`)), el("p", {}, asked.question), hint);
}

/** Tasks that failed alike, and why. */
function failure({ tasks, outcome, text }) {
  const named = tasks.slice(0, 8).join(", ") + (tasks.length > 8 ? ` and ${tasks.length - 8} more` : "");
  return el("div", { class: "notice failure" }, el("p", {}, el("b", {}, outcome), ` ${named}`), el("pre", {}, text));
}

/** The commands that lead on, where nobody is at work on the run. */
function leadingOn(head) {
  if (head.engine || !head.next.length) return [];
  return [el("p", { class: "soft" }, "Next: ", ...head.next.slice(0, 3).flatMap((command) => [el("code", {}, command), " "]))];
}

function leftOut(head) {
  const hosts = Object.entries(head.excluded).map(([host, why]) => `${host} (${why})`);
  return hosts.length ? `without ${hosts.join(", ")}` : "";
}

function notes({ head, broken, noInputs }) {
  const notes = [];
  if (broken) notes.push(`The record cannot be read on: ${broken}`);
  if (noInputs) notes.push(`The order of its steps and its rollback are not known: ${noInputs}`);
  if (!head.end && !head.engine) notes.push("The engine of this run crashed or was killed.");
  if (head.paused) notes.push(`${head.paused} has it wait before its next step.`);
  return notes;
}

function course(main, seen) {
  const list = el("dl", { class: "course" });
  main.append(el("h2", {}, "The course of it"), list);
  let shown = [];
  return {
    update() {
      if (seen.moments.length === shown.length && seen.moments[0] === shown[0]) return;
      shown = [...seen.moments];
      list.replaceChildren(...shown.flatMap(({ at, text }) => [el("dt", {}, clock(at)), el("dd", {}, text)]));
    },
  };
}
