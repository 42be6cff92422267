// One run: while it goes, as it goes; afterwards what came of it.
import { send } from "../app/api.js";
import { go, href } from "../app/router.js";
import { html, useEffect, useState } from "../app/ui.js";
import { Chart, pointsOf } from "../parts/chart.js";
import { Dialog } from "../parts/dialog.js";
import { sentence, Trouble, useSubmit } from "../parts/form.js";
import { duration, figure, percent, when } from "../parts/format.js";
import { Log } from "../parts/log.js";
import { remedies } from "../parts/mend.js";
import { Loading, Missing, ProjectPage } from "../parts/page.js";
import { usePolled } from "../parts/poll.js";
import { Results } from "../parts/results.js";
import { isOver, Pill, Strip } from "../parts/status.js";

export default function Run({ params, tab }) {
  return html`<${ProjectPage} projectId=${params.projectId} tab=${tab} title="Run">
    ${(project) => html`<${Watched} key=${params.sessionId} project=${project} sessionId=${params.sessionId} />`}
  <//>`;
}

function Watched({ project, sessionId }) {
  const base = `/api/projects/${project.projectId}/training/${sessionId}`;
  const { value: run, error, again } = usePolled(`${base}/status`, { history: true, configuration: true }, isOver);
  if (error) return html`<${Missing} error=${error} again=${again} />`;
  if (!run) return html`<${Loading} />`;
  const hasResults = run.status === "completed" || (run.status === "stopped" && run.metrics);
  return html`
    <div class="row head"><h1 class="grow">Run of ${when(run.startTime)} <${Pill} status=${run.status} /></h1>
      ${!isOver(run) && html`<${Stop} base=${base} run=${run} />`}
      ${isOver(run) && html`<a class="button" href=${href("p", project.projectId, "train")}>New run</a>`}</div>
    ${!isOver(run) && html`<${Strip} run=${run} />`}
    ${run.failure && html`<${Failure} project=${project} run=${run} />`}
    ${!isOver(run) && html`<${Live} run=${run} />`}
    ${hasResults && html`<${Results} project=${project} base=${base} run=${run} />`}
    <${Curves} project=${project} history=${run.history} />
    <${Log} base=${base} run=${run} />
    <${Settings} configuration=${run.configuration} />
  `;
}

function Live({ run }) {
  const metrics = run.metrics ?? {};
  const epochs = run.configuration?.epochs;
  const elapsed = (Date.now() - new Date(run.startTime)) / 1000;
  const [, tick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, []);
  return html`<section class="card" aria-label="Progress">
    <div class="row"><progress class="grow" max="100" value=${run.progress} aria-label="Progress"></progress><b class="number">${run.progress.toFixed(0)} %</b></div>
    <dl class="figures-row">
      <div><dt>Epoch</dt><dd>${metrics.epoch === undefined ? "–" : metrics.epoch || "head"}${epochs ? html` <span class="dim">of ${epochs}</span>` : ""}</dd></div>
      <div><dt>Validation accuracy</dt><dd>${percent(metrics.valAccuracy)}</dd></div>
      <div><dt>Validation loss</dt><dd>${figure(metrics.valLoss)}</dd></div>
      <div><dt>Images a second</dt><dd>${metrics.imagesPerSecond == null ? "–" : Math.round(metrics.imagesPerSecond)}</dd></div>
      <div><dt>Left</dt><dd>${duration(run.etaSeconds)}</dd></div>
      <div><dt>Since the start</dt><dd>${duration(elapsed)}</dd></div>
    </dl>
    <p class="unseen" role="status">${run.phase}, ${Math.floor(run.progress / 10) * 10} percent</p>
  </section>`;
}

function Stop({ base, run }) {
  const [asked, ask] = useState(false);
  const [wished, setWished] = useState(false);
  const form = useSubmit(async () => {
    await send("POST", `${base}/stop`, undefined, { patient: true });
    setWished(true);
    ask(false);
  });
  return html`<button type="button" disabled=${wished} onClick=${() => ask(true)}>${wished ? "Stopping…" : "Stop"}</button>
    ${asked && html`<${Dialog} title="Stop this run?" onClose=${() => ask(false)}><form onSubmit=${form.submit}>
      <p>${run.status === "running" ? "It ends after its current step and keeps the best weights so far." : "It has not begun, and will have no model."}</p>
      <${Trouble} error=${form.error} />
      <div class="row end"><button type="button" onClick=${() => ask(false)}>Go on training</button><button class="danger" disabled=${form.busy} autofocus>Stop the run</button></div>
    </form><//>`}`;
}

function Failure({ project, run }) {
  const { code, message } = run.failure;
  const form = useSubmit(async () => {
    const base = `/api/projects/${project.projectId}/training`;
    await send("PUT", `${base}/configure`, run.configuration, { patient: true });
    const started = await send("POST", `${base}/start`, {});
    go("p", project.projectId, "runs", started.sessionId);
  });
  const mends = remedies(code, run.configuration ?? {});
  return html`<section class="card trouble" role="alert"><h2>The run failed</h2><p>${sentence(message)} <code>${code}</code></p>
    <${Trouble} error=${form.error} />
    <div class="row">
      ${mends.map(({ label, parameters, place }) => html`<a class="button primary" href=${place === "images" ? href("p", project.projectId) : `${href("p", project.projectId, "train")}?${new URLSearchParams(parameters)}`}>${label}</a>`)}
      <button type="button" disabled=${form.busy} onClick=${form.submit}>Start again as it was</button></div>
  </section>`;
}

/** The head alone is trained before the epochs, as a 0th. */
const nameOf = ({ epoch }) => (epoch ? `epoch ${epoch}` : "the head");

/** As the training chooses its best weights: by accuracy, then by loss. */
const betterBy = (a, b) => (a.valAccuracy ?? -1) - (b.valAccuracy ?? -1) || (b.valLoss ?? Infinity) - (a.valLoss ?? Infinity);

function Curves({ project, history }) {
  if (!history?.length) return null;
  const isDetection = project.taskType === "detection";
  const best = history.reduce((a, b) => (betterBy(b, a) > 0 ? b : a));
  const name = isDetection ? "mAP@0.5" : "accuracy";
  return html`<div class="pair">
    <section class="card"><${Chart} title="Loss" summary=${`Validation loss ${figure(history.at(-1).valLoss)} after ${nameOf(history.at(-1))}.`}
      series=${[{ name: "training", colour: "s1", points: pointsOf(history, "trainLoss") }, { name: "validation", colour: "s2", points: pointsOf(history, "valLoss") }]} /></section>
    <section class="card"><${Chart} title=${isDetection ? "mAP@0.5" : "Accuracy"} format=${(value) => percent(value, 0)} summary=${`Best validation ${name} ${percent(best.valAccuracy)} ${best.epoch ? "in" : "of"} ${nameOf(best)}.`}
      series=${[{ name: "training", colour: "s1", points: pointsOf(history, "trainAccuracy") }, { name: "validation", colour: "s2", points: pointsOf(history, "valAccuracy") }].filter((each) => !isDetection || each.colour === "s2")} /></section>
  </div>`;
}

function Settings({ configuration }) {
  if (!configuration) return null;
  return html`<section class="card"><details><summary><h2 class="inline">Configuration</h2></summary>
    <dl class="settings">${Object.entries(configuration).map(([name, value]) => html`<div><dt>${name}</dt><dd>${value === null ? "–" : String(value)}</dd></div>`)}</dl></details></section>`;
}
