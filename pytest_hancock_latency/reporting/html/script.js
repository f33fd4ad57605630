"use strict";
// Without this script everything is there; with it, the overview sorts, filters and opens samples.
const table = document.getElementById("overview");
const value = (row, column) => {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
};
const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b));
const sort = (heading, column) => {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(value(a, column), value(b, column)) * (descending ? -1 : 1));
  table.tBodies[0].append(...rows);
};
if (table) {
  table.querySelectorAll("thead button").forEach((button) => {
    button.addEventListener("click", () => sort(button.closest("th"), Number(button.dataset.column)));
  });
}
const open = () => {
  const section = location.hash && document.getElementById(location.hash.slice(1));
  if (section instanceof HTMLDetailsElement) {
    section.hidden = false;
    section.open = true;
    section.scrollIntoView();
    section.querySelector("summary").focus({ preventScroll: true });
  }
};
addEventListener("hashchange", open);
open();
const finder = document.getElementById("finder");
const verdict = document.getElementById("verdict");
if (finder && verdict && table) {
  const filter = () => {
    const wanted = finder.value.trim().toLowerCase();
    let found = 0;
    for (const row of table.tBodies[0].rows) {
      const judged = !verdict.value || row.dataset.outcome === verdict.value;
      row.hidden = !(judged && row.textContent.toLowerCase().includes(wanted));
      document.getElementById(row.querySelector("a").hash.slice(1)).hidden = row.hidden;
      found += row.hidden ? 0 : 1;
    }
    document.getElementById("found").textContent = `${found} found`;
  };
  finder.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
}
