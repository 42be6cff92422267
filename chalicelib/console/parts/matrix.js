// A confusion matrix as a table whose cells open the mistakes in them.
import { cx, html } from "../app/ui.js";
import { many, percent } from "./format.js";

const MOST = 30;
const LEVELS = 5;

/** @param cell {true, predicted} that is open, @param onCell takes the next */
export function Matrix({ confusion, cell, onCell }) {
  const { classes, matrix } = confusion;
  const totals = matrix.map((row) => row.reduce((sum, each) => sum + each, 0));
  const wrong = matrix.reduce((sum, row, index) => sum + totals[index] - row[index], 0);
  const shown = chosen(classes, matrix, totals);
  const heads = shown.every((index) => classes[index].length < 4) ? "flat" : "tilted";
  return html`<p class="hint">${wrong ? `${many(wrong, "mistake")}. Rows are the true class, columns the predicted one; a cell opens its mistakes.` : "No mistakes. Rows are the true class, columns the predicted one."}
      ${shown.length < classes.length && ` Of ${classes.length} classes, the ${shown.length} with the most mistakes.`}</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix"><table class="matrix" aria-label="Confusion matrix">
    <thead><tr><th scope="col"><span class="unseen">true, predicted</span></th>${shown.map((column) => html`<th scope="col" class=${heads} title=${classes[column]}><span>${classes[column]}</span></th>`)}</tr></thead>
    <tbody>${shown.map((row) => html`<tr><th scope="row" title=${classes[row]}>${classes[row]}</th>${shown.map((column) => html`<${Cell} key=${column}
      number=${matrix[row][column]} share=${totals[row] ? matrix[row][column] / totals[row] : 0} isRight=${row === column} pair=${{ true: classes[row], predicted: classes[column] }}
      isOpen=${cell?.true === classes[row] && cell?.predicted === classes[column]} onCell=${onCell} />`)}</tr>`)}</tbody>
  </table></div>`;
}

/** All classes, or of many those with the most mistakes, in their order. */
function chosen(classes, matrix, totals) {
  const all = classes.map((_, index) => index);
  if (all.length <= MOST) return all;
  const missed = (index) => totals[index] - matrix[index][index] + matrix.reduce((sum, row, other) => sum + (other === index ? 0 : row[index]), 0);
  return all.sort((a, b) => missed(b) - missed(a)).slice(0, MOST).sort((a, b) => a - b);
}

function Cell({ number, share, isRight, pair, isOpen, onCell }) {
  if (!number) return html`<td class="cell zero"><span aria-label="0">·</span></td>`;
  const level = Math.max(1, Math.ceil(share * LEVELS));
  const name = cx("cell", isRight ? "right" : "wrong", `h${level}`);
  if (isRight) return html`<td class=${name} title=${`${percent(share, 0)} of ${pair.true}`}>${number}</td>`;
  const label = `${number} of ${pair.true} taken for ${pair.predicted}: show`;
  return html`<td class=${name}><button type="button" aria-pressed=${isOpen} aria-label=${label} title=${label} onClick=${() => onCell(isOpen ? null : pair)}>${number}</button></td>`;
}
