// Light, dark, or as the system has it.
const KEY = "darkroom.theme";
const ORDER = ["auto", "light", "dark"];

export const theme = () => (ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto");

export function applyTheme(name = theme()) {
  document.documentElement.dataset.theme = name;
}

/** The next of the three; returns its name. */
export function nextTheme() {
  const name = ORDER[(ORDER.indexOf(theme()) + 1) % ORDER.length];
  localStorage.setItem(KEY, name);
  applyTheme(name);
  return name;
}
