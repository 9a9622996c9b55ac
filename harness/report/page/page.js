"use strict";
// The cursor of the chart. Values come from the table of seconds, so the page shows one set of numbers; without
// this script everything is still there.
(function () {
  var figure = document.getElementById("chart");
  var table = document.getElementById("seconds");
  var readout = document.getElementById("readout");
  if (!figure || !table) { return; }
  var rows = Array.from(table.tBodies[0].rows);
  var names = Array.from(table.tHead.rows[0].cells, function (cell) { return cell.textContent; });
  var first = Number(rows[0].cells[0].textContent);
  var binS = Number(figure.dataset.bin);
  var drawings = Array.from(figure.querySelectorAll("svg.chart"));
  var anyUnknown = rows.some(function (row) { return !/^0( |$)/.test(row.cells[5].textContent); });
  var current = -1;

  function show(index) {
    current = Math.max(0, Math.min(rows.length - 1, index));
    var cells = rows[current].cells;
    var from = Number(cells[0].textContent);
    var parts = [from + " to " + (from + binS) + " s"];
    for (var i = 1; i < cells.length; i += 1) {
      if (i !== 5 || anyUnknown) { parts.push(names[i] + ": " + cells[i].textContent); }
    }
    readout.classList.add("live");
    readout.replaceChildren.apply(readout, parts.map(function (part) {
      var item = document.createElement("span");
      item.textContent = part;
      return item;
    }));
    figure.setAttribute("aria-valuenow", String(from));
    figure.setAttribute("aria-valuetext", parts.join("; "));
    drawings.forEach(function (svg) { place(svg, from + binS / 2); });
  }

  function place(svg, atS) {
    var d = svg.dataset, line = svg.querySelector(".cursor");
    var part = (atS - d.from) / (d.to - d.from);
    var x = Number(d.left) + Math.max(0, Math.min(1, part)) * (d.right - d.left);
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.setAttribute("visibility", "visible");
  }

  function follow(event) {
    var svg = event.currentTarget, d = svg.dataset, box = svg.getBoundingClientRect();
    var x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    var atS = Number(d.from) + (x - d.left) / (d.right - d.left) * (d.to - d.from);
    show(Math.floor((atS - first) / binS));
  }

  function key(event) {
    var step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (event.key === "Home") { show(0); }
    else if (event.key === "End") { show(rows.length - 1); }
    else if (step) { show(current < 0 ? Math.round(-first / binS) : current + step); }
    else { return; }
    event.preventDefault();
  }

  drawings.forEach(function (svg) {
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
  });
  figure.tabIndex = 0;
  figure.setAttribute("role", "slider");
  figure.setAttribute("aria-label", "Second of the trial; left and right arrow keys move it");
  figure.setAttribute("aria-valuemin", String(first));
  figure.setAttribute("aria-valuemax", rows[rows.length - 1].cells[0].textContent);
  figure.setAttribute("aria-valuenow", String(first));
  figure.addEventListener("keydown", key);
  readout.hidden = false;
  readout.textContent = "Move over the chart, or focus it and use the arrow keys, to read its values.";
}());
// Paper cannot unfold anything: all but the table of seconds, whose chart is printed, is opened for it and closed again.
(function () {
  var opened = [];
  window.addEventListener("beforeprint", function () {
    opened = Array.from(document.querySelectorAll("details:not([open]):not(.bulk)"));
    opened.forEach(function (details) { details.open = true; });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach(function (details) { details.open = false; });
  });
}());
