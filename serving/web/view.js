// Where a film lies on the screen: a scale and a shift, and nothing else. Points of a report are (row, column) between
// pixel centres; screen points are (x, y) in CSS pixels of the stage.

const LEAST = 0.02;
const MOST = 24;

export class View {
  constructor() {
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.width = 1;
    this.height = 1;
    this.rows = 1;
    this.columns = 1;
    this.fitted = true;
  }

  /** The stage has this size; a fitted film stays fitted, another keeps its middle. */
  resize(width, height) {
    this.x += (width - this.width) / 2;
    this.y += (height - this.height) / 2;
    this.width = width;
    this.height = height;
    if (this.fitted) this.fit();
  }

  /** Another film. */
  show(rows, columns) {
    this.rows = rows;
    this.columns = columns;
    this.fit();
  }

  fit() {
    this.scale = Math.min(this.width / this.columns, this.height / this.rows) * 0.985;
    this.centre();
    this.fitted = true;
  }

  /** One pixel of the film on one of the monitor. */
  oneToOne(ratio) {
    this.zoom(1 / ratio / this.scale, this.width / 2, this.height / 2);
  }

  centre() {
    this.x = (this.width - this.columns * this.scale) / 2;
    this.y = (this.height - this.rows * this.scale) / 2;
  }

  /** Zooms by a factor about a place of the screen. */
  zoom(factor, x, y) {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * factor));
    this.x = x - (x - this.x) * (scale / this.scale);
    this.y = y - (y - this.y) * (scale / this.scale);
    this.scale = scale;
    this.fitted = false;
    this.keep();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.fitted = false;
    this.keep();
  }

  /** Brings a part of the film, in film pixels, into the middle. */
  near(row, column, side) {
    this.scale = Math.min(MOST, Math.min(this.width, this.height) / side);
    this.x = this.width / 2 - (column + 0.5) * this.scale;
    this.y = this.height / 2 - (row + 0.5) * this.scale;
    this.fitted = false;
  }

  /** A film can be pushed aside, but not lost. */
  keep() {
    const room = 60;
    this.x = Math.min(this.width - room, Math.max(room - this.columns * this.scale, this.x));
    this.y = Math.min(this.height - room, Math.max(room - this.rows * this.scale, this.y));
  }

  place(row, column) {
    return [(column + 0.5) * this.scale + this.x, (row + 0.5) * this.scale + this.y];
  }
}
