// Mouse, pen and fingers on a stage: drag moves, wheel and pinch zoom, the right button (or the tool) sets the window.

const WINDOW_PER_PX = 1 / 400;

export function attachTools(stage) {
  const { node, state } = stage;
  const pointers = new Map();
  let apart = 0;

  const at = (event) => {
    const box = node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  node.addEventListener("wheel", (event) => {
    event.preventDefault();
    stage.view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
    stage.draw();
  }, { passive: false });

  node.addEventListener("contextmenu", (event) => event.preventDefault());
  node.addEventListener("dblclick", () => {
    if (stage.view.fitted) stage.view.oneToOne(window.devicePixelRatio || 1);
    else stage.view.fit();
    stage.draw();
  });

  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    apart = 0;
    node.classList.add("held");
  });

  node.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const now = at(event);
    pointers.set(event.pointerId, now);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    if (pointers.size === 2) pinch(dx / 2, dy / 2);
    else if (event.buttons === 2 || event.shiftKey || state.tool === "window") setWindow(state, dx * WINDOW_PER_PX, dy * WINDOW_PER_PX);
    else { stage.view.pan(dx, dy); stage.draw(); }
  });

  const leave = (event) => {
    pointers.delete(event.pointerId);
    apart = 0;
    if (!pointers.size) node.classList.remove("held");
  };
  node.addEventListener("pointerup", leave);
  node.addEventListener("pointercancel", leave);

  function pinch(dx, dy) {
    const [[ax, ay], [bx, by]] = [...pointers.values()];
    const distance = Math.hypot(ax - bx, ay - by);
    if (apart) stage.view.zoom(distance / apart, (ax + bx) / 2, (ay + by) / 2);
    apart = distance;
    stage.view.pan(dx, dy);
    stage.draw();
  }
}

/** Changes the window's width and level, in shares of the film's range of grey. */
export function setWindow(state, width, level) {
  state.width = Math.min(4, Math.max(0.02, state.width * Math.exp(width)));
  state.level = Math.min(1.5, Math.max(-0.5, state.level + level));
  state.changed();
}

export function resetWindow(state) {
  state.width = 1;
  state.level = 0.5;
  state.invert = false;
  state.changed();
}
