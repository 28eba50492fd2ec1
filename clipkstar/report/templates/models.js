// The main page: what a point says, one model marked everywhere, and filters. Names are only ever set as text.
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("leaderboard");
  const tip = document.getElementById("tip");
  const said = document.getElementById("said");
  const bar = document.getElementById("chosen");
  const plots = Array.from(document.querySelectorAll(".plot"));
  const rowOf = new Map(Array.from(table.tBodies[0].rows, (row) => [Number(row.dataset.m), row]));
  const marksOf = new Map();
  const REACH = 16; // pixels from the pointer to a point that it still means
  let chosen = null;
  let current = null;
  let byKeys = false;

  for (const plot of plots) {
    for (const mark of plot.querySelectorAll("[data-m]")) {
      const model = Number(mark.dataset.m);
      if (!marksOf.has(model)) marksOf.set(model, []);
      marksOf.get(model).push(mark);
    }
  }

  // Numbers, as the page itself writes them.
  const number = (value, digits = 2) => {
    if (value === null) return "–";
    const text = value.toFixed(digits);
    return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
  };
  const percent = (value) => number(value === null ? null : 100 * value, 1);
  const between = (low, high, write) => (low === null ? "" : `${write(low)} to ${write(high)}`);

  function sentence(model, set) {
    const [name, family, lineage, whyNot] = data.models[model];
    const [accuracy, low, high, gamma, gammaLow, gammaHigh] = data.results[set][model];
    const lines = [
      name + (whyNot ? ` (${whyNot})` : ""),
      `${data.accuracy} ${percent(accuracy)} %` + (low === null ? "" : ` [${between(low, high, percent)}]`),
      `Γ′ ${number(gamma)}` + (gammaLow === null ? "" : ` [${between(gammaLow, gammaHigh, number)}]`),
      `${family}, lineage ${lineage}`,
    ];
    return lines.join("\n");
  }

  // Hover and the arrow keys: one current point. What the pointer found goes with the next scroll; what was walked to stays.
  function point(mark, walked = false) {
    if (mark === current) return;
    if (current) current.classList.remove("at");
    [current, byKeys] = [mark, walked];
    tip.hidden = !mark;
    if (!mark) return;
    mark.classList.add("at");
    const set = Number(mark.closest("figure").dataset.s);
    tip.textContent = sentence(Number(mark.dataset.m), set);
    place();
  }

  function place() {
    const at = current.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(at.right + 10, document.documentElement.clientWidth - size.width - 8));
    const below = at.bottom + 10;
    const top = below + size.height > window.innerHeight ? at.top - size.height - 10 : below;
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(8, top))}px)`;
  }

  function nearest(plot, x, y) {
    let best = null;
    let reach = REACH;
    for (const mark of plot.querySelectorAll("[data-m]:not(.out)")) {
      const box = mark.getBoundingClientRect();
      const distance = Math.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y);
      if (distance < reach) [best, reach] = [mark, distance];
    }
    return best;
  }

  function walk(plot, key) {
    const across = (mark) => mark.getBoundingClientRect().x;
    const marks = Array.from(plot.querySelectorAll("[data-m]:not(.out)")).sort((a, b) => across(a) - across(b));
    if (!marks.length) return;
    const at = marks.indexOf(current);
    const forward = key === "ArrowRight" || key === "ArrowDown";
    const step = at < 0 ? (forward ? 0 : marks.length - 1) : (at + (forward ? 1 : -1) + marks.length) % marks.length;
    point(marks[key === "Home" ? 0 : key === "End" ? marks.length - 1 : step], true);
    said.textContent = tip.textContent.replaceAll("\n", ", ");
  }

  // One model, marked everywhere.
  function mark(model, on) {
    const row = rowOf.get(model);
    row.classList.toggle("on", on);
    row.querySelector(".pick").setAttribute("aria-pressed", String(on));
    for (const each of marksOf.get(model) || []) each.classList.toggle("on", on);
  }

  function choose(model) {
    if (chosen !== null) mark(chosen, false);
    chosen = model === chosen ? null : model;
    document.body.classList.toggle("chosen", chosen !== null);
    bar.hidden = chosen === null;
    if (chosen === null) return;
    mark(chosen, true);
    const [name, family, lineage, whyNot] = data.models[chosen];
    document.getElementById("chosen-name").textContent = name;
    document.getElementById("chosen-kind").textContent =
      `${family}, lineage ${lineage}` + (whyNot ? `, ${whyNot}` : "");
    said.textContent = `${name} is marked`;
  }

  function clear() {
    point(null);
    if (chosen !== null) choose(chosen);
  }

  for (const plot of plots) {
    plot.addEventListener("pointermove", (event) => point(nearest(plot, event.clientX, event.clientY)));
    plot.addEventListener("pointerleave", () => point(null));
    plot.addEventListener("blur", () => point(null));
    plot.addEventListener("click", (event) => {
      const found = nearest(plot, event.clientX, event.clientY);
      if (found) choose(Number(found.dataset.m));
    });
    plot.addEventListener("keydown", (event) => {
      if (["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Home", "End"].includes(event.key)) {
        event.preventDefault();
        walk(plot, event.key);
      } else if ((event.key === "Enter" || event.key === " ") && current) {
        event.preventDefault();
        choose(Number(current.dataset.m));
      }
    });
  }
  table.addEventListener("click", (event) => {
    const pick = event.target.closest("button.pick");
    if (pick) choose(Number(pick.closest("tr").dataset.m));
  });
  document.getElementById("clear").addEventListener("click", clear);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
  });
  const follow = () => current && (byKeys ? place() : point(null));
  window.addEventListener("scroll", follow, { passive: true });

  // Filters.
  const form = document.querySelector("form.filters");
  const chosenOf = (id) => document.getElementById(id).value;
  const haystacks = data.models.map((model) => model.join(" ").toLowerCase());

  function filter() {
    const [text, family, lineage] = [chosenOf("text").trim().toLowerCase(), chosenOf("family"), chosenOf("lineage")];
    const set = chosenOf("data-set");
    let left = 0;
    data.models.forEach(([, itsFamily, itsLineage], model) => {
      const fits =
        (!family || itsFamily === family) &&
        (!lineage || itsLineage === lineage) &&
        (!set || data.results[Number(set)][model] !== null) &&
        haystacks[model].includes(text);
      rowOf.get(model).hidden = !fits;
      for (const each of marksOf.get(model) || []) each.classList.toggle("out", !fits);
      left += fits;
    });
    document.getElementById("count").textContent =
      left === data.models.length ? `${left} models` : `${left} of ${data.models.length} models`;
  }

  // Columns of the data sets asked for: as the page came, the first ones; then the one that is chosen.
  const sets = () => (chosenOf("data-set") ? [Number(chosenOf("data-set"))] : data.shown);
  const FIXED = 6;

  function heading(text, first, column) {
    const head = document.createElement("th");
    Object.assign(head.dataset, { first, column });
    head.scope = "col";
    head.className = "number";
    head.setAttribute("aria-sort", "none");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "sort" });
    button.textContent = text;
    head.append(button);
    return head;
  }

  function cell(value, low, high, write) {
    const made = document.createElement("td");
    made.className = "number";
    made.dataset.v = value === null ? "" : value;
    made.textContent = write(value);
    if (low !== null) {
      const small = document.createElement("small");
      small.textContent = between(low, high, write);
      made.append(" ", small);
    }
    return made;
  }

  function showColumns() {
    const [groups, heads] = table.tHead.rows;
    for (const old of groups.querySelectorAll(".set")) old.remove();
    while (heads.cells.length > FIXED) heads.lastElementChild.remove();
    sets().forEach((set, place) => {
      const group = Object.assign(document.createElement("th"), { scope: "colgroup", colSpan: 2, className: "group set" });
      group.textContent = data.sets[set];
      groups.append(group);
      heads.append(
        heading(data.accuracy, "descending", FIXED + 2 * place),
        heading("Γ′", "ascending", FIXED + 2 * place + 1),
      );
    });
    for (const [model, row] of rowOf) {
      while (row.cells.length > FIXED) row.lastElementChild.remove();
      for (const set of sets()) {
        const [accuracy, low, high, gamma, gammaLow, gammaHigh] = data.results[set][model] || Array(6).fill(null);
        row.append(cell(accuracy, low, high, percent), cell(gamma, gammaLow, gammaHigh, number));
      }
    }
    for (const plot of plots) {
      const figure = plot.closest("figure");
      figure.hidden = chosenOf("data-set") !== "" && figure.dataset.s !== chosenOf("data-set");
    }
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target.id === "data-set") showColumns();
    filter();
  });
  form.addEventListener("reset", () =>
    setTimeout(() => {
      showColumns();
      filter();
    }),
  );
})();
