"use strict";
// The chart's cursor and zoom. Values come from the table of seconds, so the page shows one set of numbers; without this
// script everything is still there. Zooming moves what stands in the group `moves`, whose coordinates are kept as drawn.
(function () {
  var figure = document.getElementById("chart");
  var table = document.getElementById("seconds");
  var plot = document.getElementById("plot");
  var readout = document.getElementById("readout");
  if (!figure || !table) { return; }
  var NS = "http://www.w3.org/2000/svg";
  var STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];
  var TICK_PX = 75, FLAG_PX = 18, DRAG_PX = 5;
  var rows = Array.from(table.tBodies[0].rows);
  var names = Array.from(table.tHead.rows[0].cells, function (cell) { return cell.textContent; });
  var first = Number(rows[0].cells[0].textContent);
  var binS = Number(figure.dataset.bin);
  var UNKNOWN = 6;
  var anyUnknown = rows.some(function (row) { return !/^0( |$)/.test(row.cells[UNKNOWN].textContent); });
  var drawings = Array.from(figure.querySelectorAll("svg.chart"), scaled);
  var whole = { from: drawings[0].from, to: drawings[0].to };
  var view = { from: whole.from, to: whole.to };
  var current = -1;

  function scaled(svg) {
    var d = svg.dataset;
    return {
      svg: svg, left: Number(d.left), right: Number(d.right), from: Number(d.from), to: Number(d.to),
      bottom: Number(d.bottom), width: svg.viewBox.baseVal.width, cursor: svg.querySelector(".cursor"),
      chosen: svg.querySelector(".chosen"), times: svg.querySelector(".times"), kept: null,
      panels: d.panels.split(";").map(function (each) { return each.split(",").map(Number); })
    };
  }

  // Seconds <-> x in the current view, and x as drawn -> x in the current view.
  function toX(one, atS) { return one.left + (atS - view.from) / (view.to - view.from) * (one.right - one.left); }
  function toS(one, x) { return view.from + (x - one.left) / (one.right - one.left) * (view.to - view.from); }
  function moved(one, x) {
    return toX(one, one.from + (x - one.left) / (one.right - one.left) * (one.to - one.from));
  }
  function short(value) { return String(Math.round(value * 100) / 100); }

  function show(index) {
    current = Math.max(0, Math.min(rows.length - 1, index));
    var cells = rows[current].cells;
    var from = Number(cells[0].textContent);
    var parts = [[from + " to " + (from + binS) + " s", ""]];
    for (var i = 1; i < cells.length; i += 1) {
      if (i !== UNKNOWN || anyUnknown) { parts.push([names[i], cells[i].textContent]); }
    }
    readout.hidden = false;
    readout.classList.add("live");
    readout.replaceChildren.apply(readout, parts.map(function (part) {
      var item = document.createElement("span"), value = document.createElement("b");
      item.textContent = part[1] ? part[0] + ": " : "";
      value.textContent = part[1] || part[0];
      item.appendChild(value);
      return item;
    }));
    plot.setAttribute("aria-valuenow", String(from));
    plot.setAttribute("aria-valuetext", parts.map(function (part) { return part.filter(Boolean).join(": "); }).join("; "));
    placeCursor();
  }

  function placeCursor() {
    if (current < 0) { return; }
    var atS = Number(rows[current].cells[0].textContent) + binS / 2;
    atS = Math.max(whole.from, Math.min(whole.to, atS));
    drawings.forEach(function (one) {
      var x = short(toX(one, atS));
      one.cursor.setAttribute("x1", x);
      one.cursor.setAttribute("x2", x);
      one.cursor.setAttribute("visibility", atS < view.from || atS > view.to ? "hidden" : "visible");
    });
  }

  // Everything with an x, as it was drawn.
  function keep(one) {
    if (one.kept) { return; }
    one.kept = [];
    one.svg.querySelectorAll(".moves [points]").forEach(function (element) {
      var pairs = element.getAttribute("points").split(" ").map(function (pair) { return pair.split(","); });
      one.kept.push(function () {
        element.setAttribute("points", pairs.map(function (pair) {
          return short(moved(one, Number(pair[0]))) + "," + pair[1];
        }).join(" "));
      });
    });
    ["x1", "x2", "cx"].forEach(function (name) {
      one.svg.querySelectorAll(".moves [" + name + "]").forEach(function (element) {
        var x = Number(element.getAttribute(name));
        one.kept.push(function () { element.setAttribute(name, short(moved(one, x))); });
      });
    });
    one.svg.querySelectorAll(".moves rect").forEach(function (element) {
      var x = Number(element.getAttribute("x")), width = Number(element.getAttribute("width"));
      var fixed = element.classList.contains("alert-resolved");
      one.kept.push(function () {
        var low = moved(one, x), high = fixed ? low + width : moved(one, x + width);
        element.setAttribute("x", short(low));
        element.setAttribute("width", short(Math.max(high - low, 0.5)));
      });
    });
    one.svg.querySelectorAll(".moves .spans").forEach(function (group) { keepLabel(one, group); });
    one.svg.querySelectorAll(".flags .mark").forEach(function (group) {
      var x = Number(group.dataset.x);
      one.kept.push(function () { group.dataset.now = String(moved(one, x)); });
    });
    one.kept.push(function () { layFlags(one); });
  }

  // A strip's label stands at the left end of what can be seen of its bar, and goes where it has no room.
  function keepLabel(one, group) {
    var label = group.querySelector("text"), bar = group.querySelector("rect");
    var name = group.querySelector("title").textContent.replace(/: [^:]*$/, "");
    var drawn = label ? { x: label.getAttribute("x"), anchor: label.getAttribute("text-anchor") } : null;
    if (!label) {
      label = document.createElementNS(NS, "text");
      label.setAttribute("class", "strip");
      label.setAttribute("y", Number(bar.getAttribute("y")) + 12);
      label.textContent = name;
      group.appendChild(label);
      label.setAttribute("display", "none");
    }
    one.kept.push(function () {
      if (isWhole()) {
        label.setAttribute("display", drawn ? "inline" : "none");
        if (drawn) { label.setAttribute("x", drawn.x); label.setAttribute("text-anchor", drawn.anchor); }
        return;
      }
      var low = Math.max(Number(bar.getAttribute("x")), one.left);
      var high = Math.min(Number(bar.getAttribute("x")) + Number(bar.getAttribute("width")), one.right);
      label.setAttribute("x", short(low + 4));
      label.setAttribute("text-anchor", "start");
      label.setAttribute("display", high - low > name.length * 7.4 + 6 ? "inline" : "none");
    });
  }

  // Flags keep their distance: pushed right in order of time, then left again from the end.
  function layFlags(one) {
    var marks = Array.from(one.svg.querySelectorAll(".flags .mark")).filter(function (group) {
      var x = Number(group.dataset.now), inside = x >= one.left - 0.5 && x <= one.right + 0.5;
      group.setAttribute("display", inside ? "inline" : "none");
      return inside;
    });
    var wanted = marks.map(function (group) { return Number(group.dataset.now); });
    var places = wanted.slice();
    for (var round = 0; round < 20; round += 1) {
      for (var i = 1; i < places.length; i += 1) {
        var lack = FLAG_PX - (places[i] - places[i - 1]);
        if (lack > 0) { places[i - 1] -= lack / 2; places[i] += lack / 2; }
      }
    }
    var low = FLAG_PX / 2;
    places = places.map(function (place) { low = Math.max(place, low); var at = low; low += FLAG_PX; return at; });
    var high = one.width - FLAG_PX / 2;
    for (var j = places.length - 1; j >= 0; j -= 1) { places[j] = Math.min(places[j], high); high = places[j] - FLAG_PX; }
    marks.forEach(function (group, place) {
      var line = group.querySelector("polyline"), ys = line.getAttribute("points").split(" ").map(function (pair) {
        return pair.split(",")[1];
      });
      line.setAttribute("points", short(places[place]) + "," + ys[0] + " " + short(wanted[place]) + "," + ys[1]);
      group.querySelector("circle").setAttribute("cx", short(places[place]));
      group.querySelector("text").setAttribute("x", short(places[place]));
    });
  }

  function layTimes(one) {
    var length = view.to - view.from, most = one.width / TICK_PX;
    var step = STEPS.find(function (each) { return length / each <= most; }) || length;
    one.times.replaceChildren();
    for (var number = Math.ceil(view.from / step); number * step <= view.to; number += 1) {
      var x = short(toX(one, number * step));
      one.panels.forEach(function (panel) {
        add(one.times, "line", { "class": number ? "grid" : "zero", x1: x, x2: x, y1: panel[0], y2: panel[1] });
      });
      add(one.times, "text", { "class": "tick", x: x, y: one.bottom + 16, "text-anchor": "middle" })
        .textContent = String(Math.round(number * step * 10) / 10);
    }
  }

  function add(parent, name, attributes) {
    var element = document.createElementNS(NS, name);
    Object.keys(attributes).forEach(function (key) { element.setAttribute(key, attributes[key]); });
    parent.appendChild(element);
    return element;
  }

  function isWhole() { return view.from <= whole.from && view.to >= whole.to; }

  function look(from, to) {
    var length = Math.min(Math.max(to - from, binS), whole.to - whole.from);
    var start = Math.max(whole.from, Math.min(from, whole.to - length));
    drawings.forEach(keep);
    view = { from: start, to: start + length };
    drawings.forEach(function (one) {
      one.kept.forEach(function (place) { place(); });
      layTimes(one);
    });
    placeCursor();
    var says = document.getElementById("view");
    says.dataset.from = view.from.toFixed(3);
    says.dataset.to = view.to.toFixed(3);
    says.textContent =
      isWhole() ? "" : view.from.toFixed(1) + " to " + view.to.toFixed(1) + " s of " + whole.from.toFixed(1) + " to " + whole.to.toFixed(1) + " s";
  }

  // Around the cursor, else around zero, else around the middle of what is seen.
  function zoom(factor) {
    var middle = current < 0 ? 0 : Number(rows[current].cells[0].textContent) + binS / 2;
    if (middle < view.from || middle > view.to) { middle = (view.from + view.to) / 2; }
    var length = (view.to - view.from) * factor;
    look(middle - length / 2, middle + length / 2);
  }

  function pan(part) {
    var by = (view.to - view.from) * part;
    look(view.from + by, view.to + by);
  }

  function step(by) {
    show(current < 0 ? Math.round(-first / binS) : current + by);
    var atS = Number(rows[current].cells[0].textContent) + binS / 2;
    if (atS < view.from || atS > view.to) { look(atS - (view.to - view.from) / 2, atS + (view.to - view.from) / 2); }
  }

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    var by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (event.shiftKey && (event.key === "ArrowLeft" || event.key === "ArrowRight")) { pan(by / 4); }
    else if (event.key === "Home") { show(0); step(0); }
    else if (event.key === "End") { show(rows.length - 1); step(0); }
    else if (event.key === "+" || event.key === "=") { zoom(0.5); }
    else if (event.key === "-") { zoom(2); }
    else if (event.key === "0" || event.key === "Escape") { look(whole.from, whole.to); }
    else if (by) { step(by); }
    else { return; }
    event.preventDefault();
  }

  function inside(one, event) {
    var box = one.svg.getBoundingClientRect();
    var x = (event.clientX - box.left) * one.width / box.width;
    return Math.max(one.left, Math.min(one.right, x));
  }

  drawings.forEach(function (one) {
    var fromX = null;
    function mark(x) {
      one.chosen.setAttribute("x", short(Math.min(x, fromX)));
      one.chosen.setAttribute("width", short(Math.abs(x - fromX)));
      one.chosen.setAttribute("visibility", Math.abs(x - fromX) > DRAG_PX ? "visible" : "hidden");
    }
    function drop() { fromX = null; one.chosen.setAttribute("visibility", "hidden"); }
    one.svg.addEventListener("pointermove", function (event) {
      var x = inside(one, event);
      show(Math.floor((toS(one, x) - first) / binS));
      if (fromX !== null) { mark(x); }
    });
    one.svg.addEventListener("pointerdown", function (event) {
      var x = inside(one, event);
      show(Math.floor((toS(one, x) - first) / binS));
      if (event.button === 0) { fromX = x; one.svg.setPointerCapture(event.pointerId); }
    });
    one.svg.addEventListener("pointerup", function (event) {
      var x = inside(one, event), start = fromX;
      drop();
      if (start !== null && Math.abs(x - start) > DRAG_PX) { look(toS(one, Math.min(x, start)), toS(one, Math.max(x, start))); }
    });
    one.svg.addEventListener("pointercancel", drop);
    one.svg.addEventListener("dblclick", function () { look(whole.from, whole.to); });
  });

  var buttons = {
    "zoom-in": function () { zoom(0.5); }, "zoom-out": function () { zoom(2); },
    "earlier": function () { pan(-0.25); }, "later": function () { pan(0.25); },
    "reset": function () { look(whole.from, whole.to); }
  };
  Object.keys(buttons).forEach(function (id) { document.getElementById(id).addEventListener("click", buttons[id]); });
  document.getElementById("tools").hidden = false;

  plot.tabIndex = 0;
  plot.setAttribute("role", "slider");
  plot.setAttribute("aria-label", "Second of the trial; left and right arrow keys move it, plus and minus zoom, 0 shows all");
  plot.setAttribute("aria-valuemin", String(first));
  plot.setAttribute("aria-valuemax", rows[rows.length - 1].cells[0].textContent);
  plot.setAttribute("aria-valuenow", String(first));
  plot.addEventListener("keydown", key);

  // Paper shows the whole trial.
  var before = null;
  window.addEventListener("beforeprint", function () { before = view; if (!isWhole()) { look(whole.from, whole.to); } });
  window.addEventListener("afterprint", function () { if (before) { look(before.from, before.to); } });
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
