// The states and phases of a run, in words and order.
import { cx, html } from "../app/ui.js";

const OVER = new Set(["completed", "failed", "stopped"]);
const PHASES = ["queued", "provisioning", "preparing", "downloading", "training", "evaluating", "exporting", "done"];

export const isOver = ({ status }) => OVER.has(status);

export const Pill = ({ status }) => html`<span class=${cx("pill", status)}>${status}</span>`;

/** Where a run that isn't over is on its way. */
export function Strip({ run }) {
  const at = PHASES.indexOf(run.phase);
  return html`<ol class="strip plain" aria-label="Phases">${PHASES.map((phase, index) => html`<li
      class=${cx(index < at && "past", index === at && "now")} aria-current=${index === at ? "step" : undefined}>${phase}</li>`)}</ol>`;
}
