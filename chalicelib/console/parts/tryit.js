// An image of one's own, and what the model says to it.
import { openapi, send } from "../app/api.js";
import { useLoaded } from "../app/store.js";
import { cx, html, useEffect, useRef, useState } from "../app/ui.js";
import { Trouble, useSubmit } from "./form.js";
import { percent } from "./format.js";

const ROUTE = "/api/projects/{projectId}/training/{sessionId}/predict";
const MOST = 5;

/** Nothing, where the installation has no such endpoint. */
export function TryIt({ base }) {
  const { value: document } = useLoaded(() => openapi(), []);
  return document?.paths[ROUTE] ? html`<${Trial} base=${base} />` : null;
}

function Trial({ base }) {
  const [picture, setPicture] = useState(null);
  const [answer, setAnswer] = useState(null);
  const [over, setOver] = useState(false);
  const input = useRef(null);
  const file = useRef(null);
  useEffect(() => () => picture && URL.revokeObjectURL(picture.url), [picture]);
  const form = useSubmit(async () => {
    const body = new FormData();
    body.append("image", file.current);
    setAnswer(await send("POST", `${base}/predict`, body, { patient: true }));
  });
  const take = (next) => {
    if (!next) return;
    file.current = next;
    setAnswer(null);
    setPicture({ url: URL.createObjectURL(next), name: next.name });
    form.submit();
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files[0]);
  };
  return html`<section class=${cx("card try", over && "over")} aria-label="Try it" onDragOver=${(event) => (event.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <div class="grow"><h2>Try it</h2><p class="dim">Drop an image here, or choose one.</p>
      <button type="button" disabled=${form.busy} onClick=${() => input.current.click()}>Choose an image</button>
      <input ref=${input} type="file" accept="image/*" hidden aria-label="Image to try" onChange=${(event) => take(event.currentTarget.files[0])} />
      <${Trouble} error=${form.error} />
      <div role="status">${form.busy ? html`<p class="dim">Looking… the first time takes some seconds.</p>` : answer && html`<${Answer} answer=${answer} />`}</div></div>
    ${picture && html`<${Shown} picture=${picture} detections=${answer?.detections} />`}
  </section>`;
}

function Answer({ answer }) {
  const rows = (answer.predictions ?? answer.detections).map((each) => [each.label, each.probability ?? each.score]).slice(0, MOST);
  if (!rows.length) return html`<p>It found nothing.</p>`;
  return html`<ul class="bars plain">${rows.map(([label, share]) => html`<li><span class="name">${label}</span>
    <meter min="0" max="1" value=${share} aria-label=${`${label}: ${percent(share)}`}></meter><span class="number">${percent(share)}</span></li>`)}</ul>`;
}

function Shown({ picture, detections }) {
  const [size, setSize] = useState(null);
  return html`<div class="stage small-stage"><img src=${picture.url} alt=${`Your image, ${picture.name}`} onLoad=${({ currentTarget: image }) => setSize([image.naturalWidth, image.naturalHeight])} />
    ${detections && size && html`<svg class="boxes" viewBox=${`0 0 ${size.join(" ")}`} aria-hidden="true">${detections.map(({ label, box: [x, y, width, height] }) => html`<g class="box c0">
      <rect x=${x} y=${y} width=${width} height=${height} stroke-width=${size[0] / 200} /><text x=${x} y=${Math.max(y - size[0] / 100, size[0] / 25)} font-size=${size[0] / 25}>${label}</text></g>`)}</svg>`}</div>`;
}
