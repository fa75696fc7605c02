"use strict";
/* The editor of outlines: one byte a pixel, 0 background, 1 cytoplasm, 2 nucleus, drawn over the picture of a cell. */
class Outlines {
  static COLOURS = [null, [0, 150, 255], [255, 60, 0]];
  static KEPT = 50; // strokes that can be undone

  constructor(canvas) {
    this.canvas = canvas;
    this.value = 1;
    this.tool = "brush";
    this.radius = 5;
    this.editing = false;
    this.visible = true;
    this.changed = () => {};
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { this.last = null; });
    canvas.addEventListener("dblclick", () => this.close());
  }

  load(picture, mask) {
    this.width = picture.width;
    this.height = picture.height;
    this.picture = picture;
    this.mask = mask;
    this.first = mask.slice();
    this.strokes = [];
    this.corners = [];
    this.last = null;
    this.scale = Math.max(1, Math.floor(720 / Math.max(this.width, this.height)));
    this.canvas.width = this.width * this.scale;
    this.canvas.height = this.height * this.scale;
    this.draw();
  }

  get isChanged() {
    return this.mask.some((value, place) => value !== this.first[place]);
  }

  reset() {
    this.replace(this.first.slice());
  }

  replace(mask) {
    this.keep();
    this.mask = mask;
    this.corners = [];
    this.draw();
  }

  undo() {
    if (this.corners.length) this.corners.pop();
    else if (this.strokes.length) this.mask = this.strokes.pop();
    this.draw();
  }

  keep() {
    this.strokes.push(this.mask.slice());
    if (this.strokes.length > Outlines.KEPT) this.strokes.shift();
  }

  // The canvas keeps its proportions within its box (object-fit: contain).
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const shown = Math.min(box.width / this.canvas.width, box.height / this.canvas.height);
    const left = box.left + (box.width - this.canvas.width * shown) / 2;
    const top = box.top + (box.height - this.canvas.height * shown) / 2;
    return [(event.clientX - left) / shown / this.scale, (event.clientY - top) / shown / this.scale];
  }

  down(event) {
    if (!this.editing || event.button) return;
    event.preventDefault();
    const place = this.place(event);
    if (this.tool === "polygon") {
      const before = this.corners.at(-1);
      if (!before || before[0] !== place[0] || before[1] !== place[1]) this.corners.push(place);
      this.draw();
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    this.keep();
    this.last = place;
    this.stroke(place, place);
  }

  move(event) {
    if (!this.last) return;
    const place = this.place(event);
    this.stroke(this.last, place);
    this.last = place;
  }

  stroke([x, y], [toX, toY]) {
    const steps = Math.max(1, Math.ceil(Math.hypot(toX - x, toY - y)));
    for (let step = 0; step <= steps; step += 1) this.dab(x + (toX - x) * step / steps, y + (toY - y) * step / steps);
    this.draw();
  }

  dab(x, y) {
    const reach = this.radius;
    for (let row = Math.max(0, Math.floor(y - reach)); row <= Math.min(this.height - 1, Math.ceil(y + reach)); row += 1) {
      for (let column = Math.max(0, Math.floor(x - reach)); column <= Math.min(this.width - 1, Math.ceil(x + reach)); column += 1) {
        if (Math.hypot(column + 0.5 - x, row + 0.5 - y) <= Math.max(reach, 0.71)) this.mask[row * this.width + column] = this.value;
      }
    }
  }

  // A closed polygon of cytoplasm leaves the nucleus inside it: people draw around the whole cell.
  close() {
    if (this.tool !== "polygon" || this.corners.length < 3) return;
    this.keep();
    const corners = this.corners;
    for (let row = 0; row < this.height; row += 1) {
      for (let column = 0; column < this.width; column += 1) {
        const place = row * this.width + column;
        if (this.value === 1 && this.mask[place] === 2) continue;
        if (Outlines.within(column + 0.5, row + 0.5, corners)) this.mask[place] = this.value;
      }
    }
    this.corners = [];
    this.draw();
  }

  static within(x, y, corners) {
    let inside = false;
    for (let here = 0, before = corners.length - 1; here < corners.length; before = here, here += 1) {
      const [ax, ay] = corners[here], [bx, by] = corners[before];
      if ((ay > y) !== (by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax) inside = !inside;
    }
    return inside;
  }

  draw() {
    const { width, height, scale, mask } = this;
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(this.picture, 0, 0, width * scale, height * scale);
    if (this.visible) {
      for (const value of [1, 2]) this.edges(context, value);
    }
    if (this.corners.length) {
      context.strokeStyle = context.fillStyle = `rgb(${(Outlines.COLOURS[this.value] || [20, 20, 20]).join()})`;
      context.lineWidth = 2;
      context.beginPath();
      for (const [x, y] of this.corners) context.lineTo(x * scale, y * scale);
      context.stroke();
      for (const [x, y] of this.corners) context.fillRect(x * scale - 3, y * scale - 3, 6, 6);
    }
    this.changed(this.isChanged);
  }

  // Lines along the sides of pixels between what is inside (this value or a higher one) and what is not.
  edges(context, value) {
    const { width, height, scale, mask } = this;
    const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask[y * width + x] >= value;
    context.beginPath();
    for (let y = 0; y <= height; y += 1) {
      for (let x = 0; x <= width; x += 1) {
        if (inside(x, y) !== inside(x - 1, y)) { context.moveTo(x * scale, y * scale); context.lineTo(x * scale, (y + 1) * scale); }
        if (inside(x, y) !== inside(x, y - 1)) { context.moveTo(x * scale, y * scale); context.lineTo((x + 1) * scale, y * scale); }
      }
    }
    context.strokeStyle = `rgb(${Outlines.COLOURS[value].join()})`;
    context.lineWidth = Math.max(1.5, Math.min(3, scale / 2));
    context.stroke();
  }
}
