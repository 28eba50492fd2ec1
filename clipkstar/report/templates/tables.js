// Sorts tables whose headers hold a button.sort. A cell's key is data-v where it has one (a number), else its text.
"use strict";

(() => {
  const words = new Intl.Collator("en", { numeric: true });

  function keyOf(row, column) {
    const cell = row.cells[column];
    const value = cell.dataset.v;
    if (value === undefined) return cell.textContent.trim();
    return value === "" ? null : Number(value);
  }

  function compare(one, other) {
    return typeof one === "number" && typeof other === "number" ? one - other : words.compare(one, other);
  }

  function sort(head) {
    const table = head.closest("table");
    const was = head.getAttribute("aria-sort");
    const first = head.dataset.first || "ascending";
    const now = was === "none" ? first : was === "ascending" ? "descending" : "ascending";
    const column = head.cellIndex;
    const sign = now === "ascending" ? 1 : -1;
    const body = table.tBodies[0];
    const rows = Array.from(body.rows, (row) => ({ row, key: keyOf(row, column) }));
    rows.sort((one, other) => {
      // What is undefined stays last in either direction.
      if (one.key === null || other.key === null) return (one.key === null) - (other.key === null);
      return sign * compare(one.key, other.key);
    });
    body.append(...rows.map(({ row }) => row));
    for (const each of table.querySelectorAll("th[aria-sort]")) each.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", now);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.sort");
    if (button) sort(button.closest("th"));
  });
})();
