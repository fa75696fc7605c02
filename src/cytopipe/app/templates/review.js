"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const outlines = new Outlines(at("canvas"));
  let queue = null, item = null, busy = false, number = 0;

  const ask = async (path, sent) => {
    const options = sent ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(sent) } : {};
    const reply = await fetch(path, options).catch(() => { throw new Error("the server does not answer: is `cytopipe review` still running?"); });
    if (!reply.ok) {
      const said = await reply.json().catch(() => ({}));
      throw Object.assign(new Error(said.error || `the server answered ${reply.status}`), { status: reply.status });
    }
    return reply;
  };
  const say = (text) => { at("message").textContent = text; };
  const name = () => at("reviewer").value.trim();

  // One thing at a time: a key that is held down must not answer for the next cell.
  const alone = async (work) => {
    if (busy) return;
    busy = true;
    document.body.setAttribute("aria-busy", "true");
    try { await work(); } catch (error) {
      say(error.message);
      if (error.status === 409) await lookAgain().catch((fault) => say(fault.message));
    } finally { busy = false; document.body.removeAttribute("aria-busy"); }
  };

  // What was drawn and written of a cell stays when the answer of another is shown.
  const lookAgain = async () => {
    await refresh();
    if (!item) return;
    const drawn = outlines.isChanged ? outlines.mask : null, note = at("note").value;
    await show(item.index, true);
    if (drawn) outlines.replace(drawn);
    at("note").value = note;
  };

  const refresh = async () => take(await (await ask("/api/queue")).json());

  const take = (state) => {
    queue = state;
    const said = state.items.filter((one) => one.answer !== null).length;
    const later = state.items.filter((one) => one.answer === null && one.skipped).length;
    at("title").textContent = state.title;
    at("progress").max = Math.max(1, state.items.length);
    at("progress").value = said;
    at("counted").textContent = `${said} of ${state.items.length} answered` + (later ? `, ${later} put off` : "");
    at("where").textContent = `Answers are in ${state.table}. ${state.refused} tested ones are not offered.`;
  };

  const open = (index) => queue.items[index].answer === null && !queue.items[index].skipped;

  const next = async (from) => {
    const places = queue.items.map((_, index) => (from + index) % queue.items.length);
    const found = places.find(open);
    if (found === undefined) { finish(); return; }
    await show(found);
  };

  const finish = () => {
    item = null;
    for (const id of ["work", "questions"]) at(id).hidden = true;
    at("done").hidden = false;
    at("done").textContent = `Nothing is left to look at. Name ${queue.table} in the dataset's options.corrections, then run: dvc repro`;
  };

  const picture = async (path) => createImageBitmap(await (await ask(path)).blob());

  const show = async (index, again = false) => {
    const mine = number += 1;
    const [one, image, mask] = await Promise.all([
      ask(`/api/item/${index}`).then((reply) => reply.json()),
      picture(`/api/picture/${index}`),
      ask(`/api/mask/${index}`).then((reply) => reply.arrayBuffer()),
    ]);
    if (mine !== number) return;
    item = one;
    if (!again && document.activeElement) document.activeElement.blur(); // or Enter would press the same button again
    for (const id of ["work", "questions"]) at(id).hidden = false;
    at("done").hidden = true;
    outlines.load(image, new Uint8Array(mask));
    if (!again) edit(false);
    at("place").textContent = `${index + 1} of ${queue.items.length}: ${one.id}, group ${one.group}, score ${one.score.toFixed(3)}`;
    at("given").textContent = one.label ? `Labelled: ${one.label}` : "Not labelled yet";
    at("said").hidden = !one.row;
    at("said").textContent = one.row ? `Answered: ${one.row.label} (${one.row.reason})` : "";
    at("confirm").disabled = !(one.row || one.label);
    at("confirm").querySelector("span").textContent = one.row ? "Keep the answer" : one.label ? "The label is right" : "No label yet";
    at("note").value = "";
    predict(false);
    for (const button of at("classes").children) {
      button.setAttribute("aria-pressed", String(button.dataset.label === (one.row ? one.row.label : one.label)));
    }
    at("around").hidden = !one.isNew;
    if (one.isNew) at("field").src = `/api/field/${index}`;
    const rows = Object.entries(one.probabilities).sort((a, b) => b[1] - a[1]).map(([label, value]) => {
      const row = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td");
      head.textContent = label;
      head.scope = "row";
      cell.textContent = `${(100 * value).toFixed(1)} %`;
      row.append(head, cell);
      return row;
    });
    at("probabilities").tBodies[0].replaceChildren(...rows);
    document.body.dataset.shown = one.id;
  };

  const predict = (on) => { at("probabilities").hidden = !on; at("predict").setAttribute("aria-expanded", String(on)); };

  const encoded = (bytes) => {
    let text = "";
    for (let start = 0; start < bytes.length; start += 0x8000) text += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
    return btoa(text);
  };

  // Strokes are saved with an answer alone; whoever leaves without one must know it.
  const unsaved = () => {
    if (!item || !outlines.isChanged) return false;
    say("These outlines are not saved yet: answer, or press “As it was”.");
    return true;
  };

  const answer = (label) => alone(async () => {
    if (!item) return;
    say("");
    const sent = { index: item.index, label, reviewer: name(), note: at("note").value, seen: item.row, mask: outlines.isChanged ? encoded(outlines.mask) : null };
    take(await (await ask("/api/answer", sent)).json());
    await next(item.index + 1);
  });

  const confirm = () => { if (item && !at("confirm").disabled) answer(item.row ? item.row.label : item.label); };

  const skip = () => alone(async () => {
    if (!item || unsaved()) return;
    say("");
    take(await (await ask("/api/skip", { index: item.index, reviewer: name() })).json());
    await next(item.index + 1);
  });

  const undo = () => alone(async () => {
    if (unsaved()) return;
    say("");
    const state = await (await ask("/api/undo", { reviewer: name() })).json();
    take(state);
    if (state.back !== null) await show(state.back);
  });

  const walk = (step) => alone(async () => {
    if (unsaved()) return;
    const from = item ? item.index : step > 0 ? -1 : queue.items.length;
    const to = from + step;
    if (to >= 0 && to < queue.items.length) { say(""); await show(to); }
  });

  const HINTS = {
    brush: "Drag to draw; [ and ] change the brush.",
    polygon: "Click the corners; double-click, or press Enter, to close. Cytoplasm leaves the nucleus inside it.",
  };
  const pick = () => {
    for (const button of document.querySelectorAll("[data-value]")) button.setAttribute("aria-checked", String(Number(button.dataset.value) === outlines.value));
    for (const button of document.querySelectorAll("[data-tool]")) button.setAttribute("aria-checked", String(button.dataset.tool === outlines.tool));
    at("brush").value = outlines.radius;
    at("brush-size").textContent = outlines.radius;
    at("editor-hint").textContent = HINTS[outlines.tool] + (outlines.mask && outlines.isChanged ? " They are saved with your answer." : "");
  };
  const edit = (on) => {
    outlines.editing = on;
    if (on) visible(true);
    outlines.corners = [];
    at("canvas").classList.toggle("editing", on);
    at("editor").hidden = !on;
    at("edit").setAttribute("aria-pressed", String(on));
    pick();
    outlines.draw();
  };
  const visible = (on) => { outlines.visible = on; at("show").setAttribute("aria-pressed", String(on)); outlines.draw(); };
  const size = (radius) => { outlines.radius = Math.min(40, Math.max(1, radius)); pick(); };
  const tool = (which) => { outlines.tool = which; outlines.corners = []; pick(); outlines.draw(); };
  const value = (which) => { outlines.value = which; pick(); outlines.draw(); };
  outlines.changed = pick;

  const clicks = {
    show: () => visible(!outlines.visible), edit: () => edit(!outlines.editing), "undo-stroke": () => outlines.undo(), reset: () => outlines.reset(),
    "leave-out": () => answer(queue.leaveOut), confirm, skip, undo, before: () => walk(-1), after: () => walk(1),
    predict: () => predict(at("probabilities").hidden),
  };
  for (const [id, work] of Object.entries(clicks)) at(id).addEventListener("click", work);
  for (const button of document.querySelectorAll("[data-value]")) button.addEventListener("click", () => value(Number(button.dataset.value)));
  for (const button of document.querySelectorAll("[data-tool]")) button.addEventListener("click", () => tool(button.dataset.tool));
  at("brush").addEventListener("input", () => size(Number(at("brush").value)));
  at("reviewer").addEventListener("change", () => { try { localStorage.setItem("reviewer", name()); } catch { /* a private window */ } });

  const editing = {
    n: () => value(2), c: () => value(1), b: () => value(0), d: () => tool("brush"), g: () => tool("polygon"),
    "[": () => size(outlines.radius - 1), "]": () => size(outlines.radius + 1),
    enter: () => { if (outlines.corners.length > 2) outlines.close(); else confirm(); },
    escape: () => { if (outlines.corners.length) { outlines.corners = []; outlines.draw(); } else edit(false); },
  };
  const always = {
    e: clicks.edit, h: clicks.show, x: clicks["leave-out"], s: skip, u: undo, p: clicks.predict,
    arrowleft: clicks.before, arrowright: clicks.after, enter: confirm,
  };
  // A button that the mouse pressed must not take the next Enter.
  document.addEventListener("click", (event) => { if (event.detail) event.target.closest("button")?.blur(); });
  document.addEventListener("keydown", (event) => {
    if (event.repeat && !"[]".includes(event.key)) return;
    const field = event.target.closest("input");
    if (field && field.type !== "range") {
      if (event.key === "Escape" || (event.key === "Enter" && field.id === "note")) field.blur();
      return;
    }
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && key === "z") {
      event.preventDefault();
      if (outlines.editing) outlines.undo(); else undo();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !item && key !== "u") return;
    if (event.target.closest("button") && (key === "enter" || key === " ")) return; // the button is pressed
    if (field && key.startsWith("arrow")) return;
    if (/^[1-9]$/.test(key)) {
      const button = at("classes").children[Number(key) - 1];
      if (button) answer(button.dataset.label);
      return;
    }
    const work = (outlines.editing && editing[key]) || always[key];
    if (work) { event.preventDefault(); work(); }
  });
  addEventListener("beforeunload", (event) => { if (item && outlines.isChanged) event.preventDefault(); });

  alone(async () => {
    await refresh();
    let kept = "";
    try { kept = localStorage.getItem("reviewer") || ""; } catch { /* a private window */ }
    at("reviewer").value = queue.reviewer || kept;
    at("classes").replaceChildren(...queue.classes.map((label, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.label = label;
      if (index < 9) { const key = document.createElement("kbd"); key.textContent = index + 1; button.append(key, " "); }
      button.append(label);
      button.addEventListener("click", () => answer(label));
      return button;
    }));
    pick();
    await next(0);
  });
})();
