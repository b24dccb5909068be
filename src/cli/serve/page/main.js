// Which view the address asks for: `#/` is the list of runs, `#/runs/RUN` one of them.

import { el } from "./dom.js";
import { enter } from "./server.js";
import { runs } from "./runs.js";
import { run } from "./run.js";

const main = document.getElementById("main");
let leave = () => {};

function show(session) {
  leave();
  main.replaceChildren();
  const name = /^#\/runs\/([^/]+)$/.exec(location.hash);
  leave = name ? run(main, decodeURIComponent(name[1]), session) : runs(main);
  window.scrollTo(0, 0);
}

try {
  const session = await enter();
  document.getElementById("who").textContent = session.control ? `you act as ${session.operator}` : "read-only";
  window.addEventListener("hashchange", () => show(session));
  show(session);
} catch (error) {
  main.replaceChildren(el("div", { class: "notice", role: "alert" }, el("h1", {}, "Not let in"), el("p", {}, error.message)));
}
