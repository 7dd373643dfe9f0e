// The drawing: its strokes, and all earlier states for undo.

class Drawing {
  // changed() is called after every change, settled() when a change is complete.
  constructor(changed, settled) {
    Object.assign(this, { strokes: [], past: [], writing: null, target: null, changed, settled });
  }

  get empty() {
    return this.strokes.length === 0;
  }

  // Whether it is only a dot: no wider or higher than the pen.
  get isDot() {
    const points = this.strokes.flatMap((stroke) => stroke.points);
    const spread = (axis) => {
      const values = points.map((point) => point[axis]);
      return Math.max(...values) - Math.min(...values);
    };
    return !this.empty && Math.max(spread(0), spread(1)) < Math.max(...this.strokes.map(({ width }) => width));
  }

  become(strokes) {
    this.finishSample();
    this.past.push(this.strokes);
    this.strokes = strokes;
    this.writing = null;
    this.changed();
  }

  begin(point, width) {
    this.finishSample();
    const stroke = { width, points: [point] };
    this.become([...this.strokes, stroke]);
    this.writing = stroke;
  }

  // Extend the current stroke, unless it has been undone meanwhile.
  extend(point) {
    if (this.writing === null) return;
    this.writing.points.push(point);
    this.changed();
  }

  clear() {
    if (this.empty) return;
    this.become([]);
    this.settled();
  }

  undo() {
    this.finishSample();
    if (this.past.length === 0) return;
    this.writing = null;
    this.strokes = this.past.pop();
    this.changed();
    this.settled();
  }

  // Replace the drawing by strokes, animated over a duration in milliseconds.
  write(strokes, time) {
    this.become([]);
    this.target = strokes;
    const start = performance.now();
    const step = (now) => {
      const share = (now - start) / time;
      if (this.target !== strokes) return;
      if (!(share < 1)) return this.finishSample();
      this.strokes = begun(strokes, share);
      this.changed();
      requestAnimationFrame(step);
    };
    step(start);
  }

  finishSample() {
    if (this.target === null) return;
    this.strokes = this.target;
    this.target = null;
    this.changed();
    this.settled();
  }
}
