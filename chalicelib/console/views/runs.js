// The runs of a project; two or more can be compared.
import { all } from "../app/api.js";
import { sleep } from "../app/connection.js";
import { go, href } from "../app/router.js";
import { cx, html, useEffect, useState } from "../app/ui.js";
import { duration, percent, when } from "../parts/format.js";
import { Loading, Missing, ProjectPage } from "../parts/page.js";
import { isOver, Pill } from "../parts/status.js";

const SECONDS = 4;
export const MOST_COMPARED = 6;

export default function Runs({ params, tab }) {
  return html`<${ProjectPage} projectId=${params.projectId} tab=${tab} title="Runs">
    ${(project) => html`<${List} project=${project} />`}
  <//>`;
}

/** The runs, asked for again while one of them isn't over and the page is in sight. */
function useRuns(projectId) {
  const [state, setState] = useState({});
  useEffect(() => {
    const abort = new AbortController();
    (async () => {
      for (;;) {
        const runs = await all(`/api/projects/${projectId}/training`, {}, abort.signal, 200);
        if (abort.signal.aborted) return;
        setState({ runs });
        if (runs.every(isOver)) return;
        do await sleep(SECONDS, abort.signal);
        while (document.hidden && !abort.signal.aborted);
      }
    })().catch((error) => abort.signal.aborted || setState({ error }));
    return () => abort.abort();
  }, [projectId]);
  return state;
}

function List({ project }) {
  const { runs, error } = useRuns(project.projectId);
  const [chosen, setChosen] = useState([]);
  if (error) return html`<${Missing} error=${error} />`;
  if (!runs) return html`<${Loading} />`;
  if (!runs.length) {
    return html`<div class="card empty"><h1>No runs yet</h1><p class="dim">A run trains a model on the labelled images.</p><a class="button primary" href=${href("p", project.projectId, "train")}>Configure and start</a></div>`;
  }
  const toggle = (id) => setChosen(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id].slice(-MOST_COMPARED));
  const metric = project.taskType === "detection" ? "Last mAP@0.5" : "Last accuracy";
  return html`
    <div class="row head"><h1 class="grow">Runs</h1>
      <button type="button" disabled=${chosen.length < 2} onClick=${() => go("p", project.projectId, "compare", chosen.join(","))}>Compare ${chosen.length > 1 ? chosen.length : ""}</button>
      <a class="button primary" href=${href("p", project.projectId, "train")}>New run</a></div>
    <div class="card scroll" tabindex="0" role="region" aria-label="Runs"><table class="runs">
      <thead><tr><th scope="col"><span class="unseen">Compare</span></th><th scope="col">Started</th><th scope="col">State</th><th scope="col" class="number">Progress</th>
        <th scope="col" class="number">Epochs</th><th scope="col" class="number">${metric}</th><th scope="col" class="number">Took</th></tr></thead>
      <tbody>${runs.map((run) => html`<${Row} key=${run.sessionId} project=${project} run=${run} checked=${chosen.includes(run.sessionId)} onCheck=${() => toggle(run.sessionId)} />`)}</tbody>
    </table></div>`;
}

function Row({ project, run, checked, onCheck }) {
  const took = (new Date(run.endTime ?? Date.now()) - new Date(run.startTime)) / 1000;
  return html`<tr class=${cx(checked && "chosen")}>
    <td><input type="checkbox" checked=${checked} onChange=${onCheck} aria-label=${`Compare the run of ${when(run.startTime)}`} /></td>
    <th scope="row"><a href=${href("p", project.projectId, "runs", run.sessionId)}>${when(run.startTime)}</a></th>
    <td><${Pill} status=${run.status} /></td><td class="number">${Math.round(run.progress)} %</td><td class="number">${run.metrics?.epoch ?? "–"}</td>
    <td class="number">${percent(run.metrics?.valAccuracy)}</td><td class="number">${duration(took)}</td></tr>`;
}
