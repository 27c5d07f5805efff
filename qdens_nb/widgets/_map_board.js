// Maps on one canvas; with a tool, the first can be drawn on. Python says what to draw (see _map_board.py) and
// gets the path of the pointer, one piece at a time.
const FONT = "Helvetica, Arial, sans-serif";

function render({ model, el }) {
  const canvas = document.createElement("canvas");
  canvas.className = "qdens-board";
  canvas.setAttribute("role", "img");
  el.append(canvas);
  const pen = canvas.getContext("2d");
  const tile = document.createElement("canvas");
  let images = [], frame = 0, ink = "#222";
  let queue = [], sent = null, sentAt = 0, tip = null, pressed = false, pointer = null;
  const get = name => model.get(name);
  const first = () => get("panels")[0];
  const bytesOf = name => new Uint8Array(get(name).buffer, get(name).byteOffset);

  function prepare() {
    const points = get("points"), cells = points * points;
    const bytes = bytesOf("maps"), tables = bytesOf("tables");
    tile.width = tile.height = points;
    images = get("panels").map((panel, i) => {
      const image = new ImageData(points, points);
      for (let x = 0; x < points; x++) for (let y = 0; y < points; y++) {
        const value = bytes[i * cells + x * points + y];
        const from = 768 * panel.table + 3 * value, to = 4 * ((points - 1 - y) * points + x);
        for (let c = 0; c < 3; c++) image.data[to + c] = tables[from + c];
        image.data[to + 3] = 255;
      }
      return { image, value: (x, y) => panel.low
        + (panel.high - panel.low) * bytes[i * cells + x * points + y] / 255 };
    });
    const drawable = get("tool") !== "";
    canvas.tabIndex = drawable ? 0 : -1;
    canvas.setAttribute("role", drawable ? "application" : "img");
    canvas.setAttribute("aria-label", get("label") + (drawable
      ? "; arrows move the pointer, space takes hold and lets go" : ""));
    draw();
    canvas.dispatchEvent(new CustomEvent("qdens-drawn", { bubbles: true }));
  }

  function text(words, x, y, size = 13, align = "center", base = "alphabetic") {
    pen.font = `${size}px ${FONT}`;
    pen.textAlign = align;
    pen.textBaseline = base;
    pen.fillText(words, x, y);
  }

  const number = v => Math.abs(v) < 5e-7 ? "0" : Number(v.toPrecision(2)).toString().replace("-", "−");

  const named = (panel, value) => panel.named ? get("names")[Math.round(value)]
    : `${number(value)} ${panel.unit}`.trim();

  function axes(panel, side, size) {
    const { left, top } = panel;
    pen.strokeStyle = pen.fillStyle = ink;
    pen.lineWidth = 1;
    pen.strokeRect(left - 0.5, top - 0.5, side + 1, side + 1);
    text(panel.title, left + side / 2, top - 8);
    const unit = get("unit"), shift = unit === "site" ? 0.5 : 0;
    for (let at = 0; at + shift <= size; at += get("step")) {
      const along = (at + shift) / size * side, x = left + along, y = top + side - along;
      pen.fillRect(x - 0.5, top + side, 1, 5);
      text(at, x, top + side + 18, 12);
      if (!panel.first) continue;
      pen.fillRect(left - 5, y - 0.5, 5, 1);
      text(at, left - 8, y, 12, "right", "middle");
    }
    text(`x (${unit})`, left + side / 2, top + side + 33);
    if (!panel.first) return;
    pen.save();
    pen.translate(left - 32, top + side / 2);
    pen.rotate(-Math.PI / 2);
    text(`y (${unit})`, 0, 0);
    pen.restore();
  }

  function mark(panel, side, size) {
    const y = panel.top + side - (get("row") + 0.5) / size * side;
    pen.save();
    pen.strokeStyle = "#D55E00";
    pen.lineWidth = 1.5;
    pen.setLineDash([8, 6]);
    pen.beginPath();
    pen.moveTo(panel.left, y);
    pen.lineTo(panel.left + side, y);
    pen.stroke();
    pen.restore();
  }

  function bar(panel, side) {
    const tables = bytesOf("tables"), top = panel.top + side + 42;
    for (let i = 0; i < side; i++) {
      const at = 768 * panel.table + 3 * Math.round(255 * i / (side - 1));
      pen.fillStyle = `rgb(${tables[at]}, ${tables[at + 1]}, ${tables[at + 2]})`;
      pen.fillRect(panel.left + i, top, 1.5, 11);
    }
    pen.fillStyle = ink;
    if (panel.named) {
      get("names").forEach((name, i, all) => text(
        name, panel.left + (i + 0.5) / all.length * side, top + 23 + 13 * (i % 2), 11));
      return;
    }
    text(number(panel.low), panel.left, top + 24, 11, "left");
    text(panel.unit, panel.left + side / 2, top + 24, 11);
    text(number(panel.high), panel.left + side, top + 24, 11, "right");
  }

  const place = ([x, y]) => {
    const { left, top } = first(), scale = get("side") / get("size");
    return [left + x * scale, top + get("side") - y * scale];
  };

  const apart = (x, y) => Math.hypot(x - pointer.at[0], y - pointer.at[1]);

  function dot(x, y) {
    pen.beginPath();
    pen.arc(...place([x, y]), 1.5, 0, 2 * Math.PI);
    pen.fillStyle = "#fff";
    pen.fill();
  }

  function circle(x, y, r) {
    pen.beginPath();
    pen.arc(...place([x, y]), r * get("side") / get("size"), 0, 2 * Math.PI);
    for (const [color, width] of [["#fff", 3.5], ["#111", 1.5]]) {
      pen.strokeStyle = color;
      pen.lineWidth = width;
      pen.stroke();
    }
  }

  // What is under the pointer: the wells to move, the brush, and paint that Python has not seen yet.
  function overlay() {
    const { left, top } = first(), side = get("side"), tool = get("tool");
    if (!tool || !pointer || pointer.panel !== 0) return;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, side, side);
    pen.clip();
    if (tool === "move") {
      for (const [x, y] of get("wells")) dot(x, y);
      const near = get("wells").filter(([x, y, r]) => apart(x, y) < r)
        .sort((a, b) => apart(...a) - apart(...b))[0];
      const marked = get("wells")[get("held")] || (!pressed && near);
      if (marked) circle(...marked);
    } else {
      const tables = bytesOf("tables"), c = tool === "well" ? 0 : 765;
      pen.strokeStyle = `rgb(${tables[c]}, ${tables[c + 1]}, ${tables[c + 2]})`;
      pen.lineWidth = 2 * get("brush") * side / get("size");
      pen.lineCap = pen.lineJoin = "round";
      for (const { path } of sent ? [sent, ...queue] : queue) {
        pen.beginPath();
        pen.moveTo(...place(path[0]));
        path.forEach(p => pen.lineTo(...place(p)));
        pen.stroke();
      }
      circle(...pointer.at, get("brush"));
    }
    pen.restore();
  }

  function draw() {
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      const ratio = window.devicePixelRatio || 1, style = getComputedStyle(canvas);
      const width = get("width"), height = get("height");
      if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
        canvas.style.cssText = `width: ${width}px; max-width: 100%; display: block;`
          + `aspect-ratio: ${width} / ${height}; touch-action: pan-y;`;
      }
      ink = style.color;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, height);
      pen.imageSmoothingEnabled = false;
      const side = get("side");
      get("panels").forEach((panel, i) => {
        pen.globalAlpha = panel.faded ? 0.35 : 1;
        tile.getContext("2d").putImageData(images[i].image, 0, 0);
        pen.drawImage(tile, panel.left, panel.top, side, side);
        axes(panel, side, get("size"));
        bar(panel, side);
        if (i === 0 && get("row") >= 0) mark(panel, side, get("size"));
        pen.globalAlpha = 1;
      });
      overlay();
      if (pointer && pointer.panel >= 0 && pointer.panel < images.length) {
        const scale = get("points") / get("size"), last = get("points") - 1;
        const [x, y] = pointer.at.map(v => Math.max(0, Math.min(last, Math.floor(v * scale))));
        const panel = get("panels")[pointer.panel], v = images[pointer.panel].value(x, y);
        pen.fillStyle = ink;
        const where = get("unit") === "site" ? `x ${x}, y ${y}`
          : `x ${pointer.at.map(v => v.toFixed(1)).join(" nm, y ")} nm`;
        text(`${where}: ${named(panel, v)}`, 4, height - 5, 12, "left");
      }
    });
  }

  function look(event) {
    const box = canvas.getBoundingClientRect(), side = get("side"), scale = get("size") / side;
    const x = (event.clientX - box.left) * get("width") / box.width;
    const y = (event.clientY - box.top) * get("height") / box.height;
    const panel = pressed ? 0 : get("panels").findIndex(
      p => x >= p.left && x < p.left + side && y >= p.top && y < p.top + side);
    const { left, top } = get("panels")[Math.max(panel, 0)];
    pointer = { panel, at: [(x - left) * scale, (top + side - y) * scale] };
    const tool = get("tool");
    canvas.style.cursor = panel !== 0 || !tool ? "default" : tool === "move" ? "grab" : "crosshair";
    draw();
    return pointer;
  }

  // One piece of path is under way at a time: a slow answer makes pieces longer, not more.
  function pump() {
    if (!queue.length || (sent && performance.now() - sentAt < 3000)) return;
    sent = queue.shift();
    sentAt = performance.now();
    model.send(sent);
  }

  function add(begins, ends) {
    const last = queue.at(-1), point = pointer.at;
    if (begins) queue.push({ path: [point], begins, ends });
    else if (last) Object.assign(last, { ends }).path.push(point);
    else queue.push({ path: [tip, point], begins, ends });
    tip = point;
    pump();
  }

  canvas.addEventListener("pointerdown", event => {
    if (event.button || look(event).panel !== 0 || !get("tool")) return;
    canvas.setPointerCapture(event.pointerId);
    pressed = true;
    add(true, false);
  });
  canvas.addEventListener("pointermove", event => {
    look(event);
    if (pressed) add(false, false);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => {
    if (!pressed) return;
    pressed = false;
    add(false, true);
    draw();
  });
  canvas.addEventListener("pointerleave", () => { if (!pressed) { pointer = null; draw(); } });
  // By keyboard arrows move the pointer; Space or Enter takes hold and lets go.
  const letGo = () => {
    if (pressed) {
      pressed = false;
      add(false, true);
    }
    draw();
  };
  canvas.addEventListener("keydown", event => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const hold = [" ", "Enter"].includes(event.key);
    if (!get("tool") || !(way || hold)) return;
    event.preventDefault();
    const size = get("size"), by = event.shiftKey ? 5 : 1;
    if (pointer?.panel !== 0) pointer = { panel: 0, at: [size / 2, size / 2] };
    else if (way) {
      const at = pointer.at.map((v, k) => Math.max(0, Math.min(size, v + by * way[k])));
      pointer = { panel: 0, at };
      if (pressed) add(false, false);
    }
    if (hold && pressed) letGo();
    else if (hold) {
      pressed = true;
      add(true, false);
    }
    draw();
  });
  canvas.addEventListener("blur", letGo);
  model.on("msg:custom", message => {
    if (message.kind !== "done") return;
    sent = null;
    pump();
    draw();
  });
  model.on("change:turn", prepare);
  for (const name of ["tool", "brush"]) model.on(`change:${name}`, draw);
  prepare();
}

export default { render };
