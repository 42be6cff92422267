// Figures and times as people read them.
const MEDIUM = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const NUMBER = new Intl.NumberFormat(undefined);

export const count = (value) => NUMBER.format(value);
export const many = (value, noun, plural = `${noun}s`) => `${count(value)} ${value === 1 ? noun : plural}`;
export const percent = (value, digits = 1) => (value == null ? "–" : `${(100 * value).toFixed(digits)} %`);
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
export const day = (text) => DAY.format(new Date(text));
export const when = (text) => (text ? MEDIUM.format(new Date(text)) : "–");

/** Up to four digits that say something. */
export function figure(value) {
  if (value == null) return "–";
  if (Number.isInteger(value)) return count(value);
  const size = Math.abs(value);
  return size >= 100 ? value.toFixed(0) : size >= 1 ? value.toFixed(2) : size >= 0.001 ? value.toFixed(4) : String(Number(value.toPrecision(2)));
}

export function bytes(value) {
  if (value < 1000) return `${value} bytes`;
  const step = Math.min(4, Math.floor(Math.log10(value) / 3));
  return `${(value / 1000 ** step).toFixed(step > 1 ? 1 : 0)} ${["", "KB", "MB", "GB", "TB"][step]}`;
}

export function duration(seconds) {
  if (seconds == null || !Number.isFinite(seconds)) return "–";
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** "learningRate" as "learning rate". */
export const words = (name) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
