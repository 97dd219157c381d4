(function () {
  "use strict";
  // Sorting: a click on a column's head; the page says all it has to say without.
  function keyOf(row, column) {
    var cell = row.cells[column];
    if (!cell) { return ""; }
    var value = cell.getAttribute("data-value");
    return value === null ? cell.textContent.trim() : Number(value);
  }
  function compare(a, b) {
    if (typeof a === "number" && typeof b === "number") { return a - b; }
    if (typeof a === "number") { return -1; }
    if (typeof b === "number") { return 1; }
    return a.localeCompare(b, undefined, { numeric: true });
  }
  function sort(table, column, head) {
    var up = head.getAttribute("aria-sort") !== "ascending";
    var body = table.tBodies[0];
    var rows = Array.prototype.slice.call(body.rows);
    rows.map(function (row) { return { row: row, key: keyOf(row, column) }; })
      .sort(function (a, b) { return up ? compare(a.key, b.key) : compare(b.key, a.key); })
      .forEach(function (one) { body.appendChild(one.row); });
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell) { cell.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
  }
  Array.prototype.forEach.call(document.querySelectorAll("table"), function (table) {
    if (!table.tHead || table.tBodies[0].rows.length < 3) { return; }
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.title = "Sort by this column";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () { sort(table, column, head); });
    });
  });
  // Zoom: a figure over the whole window; Escape or another click closes it.
  var dialog = document.createElement("dialog");
  if (!dialog.showModal) { return; }
  dialog.className = "zoom";
  document.body.appendChild(dialog);
  dialog.addEventListener("click", function () { dialog.close(); });
  Array.prototype.forEach.call(document.querySelectorAll("figure img"), function (image) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "enlarge";
    button.textContent = "Enlarge";
    image.parentNode.parentNode.insertBefore(button, image.parentNode.nextSibling);
    button.addEventListener("click", function () {
      var large = image.cloneNode();
      dialog.replaceChildren(large);
      dialog.showModal();
    });
  });
}());
