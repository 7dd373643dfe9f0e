// Input on the pad: pointer events for mouse, finger and stylus, key events for the keyboard.

const KEY_STEP = 1 / 40; // of the pad's side, per press of an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function within(value) {
  return Math.min(Math.max(value, 0), 1);
}

// Draw the pointer's path on the pad, with a pen of penWidth() of the pad's side.
function listenToPointer(pad, drawing, penWidth) {
  let writing = null;
  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
  };
  const lift = (event) => {
    if (event.pointerId !== writing) return;
    writing = null;
    drawing.settled();
  };
  pad.addEventListener("pointerdown", (event) => {
    if (writing !== null || event.button !== 0) return;
    writing = event.pointerId;
    pad.setPointerCapture(writing);
    drawing.begin(place(event), penWidth());
  });
  pad.addEventListener("pointermove", (event) => {
    if (event.pointerId !== writing) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length > 0 ? events : [event]) drawing.extend(place(each));
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) pad.addEventListener(end, lift);
}

// A pen moved by the arrow keys; it draws while it is down.
class KeyboardPen {
  constructor(pad, drawing, penWidth, say) {
    Object.assign(this, { drawing, penWidth, say, at: [0.5, 0.25], down: false, shown: false });
    this.held = new Set();
    pad.addEventListener("keyup", ({ key }) => this.held.delete(key));
    pad.addEventListener("focus", () => this.show(pad.matches(":focus-visible")));
    pad.addEventListener("blur", () => this.show(false));
    pad.addEventListener("pointerdown", () => this.show(false));
  }

  show(shown) {
    this.held.clear();
    if (!shown) this.lift();
    this.shown = shown;
    this.drawing.changed();
  }

  lift() {
    if (!this.down) return;
    this.down = false;
    this.drawing.settled();
  }

  toggle() {
    this.shown = true;
    if (this.down) {
      this.lift();
    } else {
      this.down = true;
      this.drawing.begin([...this.at], this.penWidth());
      this.say("Pen down");
    }
    this.drawing.changed();
  }

  // Two arrows together move diagonally.
  move(key) {
    this.shown = true;
    this.held.add(key);
    const total = (axis) => [...this.held].reduce((sum, each) => sum + ARROWS[each][axis], 0);
    this.at = this.at.map((value, axis) => within(value + KEY_STEP * Math.sign(total(axis))));
    if (this.down) this.drawing.extend([...this.at]);
    else this.drawing.changed();
  }
}
