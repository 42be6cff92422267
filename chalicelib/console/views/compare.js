// Runs beside one another: figures, curves over each other, and what was set differently.
import { get } from "../app/api.js";
import { href } from "../app/router.js";
import { useLoaded } from "../app/store.js";
import { cx, html, useState } from "../app/ui.js";
import { Chart, pointsOf } from "../parts/chart.js";
import { duration, figure, percent, when } from "../parts/format.js";
import { Loading, Missing, ProjectPage } from "../parts/page.js";
import { Pill } from "../parts/status.js";

export default function Compare({ params, tab }) {
  const ids = params.sessionIds.split(",").slice(0, 6);
  return html`<${ProjectPage} projectId=${params.projectId} tab=${tab} title="Compare runs">
    ${(project) => html`<${Loaded} project=${project} ids=${ids} />`}
  <//>`;
}

function Loaded({ project, ids }) {
  const base = `/api/projects/${project.projectId}/training`;
  const one = (id, signal) => get(`${base}/${id}/status`, { history: true, configuration: true }, signal);
  const { value: runs, error, again } = useLoaded((signal) => Promise.all(ids.map((id) => one(id, signal))), [ids.join()]);
  if (error) return html`<${Missing} error=${error} again=${again} />`;
  if (!runs) return html`<${Loading} />`;
  const lines = (name) => runs.map((run, index) => ({ name: `run ${index + 1}`, colour: `s${index + 1}`, points: pointsOf(run.history, name) }));
  const metric = project.taskType === "detection" ? "mAP@0.5" : "accuracy";
  const best = runs.map((run, index) => [index + 1, Math.max(0, ...pointsOf(run.history, "valAccuracy").map(([, value]) => value))]).sort((a, b) => b[1] - a[1])[0];
  return html`
    <h1>Compare ${runs.length} runs</h1>
    <div class="card scroll" tabindex="0" role="region" aria-label="Figures"><${Figures} project=${project} runs=${runs} metric=${metric} /></div>
    <div class="pair">
      <section class="card"><${Chart} title="Validation loss" series=${lines("valLoss")} summary="Lower is better." /></section>
      <section class="card"><${Chart} title=${`Validation ${metric}`} series=${lines("valAccuracy")} format=${(value) => percent(value, 0)} summary=${`Run ${best[0]} is best, with ${percent(best[1])}.`} /></section>
    </div>
    <${Differences} runs=${runs} />
  `;
}

function Heads({ runs, first }) {
  return html`<thead><tr><th scope="col">${first}</th>${runs.map((_, index) => html`<th scope="col" class="number"><span class=${cx("key", `s${index + 1}`)}>run ${index + 1}</span></th>`)}</tr></thead>`;
}

function Figures({ project, runs, metric }) {
  const row = (name, value) => html`<tr><th scope="row">${name}</th>${runs.map((run) => html`<td class="number">${value(run)}</td>`)}</tr>`;
  const best = (run, name, pick) => {
    const values = pointsOf(run.history, name).map(([, value]) => value);
    return values.length ? pick(...values) : null;
  };
  return html`<table><${Heads} runs=${runs} first="Figures" /><tbody>
    ${row("started", (run) => html`<a href=${href("p", project.projectId, "runs", run.sessionId)}>${when(run.startTime)}</a>`)}
    ${row("state", (run) => html`<${Pill} status=${run.status} />`)}
    ${row(`best ${metric}`, (run) => percent(best(run, "valAccuracy", Math.max)))}
    ${row("least validation loss", (run) => figure(best(run, "valLoss", Math.min)))}
    ${row("epochs", (run) => run.metrics?.epoch ?? "–")}
    ${row("images a second", (run) => figure(Math.round(best(run, "imagesPerSecond", Math.max) ?? 0)))}
    ${row("took", (run) => duration((new Date(run.endTime ?? Date.now()) - new Date(run.startTime)) / 1000))}
    ${row("data", (run) => html`<code title=${run.dataset?.hash}>${run.dataset?.name ?? run.dataset?.hash.slice(0, 10) ?? "–"}</code>`)}
  </tbody></table>`;
}

function Differences({ runs }) {
  const [all, setAll] = useState(false);
  const names = [...new Set(runs.flatMap((run) => Object.keys(run.configuration ?? {})))];
  const values = (name) => runs.map((run) => JSON.stringify(run.configuration?.[name] ?? null));
  const differing = names.filter((name) => new Set(values(name)).size > 1);
  const shown = all ? names : differing;
  return html`<section class="card" aria-label="Configuration">
    <div class="row"><h2 class="grow">Configuration</h2><label class="choice"><input type="checkbox" checked=${all} onChange=${() => setAll(!all)} /> also what is the same</label></div>
    ${shown.length
      ? html`<div class="scroll" tabindex="0" role="region" aria-label="Parameters"><table><${Heads} runs=${runs} first="Parameter" /><tbody>
          ${shown.map((name) => html`<tr class=${cx(all && differing.includes(name) && "differs")}><th scope="row">${name}</th>${runs.map((run) => html`<td class="number">${String(run.configuration?.[name] ?? "–")}</td>`)}</tr>`)}</tbody></table></div>`
      : html`<p class="dim">The runs have the same configuration.</p>`}
  </section>`;
}
