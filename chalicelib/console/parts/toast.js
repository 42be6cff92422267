// Short messages at the foot of the page, read out by screen readers.
import { Store, useStore } from "../app/store.js";
import { cx, html } from "../app/ui.js";

const SECONDS = 8;
const toasts = new Store([]);
let last = 0;

/** Says something; `options.action` is {label, run}, `options.wrong` marks a failure. */
export function say(text, options = {}) {
  const id = ++last;
  toasts.set([...toasts.value.slice(-3), { id, text, ...options }]);
  setTimeout(() => dismiss(id), 1000 * (options.wrong ? 2 * SECONDS : SECONDS));
}

function dismiss(id) {
  toasts.set(toasts.value.filter((each) => each.id !== id));
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${useStore(toasts).map(
      ({ id, text, action, wrong }) => html`<div key=${id} class=${cx("toast", wrong && "bad")}>
        <span>${text}</span>
        ${action && html`<button type="button" class="small" onClick=${() => (dismiss(id), action.run())}>${action.label}</button>`}
        <button type="button" class="quiet close" aria-label="Dismiss" onClick=${() => dismiss(id)}>×</button>
      </div>`,
    )}
  </div>`;
}
