// The states and phases of a run, in words and order.
import { cx, html } from "../app/ui.js";

const OVER = new Set(["completed", "failed", "stopped"]);
const PHASES = ["queued", "provisioning", "preparing", "downloading", "training", "evaluating", "exporting", "done"];

export const isOver = ({ status }) => OVER.has(status);

export const Pill = ({ status }) => html`<span class=${cx("pill", status)}>${status}</span>`;

/** Where a run is on its way. */
export function Strip({ run }) {
  const ended = isOver(run);
  const at = run.status === "completed" ? PHASES.length : PHASES.indexOf(run.phase);
  return html`<ol class="strip plain" aria-label="Phases">${PHASES.map((phase, index) => html`<li
      class=${cx(index < at && "past", index === at && (ended ? "ended" : "now"))} aria-current=${index === at && !ended ? "step" : undefined}>${phase}</li>`)}</ol>`;
}
