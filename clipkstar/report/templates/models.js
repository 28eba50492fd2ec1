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
  const GAP = 8; // pixels around what a point says
  const RADIUS = 6; // pixels of a point
  let chosen = null;
  let chosenSet = null;
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

  function numbersOf(model, set) {
    const [accuracy, low, high, gamma, gammaLow, gammaHigh] = data.results[set][model];
    return [
      `${data.accuracy} ${percent(accuracy)} %` + (low === null ? "" : ` [${between(low, high, percent)}]`),
      `Γ′ ${number(gamma)}` + (gammaLow === null ? "" : ` [${between(gammaLow, gammaHigh, number)}]`),
    ];
  }

  function sentence(model, set) {
    const [name, family, lineage, whyNot] = data.models[model];
    const lines = [name + (whyNot ? ` (${whyNot})` : ""), ...numbersOf(model, set), `${family}, lineage ${lineage}`];
    return lines.join("\n");
  }

  const setOf = (mark) => Number(mark.closest("figure").dataset.s);

  // Hover and the arrow keys: one current point. What the pointer found goes with the next scroll; what was walked to stays.
  function point(mark, walked = false) {
    if (mark === current) return;
    if (current) current.classList.remove("at");
    [current, byKeys] = [mark, walked];
    tip.hidden = !mark;
    if (!mark) return;
    mark.classList.add("at");
    tip.textContent = sentence(Number(mark.dataset.m), setOf(mark));
    place();
  }

  // A mark's own box holds the mitres of its line, far beyond what is seen.
  function spot(mark) {
    const box = mark.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    return { left: x - RADIUS, right: x + RADIUS, top: y - RADIUS, bottom: y + RADIUS };
  }

  // Above the point, to a side or below it: the first place of those that cover the fewest points of the chart.
  function place() {
    const at = spot(current);
    const { width, height } = tip.getBoundingClientRect();
    const [middle, level] = [at.left + RADIUS, at.top + RADIUS];
    const [right, bottom] = [document.documentElement.clientWidth - width - GAP, window.innerHeight - height - GAP];
    const [over, under] = [at.top - height - GAP, at.bottom + GAP];
    const [before, after] = [at.left - width - GAP, at.right + GAP];
    const wanted = [
      [middle - width / 2, over], [after, over], [before, over],
      [after, level - height / 2], [before, level - height / 2],
      [middle - width / 2, under], [after, under], [before, under],
    ];
    const marks = Array.from(current.closest(".plot").querySelectorAll("[data-m]"), spot);
    let best = null;
    for (const [x, y] of wanted) {
      const [left, top] = [Math.max(GAP, Math.min(x, right)), Math.max(GAP, Math.min(y, bottom))];
      const meets = (one) =>
        one.right > left && one.left < left + width && one.bottom > top && one.top < top + height;
      const covered = marks.filter(meets).length + (meets(at) ? marks.length : 0);
      if (!best || covered < best.covered) best = { left, top, covered };
    }
    tip.style.transform = `translate(${Math.round(best.left)}px, ${Math.round(best.top)}px)`;
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

  // Scrolls the table's own box, never the page: the reader stays at the chart.
  function reveal(row) {
    const box = table.parentElement;
    const [inside, at] = [box.getBoundingClientRect(), row.getBoundingClientRect()];
    const top = inside.top + table.tHead.offsetHeight;
    const bottom = inside.top + box.clientHeight;
    if (at.top < top) box.scrollTop -= top - at.top;
    else if (at.bottom > bottom) box.scrollTop += at.bottom - bottom;
  }

  // set: number of the data set whose point was chosen; null = the row was. The same choice again unmarks.
  function choose(model, set = null) {
    if (chosen !== null) mark(chosen, false);
    const again = model === chosen && (set === null || set === chosenSet);
    [chosen, chosenSet] = again ? [null, null] : [model, set];
    document.body.classList.toggle("chosen", chosen !== null);
    bar.hidden = chosen === null;
    if (chosen === null) return;
    mark(chosen, true);
    reveal(rowOf.get(chosen));
    const [name, family, lineage, whyNot] = data.models[chosen];
    document.getElementById("chosen-name").textContent = name;
    document.getElementById("chosen-kind").textContent =
      `${family}, lineage ${lineage}` + (whyNot ? `, ${whyNot}` : "");
    document.getElementById("chosen-numbers").textContent =
      set === null ? "" : `${data.sets[set]}: ${numbersOf(chosen, set).join(", ")}`;
    const pages = rowOf.get(chosen).querySelector(".pages");
    document.getElementById("chosen-pages").replaceChildren(...(pages ? pages.cloneNode(true).childNodes : []));
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
      if (found) choose(Number(found.dataset.m), setOf(found));
    });
    plot.addEventListener("keydown", (event) => {
      if (["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Home", "End"].includes(event.key)) {
        event.preventDefault();
        walk(plot, event.key);
      } else if ((event.key === "Enter" || event.key === " ") && current) {
        event.preventDefault();
        choose(Number(current.dataset.m), setOf(current));
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
    const words = chosenOf("text").toLowerCase().split(/\s+/);
    const [family, lineage] = [chosenOf("family"), chosenOf("lineage")];
    const set = chosenOf("data-set");
    let left = 0;
    data.models.forEach(([, itsFamily, itsLineage], model) => {
      const fits =
        (!family || itsFamily === family) &&
        (!lineage || itsLineage === lineage) &&
        (!set || data.results[Number(set)][model] !== null) &&
        words.every((word) => haystacks[model].includes(word));
      rowOf.get(model).hidden = !fits;
      for (const each of marksOf.get(model) || []) each.classList.toggle("out", !fits);
      left += fits;
    });
    document.getElementById("nothing").hidden = left > 0;
    document.body.classList.toggle("filtered", left < data.models.length);
    document.getElementById("count").textContent =
      left === data.models.length ? `${left} models` : `${left} of ${data.models.length} models`;
  }

  // Columns of the data sets asked for: as the page came, the first ones; then the one that is chosen.
  const sets = () => (chosenOf("data-set") ? [Number(chosenOf("data-set"))] : data.shown);
  const [BEFORE, AFTER] = [4, 2]; // columns on either side of them

  function heading(text, first) {
    const head = document.createElement("th");
    head.dataset.first = first;
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

  function replaceColumns(row, cells) {
    for (const old of Array.from(row.cells).slice(BEFORE, -AFTER)) old.remove();
    row.cells[BEFORE - 1].after(...cells);
  }

  function showColumns() {
    const [groups, heads] = table.tHead.rows;
    for (const old of groups.querySelectorAll(".set")) old.remove();
    replaceColumns(heads, sets().flatMap(() => [heading(data.accuracy, "descending"), heading("Γ′", "ascending")]));
    for (const set of sets()) {
      const group = Object.assign(document.createElement("th"), { scope: "colgroup", colSpan: 2, className: "group set" });
      group.textContent = data.sets[set];
      groups.lastElementChild.before(group);
    }
    document.querySelector("#nothing td").colSpan = heads.cells.length;
    for (const [model, row] of rowOf) {
      const numbers = sets().map((set) => data.results[set][model] || Array(6).fill(null));
      const pairs = numbers.flatMap(([accuracy, low, high, gamma, gammaLow, gammaHigh]) => [
        cell(accuracy, low, high, percent),
        cell(gamma, gammaLow, gammaHigh, number),
      ]);
      replaceColumns(row, pairs);
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
