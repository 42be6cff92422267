// The classes of a project, each with its number key, and a place to name a new one.
import { cx, html, useState } from "../app/ui.js";

const added = new Map();

/** {names, colour, add}: the classes that are in use, and those that were named since. */
export function useClasses(projectId, summary) {
  const [, draw] = useState(0);
  const fresh = added.get(projectId) ?? [];
  const names = [...new Set([...Object.keys(summary?.objects ?? summary?.classes ?? {}), ...fresh])];
  const add = (name) => {
    if (!names.includes(name)) added.set(projectId, [...fresh, name]);
    draw((count) => count + 1);
  };
  return { names, add, colour: (name) => `c${(names.indexOf(name) + 8) % 8}` };
}

export function Palette({ classes, disabled, current, onPick }) {
  const [typed, setTyped] = useState("");
  const add = (event) => {
    event.preventDefault();
    const name = typed.trim();
    if (!name) return;
    classes.add(name);
    setTyped("");
    onPick(name);
  };
  return html`
    <div class="palette" role="group" aria-label="Classes">
      ${classes.names.slice(0, 30).map((name, index) => html`<button type="button" key=${name} class=${cx("chip", classes.colour(name))} disabled=${disabled}
        aria-pressed=${current === undefined ? undefined : current === name} onClick=${() => onPick(name)}>
        ${index < 9 && html`<kbd>${index + 1}</kbd>`}${name}</button>`)}
    </div>
    <form class="new-class" onSubmit=${add}>
      <input aria-label="Class name" placeholder="Another class…" maxlength="100" list="all-classes" value=${typed} onInput=${(event) => setTyped(event.currentTarget.value)} />
      <datalist id="all-classes">${classes.names.slice(30).map((name) => html`<option value=${name} />`)}</datalist>
      <button disabled=${disabled || !typed.trim()}>Set</button>
    </form>
  `;
}
