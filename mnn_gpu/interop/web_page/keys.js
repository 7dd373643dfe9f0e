// Keyboard commands.

// The action of a key on the pad, or undefined.
function padAction(key, { drawing, pen, width, write }) {
  if (key in ARROWS) return () => pen.move(key);
  if (key in SAMPLES && key.length === 1) return () => write(Number(key));
  const lifted = (act) => () => {
    pen.lift();
    act();
  };
  const clear = lifted(() => drawing.clear());
  const undo = lifted(() => drawing.undo());
  const widen = (by) => () => {
    width.valueAsNumber += by;
    drawing.changed();
  };
  const actions = { " ": () => pen.toggle(), Enter: () => pen.toggle(), Delete: clear, Backspace: undo };
  return { ...actions, z: undo, "+": widen(1), "=": widen(1), "-": widen(-1) }[key];
}

// The key pressed, letters in lower case.
function keyOf({ key }) {
  return key.length === 1 ? key.toLowerCase() : key;
}

function listenToKeys(pad, parts) {
  pad.addEventListener("keydown", (event) => {
    const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : padAction(keyOf(event), parts);
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.shiftKey || event.key !== "z") return;
    event.preventDefault();
    parts.pen.lift();
    parts.drawing.undo();
  });
}
