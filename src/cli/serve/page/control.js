// What a person may do here, each after a question that says what will happen.

import { el } from "./dom.js";
import { tell } from "./server.js";

/** A button that asks first; nothing where this page only shows. */
export function act(seen, label, path, body, says) {
  if (!seen.session.control) return null;
  return el("button", { type: "button", class: "act", onclick: () => confirm(seen, label, path, body, says()) }, label);
}

/** The buttons for a run that is alive, each by the word that the console and the command line have for it. */
export function forEngine(seen) {
  const { head } = seen;
  if (!head.engine || head.end) return [];
  const running = () => seen.tasks.filter((task) => task.open).map((task) => task.name);
  const pause = head.paused
    ? act(seen, "Go on", "pause", { paused: false }, () => ["The next steps of the run begin."])
    : act(seen, "Pause", "pause", { paused: true }, () => ["No further task is begun, on any host, until somebody lets the run go on. What runs is let finish.", ...now(running())]);
  const after = `Then the run ends as interrupted: \`surefoot resume ${head.run}\` goes on with it, and \`surefoot rollback ${head.run}\` rolls it back.`;
  const stop = act(seen, "Stop safely", "stop", {}, () => ["What runs is let finish, nothing new starts.", ...now(running()), after]);
  const cancel = act(seen, "Cancel", "cancel", {}, () => [
    "Nothing new starts, and what runs on the hosts is ended at once, with every process that it started.",
    ...now(running()),
    after,
  ]);
  return head.stopping ? [cancel] : [pause, stop, cancel];
}

function now(running) {
  const more = running.length > 8 ? ` and ${running.length - 8} more` : "";
  return running.length ? [`At work now: ${running.slice(0, 8).join(", ")}${more}.`] : [];
}

export function approval(seen, { step, question }) {
  return act(seen, "Approve", "approve", { step }, () => [question, `${step} passes, and the run goes on at once.`]);
}

/** For a task of which nobody knows whether it took effect. */
export function settling(seen, task) {
  if (seen.head.engine || !["unknown", "stuck"].includes(task.word)) return [];
  const word = (took_effect) => ({ task: task.name, took_effect });
  const next = "Look at the host first. Nothing is done now: `surefoot resume` or `surefoot rollback` goes on from your word.";
  return [
    act(seen, "It took effect", "settle", word(true), () => [`You say that ${task.name} did what it should.`, next]),
    act(seen, "Nothing of it is there", "settle", word(false), () => [`You say that ${task.name} has left nothing on its host.`, next]),
  ];
}

function confirm(seen, label, path, body, lines) {
  const wrong = el("p", { class: "bad", role: "alert" });
  const yes = el("button", { type: "button", class: "act yes", onclick: send }, label);
  const dialog = el("dialog", { "aria-label": label, onclose: () => dialog.remove() },
    el("h2", {}, `${label}?`), ...lines.map((line) => el("p", {}, line)),
    el("p", { class: "soft" }, `On record: ${seen.session.operator}, on the page.`), wrong,
    el("div", { class: "acts" }, yes, el("button", { type: "button", class: "act", autofocus: true, onclick: () => dialog.close() }, "Not now")));

  async function send() {
    yes.disabled = true;
    try {
      await tell(`runs/${encodeURIComponent(seen.name)}/${path}`, body);
      dialog.close();
    } catch (error) {
      wrong.textContent = error.message;
      yes.disabled = false;
    }
  }

  document.body.append(dialog);
  dialog.showModal();
}
