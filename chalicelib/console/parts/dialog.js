// A modal dialog: the browser's own, which holds the focus and closes with Escape.
import { html, useEffect, useId, useRef } from "../app/ui.js";

export function Dialog({ title, onClose, children }) {
  const place = useRef(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    place.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  return html`<dialog ref=${place} class="modal" aria-labelledby=${id} onClose=${onClose}>
    <div class="card">
      <div class="row"><h2 id=${id} class="grow">${title}</h2>
        <button type="button" class="quiet close" aria-label="Close" onClick=${onClose}>×</button></div>
      ${children}
    </div>
  </dialog>`;
}
