"use strict";
(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const form = document.getElementById("filter");
  const viewer = document.getElementById("viewer");
  const KEYS = ["dataset", "classifier", "class", "outcome", "cell"];
  const PAGE = 24;
  const state = {};
  const limit = {};
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  // The hash: #anchor&dataset=x&class=y. Unknown values are ignored.
  function readHash() {
    const parts = location.hash.slice(1).split("&");
    const anchor = parts[0].includes("=") ? "" : decode(parts.shift());
    const given = new URLSearchParams(parts.join("&"));
    for (const key of KEYS) {
      const value = given.get(key) || "";
      const options = form.elements[key] ? [...form.elements[key].options].map((option) => option.value) : null;
      state[key] = (options ? options.includes(value) : parseCell(value)) ? value : "";
    }
    return anchor;
  }

  function decode(text) {
    try { return decodeURIComponent(text || ""); } catch { return ""; }
  }

  function hashOf(anchor) {
    const chosen = new URLSearchParams(KEYS.filter((key) => state[key]).map((key) => [key, state[key]]));
    const parts = [anchor, chosen.toString()].filter(Boolean);
    return parts.length ? `#${parts.join("&")}` : location.href.split("#")[0];
  }

  function parseCell(text) {
    const [name, truth, predicted] = text.split("~");
    const found = data.classifiers[name]?.cells[`${truth}:${predicted}`];
    return found ? { name, key: `${truth}:${predicted}` } : null;
  }

  const classesOf = (classifier) => data.datasets[data.classifiers[classifier].dataset].classes;

  function datasetAllowed(name) {
    const wanted = state.dataset || (state.classifier && data.classifiers[state.classifier].dataset);
    return (!wanted || name === wanted) && (!state.class || data.datasets[name].classes.includes(state.class));
  }

  function apply() {
    for (const key of KEYS) if (form.elements[key]) form.elements[key].value = state[key];
    for (const option of form.elements.classifier.options) {
      option.disabled = option.value !== "" && state.dataset !== "" && option.dataset.dataset !== state.dataset;
    }
    for (const element of all("[data-dataset]:not(option)")) {
      const { dataset, classifier } = element.dataset;
      element.hidden = !datasetAllowed(dataset) || Boolean(classifier && state.classifier && classifier !== state.classifier);
    }
    for (const element of all("[data-class], [data-outcome]")) {
      const other = (key, value) => Boolean(value !== undefined && state[key] && value !== state[key]);
      element.hidden = other("class", element.dataset.class) || other("outcome", element.dataset.outcome);
    }
    for (const row of all("[data-row]")) row.classList.toggle("chosen", row.dataset.row === state.classifier);
    for (const row of all("[data-truth]")) row.classList.toggle("chosen", row.dataset.truth === state.class);
    for (const chart of all(".chart")) {
      const lines = all("[data-label]", chart);
      const known = state.class && lines.some((line) => line.dataset.label === state.class);
      for (const line of lines) line.classList.toggle("dim", Boolean(known && line.dataset.label && line.dataset.label !== state.class));
    }
    for (const button of all("[data-cell]")) button.setAttribute("aria-pressed", String(button.dataset.cell === state.cell));
    for (const section of all("main > section")) {
      const items = all("[data-item]", section), none = section.querySelector(":scope > .none");
      if (none) none.hidden = items.some((item) => !item.hidden);
    }
    for (const gallery of all("[data-gallery]")) if (gallery.closest("details").open) fill(gallery);
    report();
  }

  function report() {
    const active = ["dataset", "classifier", "class", "outcome"].filter((key) => state[key]).length;
    const shown = all("#classifiers > [data-item]"), visible = shown.filter((item) => !item.hidden).length;
    document.getElementById("active").textContent = active ? ` (${active})` : "";
    document.getElementById("status").textContent = active ? `${visible} of ${plural(shown.length, "classifier")}` : "";
    form.querySelector("[type=reset]").disabled = !active && !state.cell;
  }

  // The images of a confusion matrix: those of the selected cell, or of all cells that pass the filter.
  function chosenCells(name) {
    const one = data.classifiers[name], classes = classesOf(name), cell = parseCell(state.cell);
    if (cell && cell.name === name) return [cell.key];
    const keep = Object.keys(one.cells).filter((key) => {
      const [truth, predicted] = key.split(":").map(Number);
      if (state.class && classes[truth] !== state.class) return false;
      return state.outcome === "right" ? truth === predicted : truth !== predicted;
    });
    return keep;
  }

  function fill(gallery) {
    const name = gallery.dataset.gallery, one = data.classifiers[name], classes = classesOf(name);
    const images = data.datasets[one.dataset].images, keys = chosenCells(name);
    const cell = parseCell(state.cell)?.name === name ? keys[0].split(":").map(Number) : null;
    const total = keys.reduce((sum, key) => sum + one.cells[key][0], 0);
    const sure = (index) => Math.max(...one.says[index].slice(1));
    const right = cell ? cell[0] === cell[1] : state.outcome === "right";
    const listed = keys.flatMap((key) => one.cells[key][1]).sort((a, b) => (sure(b) - sure(a)) * (right ? -1 : 1));
    const title = gallery.querySelector("h4"), note = gallery.querySelector("p"), more = gallery.querySelector(".more");
    title.textContent = cell
      ? (right ? `${classes[cell[0]]}, predicted as such` : `${classes[cell[0]]} predicted as ${classes[cell[1]]}`)
      : `${right ? "Right" : "Wrong"}${state.class ? `: ${state.class}` : ""}`;
    const left = total - listed.length;
    note.textContent = total === 0 ? "No such test image."
      : `${plural(total, "test image")}, ${right ? "least" : "most"} confident first` + (left ? `; ${left} more are not on this page.` : ".");
    const shown = listed.slice(0, limit[name] || PAGE);
    gallery.querySelector("ul").replaceChildren(...shown.map((index, place) => thumb(name, listed, place, images[index], classes)));
    more.hidden = shown.length === listed.length;
    more.textContent = `Show ${Math.min(PAGE, listed.length - shown.length)} more`;
    more.onclick = () => { limit[name] = (limit[name] || PAGE) + PAGE; fill(gallery); all("ul button", gallery)[shown.length]?.focus(); };
  }

  function thumb(name, listed, place, [id, , truth, uri], classes) {
    const [predicted, ...shares] = data.classifiers[name].says[listed[place]];
    const right = predicted === truth;
    const button = make("button", { type: "button", "aria-label": `${id}: ${classes[truth]}, predicted as ${classes[predicted]}` },
      make("img", { src: uri, alt: "" }),
      make("span", { class: right ? "verdict ok" : "verdict" }, `${right ? "✓" : "✕"} ${(Math.max(...shares) / 1000).toFixed(2)}`),
      make("span", {}, classes[predicted]));
    button.addEventListener("click", () => look(name, listed, place));
    return make("li", {}, button);
  }

  // One image, enlarged, with the predictions of all classifiers of its dataset.
  let looked = null;
  function look(name, listed, place) {
    looked = { name, listed, place };
    const one = data.classifiers[name], classes = classesOf(name);
    const [id, group, truth, uri] = data.datasets[one.dataset].images[listed[place]];
    const [predicted, ...shares] = one.says[listed[place]];
    document.getElementById("viewer-title").textContent = id;
    const order = shares.map((share, index) => [share, index]).sort((a, b) => b[0] - a[0]);
    const bars = make("tbody", {}, ...order.map(([share, index]) => make("tr", {},
      make("th", { scope: "row" }, classes[index] + (index === truth ? " (true)" : "")),
      make("td", { class: "amount" }, make("span", { style: `width:${share / 10}%` })),
      make("td", { class: "num" }, (share / 1000).toFixed(2)))));
    const others = Object.keys(data.classifiers).filter((other) => other !== name && data.classifiers[other].says[listed[place]]
      && data.classifiers[other].dataset === one.dataset);
    const lines = others.map((other) => {
      const said = data.classifiers[other].says[listed[place]][0];
      return make("tr", {}, make("th", { scope: "row" }, other), make("td", {}, `${said === truth ? "✓ right" : "✕ wrong"}: ${classes[said]}`));
    });
    const facts = make("div", {},
      make("h3", {}, `${name}: ${predicted === truth ? "right" : "wrong"}`),
      make("p", { class: "hint" }, `true ${classes[truth]}, predicted ${classes[predicted]}; group ${group}`),
      make("table", { "aria-label": "Probability of each class" }, bars));
    if (lines.length) facts.append(make("h3", {}, "Other classifiers"), make("table", {}, make("tbody", {}, ...lines)));
    viewer.querySelector(".viewer-body").replaceChildren(make("img", { src: uri, alt: `${classes[truth]}, ${id}` }), facts);
    viewer.querySelector(".viewer-place").textContent = `${place + 1} of ${listed.length}`;
    for (const button of all("[data-step]", viewer)) button.disabled = !listed[place + Number(button.dataset.step)] && listed[place + Number(button.dataset.step)] !== 0;
    if (!viewer.open) viewer.showModal();
  }

  function step(by) {
    if (looked && looked.place + by >= 0 && looked.place + by < looked.listed.length) look(looked.name, looked.listed, looked.place + by);
  }

  viewer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (event.target === viewer || button?.hasAttribute("data-close")) viewer.close();
    else if (button) step(Number(button.dataset.step));
  });
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    else if (event.key === "ArrowRight") step(1);
  });

  // Arrow keys move through a matrix and skip empty cells; one cell of each matrix is in the tab order.
  const DIRECTIONS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  for (const table of all("[data-confusion]")) {
    const rows = all("tbody tr", table).map((row) => all("td", row).map((cell) => cell.querySelector("button")));
    const buttons = rows.flat().filter(Boolean);
    const stop = (chosen) => buttons.forEach((button) => { button.tabIndex = button === chosen ? 0 : -1; });
    stop(buttons[0]);
    table.addEventListener("focusin", (event) => { if (buttons.includes(event.target)) stop(event.target); });
    table.addEventListener("keydown", (event) => {
      const direction = DIRECTIONS[event.key];
      if (!direction || !buttons.includes(event.target)) return;
      event.preventDefault();
      let row = rows.findIndex((cells) => cells.includes(event.target)), column = rows[row].indexOf(event.target);
      do { row += direction[0]; column += direction[1]; } while (rows[row] && column in rows[row] && !rows[row][column]);
      rows[row]?.[column]?.focus();
    });
    table.addEventListener("click", (event) => {
      const button = event.target.closest("[data-cell]");
      if (!button) return;
      state.cell = state.cell === button.dataset.cell ? "" : button.dataset.cell;
      remember();
      const gallery = document.querySelector(`[data-gallery="${table.dataset.confusion}"]`);
      if (gallery.getBoundingClientRect().top > innerHeight * 0.8) gallery.scrollIntoView({ block: "nearest" });
    });
  }

  // The found cells of a screening: one page of a table that may have a hundred thousand rows, sorted by any column.
  const CELLS = 50, UNKNOWN = 65535;
  const unpack = (text, Kind) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Kind(bytes.buffer); // little-endian, as every browser's processor
  };
  function listCells(box) {
    const { cells, fields, classes, columns: packed } = data.screenings[box.dataset.cells];
    const columns = Object.fromEntries(Object.entries(packed).map(([key, text]) => [key, unpack(text, ["left", "top"].includes(key) ? Uint32Array : Uint16Array)]));
    const heads = all("th[data-key]", box), only = box.querySelector("[data-only]"), place = box.querySelector("[data-place]");
    let order = null, key = null, down = false, page = 0;
    const arrange = () => {
      const wanted = only.value === "" ? -1 : Number(only.value);
      const chosen = [];
      for (let row = 0; row < cells; row += 1) if (wanted < 0 || columns.class[row] === wanted) chosen.push(row);
      if (key) {
        const values = columns[key], sign = down ? -1 : 1;
        // What is not known comes last, however the column is sorted; equal values keep their order.
        const rank = (row) => (values[row] === UNKNOWN && key !== "left" && key !== "top" ? Infinity : sign * values[row]);
        chosen.sort((a, b) => { const one = rank(a), other = rank(b); return one === other ? a - b : one < other ? -1 : 1; });
      }
      order = chosen;
      page = 0;
      draw();
    };
    const share = (value) => (value === UNKNOWN ? "–" : (value / 10000).toFixed(3));
    const draw = () => {
      const pages = Math.max(1, Math.ceil(order.length / CELLS));
      page = Math.min(Math.max(page, 0), pages - 1);
      const rows = order.slice(page * CELLS, (page + 1) * CELLS).map((row) => {
        const texts = { field: fields[columns.field[row]], class: classes[columns.class[row]], true: classes[columns.true[row]] || "–",
          confidence: share(columns.confidence[row]), abnormal: share(columns.abnormal[row]) };
        return make("tr", {}, ...heads.map((head) => {
          const name = head.dataset.key;
          return make("td", head.classList.contains("num") ? { class: "num" } : {}, texts[name] ?? String(columns[name][row]));
        }));
      });
      box.querySelector("tbody").replaceChildren(...rows);
      place.textContent = order.length ? `Rows ${page * CELLS + 1} to ${page * CELLS + rows.length} of ${order.length}.` : "No such cell.";
      for (const button of all("[data-go]", box)) button.disabled = ["first", "before"].includes(button.dataset.go) ? page === 0 : page === pages - 1;
      for (const head of heads) head.setAttribute("aria-sort", head.dataset.key !== key ? "none" : down ? "descending" : "ascending");
    };
    only.append(...classes.map((label, index) => make("option", { value: index }, label)));
    only.addEventListener("change", arrange);
    for (const head of heads) {
      const button = make("button", { type: "button" }, ...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        down = key === head.dataset.key ? !down : ["confidence", "abnormal"].includes(head.dataset.key);
        key = head.dataset.key;
        arrange();
      });
    }
    for (const button of all("[data-go]", box)) {
      button.addEventListener("click", () => {
        const steps = { first: -Infinity, before: -1, after: 1, last: Infinity };
        page += steps[button.dataset.go];
        draw();
      });
    }
    box.querySelector(".pager").hidden = false;
    arrange();
  }
  // A table is unpacked when it comes near, so that a page with many opens at once.
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) { near.unobserve(target); listCells(target); }
  }, { rootMargin: "600px" });
  all("[data-cells]").forEach((box) => near.observe(box));

  function remember() {
    history.replaceState(null, "", hashOf(anchorNow()));
    apply();
  }

  function anchorNow() {
    const first = location.hash.slice(1).split("&")[0];
    return first.includes("=") ? "" : first;
  }

  function go(anchor) {
    const target = document.getElementById(anchor);
    if (!target) return;
    if (target.closest("[hidden]")) { for (const key of KEYS) state[key] = ""; apply(); history.replaceState(null, "", hashOf(anchor)); }
    for (let parent = target; parent; parent = parent.parentElement) if (parent.tagName === "DETAILS") parent.open = true;
    target.scrollIntoView();
    target.focus({ preventScroll: true });
  }

  form.addEventListener("change", (event) => {
    const { name, value } = event.target;
    state[name] = value;
    if (name === "dataset" && state.classifier && data.classifiers[state.classifier].dataset !== value && value) state.classifier = "";
    const names = state.dataset ? [state.dataset] : Object.keys(data.datasets);
    if (state.class && name !== "class" && !names.some((one) => data.datasets[one].classes.includes(state.class))) state.class = "";
    if (state.class && name === "class" && !names.some((one) => data.datasets[one].classes.includes(state.class))) state.dataset = state.classifier = "";
    if (state.class && state.classifier && !classesOf(state.classifier).includes(state.class)) state[name === "class" ? "classifier" : "class"] = "";
    state.cell = "";
    if (name === "classifier" && value) for (const element of all(`details[data-classifier="${value}"]`)) element.open = true;
    remember();
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    for (const key of KEYS) state[key] = "";
    remember();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const anchor = decode(link.getAttribute("href").slice(1));
    history.pushState(null, "", hashOf(anchor));
    go(anchor);
  });
  addEventListener("popstate", () => { const anchor = readHash(); apply(); if (anchor) go(anchor); });
  for (const details of all("details")) {
    details.addEventListener("toggle", () => { if (details.open) all("[data-gallery]", details).forEach(fill); });
  }
  let closed = [];
  addEventListener("beforeprint", () => { closed = all("details:not([open])"); closed.forEach((details) => { details.open = true; }); });
  addEventListener("afterprint", () => closed.forEach((details) => { details.open = false; }));

  // Mark the link of the section in view.
  const links = new Map(all(".bar nav a").map((link) => [link.hash.slice(1), link]));
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (isIntersecting) for (const [id, link] of links) id === target.id ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    }
  }, { rootMargin: "-25% 0px -70% 0px" });
  all("main > section").forEach((section) => watcher.observe(section));
  const bar = document.querySelector(".bar");
  const measure = () => document.documentElement.style.setProperty("--sticky", `${bar.getBoundingClientRect().height}px`);
  addEventListener("resize", measure);

  form.hidden = false;
  document.getElementById("without-script").remove();
  measure();
  const anchor = readHash();
  if (state.classifier) for (const element of all(`details[data-classifier="${state.classifier}"]`)) element.open = true;
  apply();
  if (anchor) go(anchor);
})();
