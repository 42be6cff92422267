// What came of a run: figures, confusions, classes, mistakes, the model's card and files.
import { get } from "../app/api.js";
import { useLoaded } from "../app/store.js";
import { html, useRef, useState } from "../app/ui.js";
import { sentence } from "./form.js";
import { bytes, count, duration, figure, many, percent } from "./format.js";
import { Matrix } from "./matrix.js";
import { Mistakes } from "./mistakes.js";
import { Loading, Missing } from "./page.js";
import { TryIt } from "./tryit.js";

export function Results({ project, base, run }) {
  const { value: results, error, again } = useLoaded((signal) => get(`${base}/results`, {}, signal), [base]);
  const [cell, setCell] = useState(null);
  const mistakes = useRef(null);
  if (error) return html`<${Missing} error=${error} again=${again} />`;
  if (!results) return html`<${Loading} />`;
  const open = (wanted) => {
    setCell(wanted);
    mistakes.current?.scrollIntoView({ block: "start", behavior: "smooth" });
    mistakes.current?.focus({ preventScroll: true });
  };
  return html`
    <${Headline} project=${project} results=${results} run=${run} />
    ${results.warnings.map((each) => html`<p class="warn note">${sentence(each.message)} ${each.examples.length > 0 && html`<span class="dim">${each.examples.join(", ")}</span>`}</p>`)}
    <${TryIt} base=${base} />
    <div class="pair">
      <section class="card"><h2>Confusion matrix</h2><${Matrix} confusion=${results.confusionMatrix} cell=${cell} onCell=${open} /></section>
      <section class="card"><h2>Classes</h2><${Classes} rows=${results.perClass} /></section>
    </div>
    <section class="card" ref=${mistakes} tabindex="-1" aria-label="Mistakes"><${Mistakes} project=${project} mistakes=${results.misclassified} cell=${cell} onCell=${setCell} /></section>
    <div class="pair"><${Card} results=${results} /><${Downloads} artifacts=${results.artifacts} /></div>
  `;
}

function Headline({ project, results, run }) {
  const { accuracy, loss, test, detection, modelDetails: model, run: speed } = results;
  const took = (new Date(run.endTime) - new Date(run.startTime)) / 1000;
  return html`<section class="card headline" aria-label="Result">
    <div class="big-figure"><span class="value">${percent(accuracy)}</span><span class="dim">${project.taskType === "detection" ? "mAP@0.5" : "accuracy"} on ${many(model.valImages, "validation image")}</span></div>
    <dl class="figures-row">
      <div><dt>Loss</dt><dd>${figure(loss)}</dd></div>
      ${detection && html`<div><dt>mAP@[.5:.95]</dt><dd>${percent(detection.map)}</dd></div>`}
      ${test && html`<div><dt>On ${many(test.images, "test image")}</dt><dd>${percent(test.accuracy)}</dd></div>`}
      <div><dt>Best epoch</dt><dd>${model.bestEpoch || "head"} <span class="dim">of ${model.epochsTrained}</span></dd></div>
      <div><dt>Model</dt><dd class="text">${model.architecture}</dd></div>
      <div><dt>Size</dt><dd>${bytes(model.sizeBytes)}</dd></div>
      ${speed && html`<div><dt>Images a second</dt><dd>${Math.round(speed.imagesPerSecond)}</dd></div>`}
      <div><dt>Took</dt><dd>${duration(took)}</dd></div>
    </dl></section>`;
}

function Classes({ rows }) {
  const [by, setBy] = useState(["f1", 1]);
  const [name, sign] = by;
  const sorted = [...rows].sort((a, b) => sign * (typeof a[name] === "string" ? a[name].localeCompare(b[name]) : a[name] - b[name]));
  const columns = [["class", "Class"], ["precision", "Precision"], ["recall", "Recall"], ["f1", "F1"], ["support", "Images"]];
  const sort = (column) => setBy([column, column === name ? -sign : 1]);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Classes"><table>
    <thead><tr>${columns.map(([key, label]) => html`<th scope="col" class=${key === "class" ? "" : "number"} aria-sort=${key === name ? (sign > 0 ? "ascending" : "descending") : undefined}>
      <button type="button" class="link" onClick=${() => sort(key)}>${label}${key === name ? (sign > 0 ? " ↑" : " ↓") : ""}</button></th>`)}</tr></thead>
    <tbody>${sorted.map((each) => html`<tr><th scope="row">${each.class}</th>${["precision", "recall", "f1"].map((key) => html`<td class="number">${percent(each[key])}</td>`)}<td class="number">${count(each.support)}</td></tr>`)}</tbody>
  </table></div>`;
}

function Card({ results }) {
  const card = results.artifacts.find((each) => each.format === "card");
  const { value: text } = useLoaded(async (signal) => (card ? (await fetch(card.url, { signal })).text() : ""), [card?.url]);
  const { modelDetails: model } = results;
  return html`<section class="card"><h2>Model card</h2>
    <p>${model.architecture}, ${count(model.parameters)} parameters, input ${model.inputSize.join(" × ")}, ${model.pretrained ? "from pretrained weights" : "from scratch"}, trained on ${many(model.trainImages, "image")} with ${model.framework}.</p>
    ${text && html`<details><summary>The whole card</summary><pre class="document" tabindex="0">${text}</pre></details>`}
    <details><summary>Layers</summary><pre class="document" tabindex="0">${model.summary}</pre></details></section>`;
}

const MEANING = {
  safetensors: "weights, for PyTorch", onnx: "for ONNX Runtime", config: "configuration", labels: "class names",
  environment: "library versions", run: "how it was trained", "confusion-matrix": "picture", curves: "picture", mistakes: "picture", card: "model card",
};

function Downloads({ artifacts }) {
  return html`<section class="card"><h2>Downloads</h2><ul class="downloads plain">${artifacts.map((each) => html`<li>
    <a href=${each.url} download target="_blank" rel="noopener">${each.format}</a><span class="dim grow">${MEANING[each.format] ?? ""}</span>
    <span class="number">${bytes(each.sizeBytes)}</span><code title=${`SHA-256 ${each.sha256}`}>${each.sha256.slice(0, 12)}</code></li>`)}</ul>
    <p class="hint">The links hold for an hour; the codes are the beginnings of SHA-256.</p></section>`;
}
