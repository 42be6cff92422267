// Boxes as [x, y, width, height] in pixels of an image, kept within it. Pure functions.

const LEAST = 2;

const between = (value, low, high) => Math.max(low, Math.min(high, value));

/** The box between two corners. */
export function spanned([x1, y1], [x2, y2], size) {
  const left = between(Math.min(x1, x2), 0, size.width - LEAST);
  const top = between(Math.min(y1, y2), 0, size.height - LEAST);
  const right = between(Math.max(x1, x2), left + LEAST, size.width);
  const bottom = between(Math.max(y1, y2), top + LEAST, size.height);
  return rounded([left, top, right - left, bottom - top]);
}

export function moved([x, y, width, height], dx, dy, size) {
  return rounded([between(x + dx, 0, size.width - width), between(y + dy, 0, size.height - height), width, height]);
}

/** With an edge or a corner moved: `side` has some of n, s, e, w. */
export function stretched([x, y, width, height], side, dx, dy, size) {
  let [left, top, right, bottom] = [x, y, x + width, y + height];
  if (side.includes("w")) left = between(left + dx, 0, right - LEAST);
  if (side.includes("e")) right = between(right + dx, left + LEAST, size.width);
  if (side.includes("n")) top = between(top + dy, 0, bottom - LEAST);
  if (side.includes("s")) bottom = between(bottom + dy, top + LEAST, size.height);
  return rounded([left, top, right - left, bottom - top]);
}

/** Whole pixels; two that are rounded apart must not leave the image. */
function rounded([x, y, width, height]) {
  const left = Math.round(x);
  const top = Math.round(y);
  return [left, top, Math.round(x + width) - left, Math.round(y + height) - top];
}

/** Where the handles of a box are: [side, x, y]. */
export function handles([x, y, width, height]) {
  const [middle, centre] = [x + width / 2, y + height / 2];
  return [
    ["nw", x, y], ["n", middle, y], ["ne", x + width, y], ["e", x + width, centre],
    ["se", x + width, y + height], ["s", middle, y + height], ["sw", x, y + height], ["w", x, centre],
  ];
}
