// The images that the model gets wrong, the surest first.
import { href } from "../app/router.js";
import { html, useEffect, useState } from "../app/ui.js";
import { many, percent } from "./format.js";

const STEP = 48;

/** @param cell {true, predicted}: those alone */
export function Mistakes({ project, mistakes, cell, onCell }) {
  const [shown, setShown] = useState(STEP);
  useEffect(() => setShown(STEP), [cell]);
  const all = mistakes.filter((each) => !cell || (each.true === cell.true && each.predicted === cell.predicted)).sort((a, b) => b.confidence - a.confidence);
  return html`
    <div class="row"><h2 class="grow">${cell ? `${cell.true} taken for ${cell.predicted}` : "Worst mistakes"}</h2>
      ${cell && html`<button type="button" onClick=${() => onCell(null)}>Show all mistakes</button>`}</div>
    <p class="dim" role="status">${all.length ? `${many(all.length, "mistake")}, the surest first.` : cell ? "The mistakes of this cell are not among those that were kept." : "The model made no mistake on the validation images."}</p>
    <ul class="mistakes plain">${all.slice(0, shown).map((each, index) => html`<${Mistake} key=${`${each.imageId}-${index}`} project=${project} mistake=${each} />`)}</ul>
    ${all.length > shown && html`<button type="button" onClick=${() => setShown(shown + STEP)}>Show ${Math.min(STEP, all.length - shown)} more</button>`}
  `;
}

function Mistake({ project, mistake }) {
  const { imageId, fileName, predicted, confidence, thumbnailUrl } = mistake;
  const text = `${mistake.true} taken for ${predicted}, ${percent(confidence, 0)} sure`;
  return html`<li><a class="mistake" href=${href("p", project.projectId, "image", imageId)} title=${fileName}>
    <img src=${thumbnailUrl} alt=${`${fileName}: ${text}`} loading="lazy" />
    <span class="verdict"><b>${predicted}</b> <span class="number">${percent(confidence, 0)}</span></span>
    <span class="dim">is ${mistake.true}</span></a></li>`;
}
