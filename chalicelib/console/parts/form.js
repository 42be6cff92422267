// Fields with their labels, hints and errors, and a form that says what went wrong.
import { cx, html, useEffect, useId, useRef, useState } from "../app/ui.js";

/** A labelled input. `error` is read out with it. */
export function Field({ label, hint, error, children, ...input }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ") || undefined;
  const shared = { id, "aria-describedby": described, "aria-invalid": error ? "true" : undefined };
  return html`<div class=${cx("field", error && "wrong")}>
    <label for=${id}>${label}</label>
    ${children ? children(shared) : html`<input ...${shared} ...${input} />`}
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    ${error && html`<p class="error" id="${id}-error">${error}</p>`}
  </div>`;
}

/** A password that can be looked at. */
export function Password({ label, hint, error, ...input }) {
  const [shown, show] = useState(false);
  return html`<${Field} label=${label} hint=${hint} error=${error}>
    ${(shared) => html`<div class="with-button">
      <input ...${shared} ...${input} type=${shown ? "text" : "password"} />
      <button type="button" class="quiet" aria-pressed=${shown} onClick=${() => show(!shown)}>${shown ? "Hide" : "Show"}</button>
    </div>`}
  <//>`;
}

/** What a problem says, and the hint; fields that are wrong are named by their errors. */
export function Trouble({ error, names = {} }) {
  const place = useRef(null);
  useEffect(() => error && place.current?.focus(), [error]);
  if (!error) return null;
  const errors = (error.errors ?? []).filter((each) => !(each.pointer in names));
  return html`<div class="trouble" role="alert" tabindex="-1" ref=${place}>
    <p>${sentence(error.message)}${error.hint && error.hint !== "See errors." ? ` ${error.hint}` : ""}</p>
    ${errors.length > 0 && html`<ul>${errors.map((each) => html`<li><code>${each.pointer}</code> ${each.message}</li>`)}</ul>`}
  </div>`;
}

/** With a capital and a full stop, as people write. */
export function sentence(text = "") {
  const trimmed = text.trim();
  return trimmed && trimmed[0].toUpperCase() + trimmed.slice(1) + (/[.!?…]$/.test(trimmed) ? "" : ".");
}

/** {busy, error, submit, clear}: runs `work` for a form, one at a time, and keeps its error. */
export function useSubmit(work) {
  const [state, setState] = useState({ busy: false, error: null });
  const alive = useRef(true);
  useEffect(() => {
    alive.current = true;
    return () => (alive.current = false);
  }, []);
  const submit = async (event) => {
    event?.preventDefault();
    if (state.busy) return;
    setState({ busy: true, error: null });
    try {
      await work();
      if (alive.current) setState({ busy: false, error: null });
    } catch (error) {
      if (alive.current) setState({ busy: false, error });
    }
  };
  const clear = () => setState({ busy: false, error: null });
  return { ...state, submit, clear };
}

/** The message for one field, by its JSON pointer. */
export const errorAt = (error, pointer) => sentence(error?.errors?.find((each) => each.pointer === pointer)?.message ?? "");
