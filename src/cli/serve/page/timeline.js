// When each host was at work. A lane is as wide as the run is long, in milliseconds: so time goes on by changing one number.

import { el, say, span, svg } from "./dom.js";
import { elapsed } from "./run.js";

export function timeline(main, seen) {
  const [lanes, end] = [el("div", { class: "lanes" }), el("span")];
  const axis = el("div", { class: "lane axis" }, el("span"), el("div", {}, el("span", {}, "0"), end));
  main.append(el("h2", {}, "When"), lanes, axis);
  let [hosts, bars] = [new Map(), new Map()];

  function tick() {
    if (!seen.head) return;
    const whole = Math.max(1, elapsed(seen));
    for (const lane of hosts.values()) lane.setAttribute("viewBox", `0 0 ${whole} 10`);
    for (const { task, open } of bars.values()) open?.setAttribute("width", Math.max(0, seen.now() - task.open));
    say(end, span(whole));
  }

  function draw(task) {
    bars.get(task)?.group.remove();
    const start = seen.head.started ?? 0;
    const bar = (from, to, kind) => svg("rect", { x: from - start, y: 0, width: Math.max(0, to - from), height: 10, class: kind });
    const open = task.open ? bar(task.open, seen.now(), "open working") : null;
    const all = [...task.spans.map(([from, to, kind]) => bar(from, to, kind)), ...(open ? [open] : [])];
    const group = svg("g", {}, svg("title"), ...all);
    say(group.firstChild, `${task.name}: ${task.word}`);
    hosts.get(task.host)?.append(group);
    bars.set(task, { task, group, open });
  }

  return {
    tick,
    update(update) {
      if (update.frame) {
        bars = new Map();
        hosts = new Map([...new Set(seen.tasks.map((task) => task.host))].map((host) => [host, svg("svg", { preserveAspectRatio: "none" })]));
        lanes.replaceChildren(...[...hosts].map(([host, lane]) => el("div", { class: "lane" }, el("span", { title: host }, host), el("div", {}, lane))));
      }
      for (const { place } of update.tasks) draw(seen.tasks[place]);
      tick();
    },
  };
}
