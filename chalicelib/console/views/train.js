// Configuring and starting a run.
import { get, send } from "../app/api.js";
import { go, href } from "../app/router.js";
import { useLoaded } from "../app/store.js";
import { html, useEffect, useState } from "../app/ui.js";
import { errorAt, Field, sentence, Trouble, useSubmit } from "../parts/form.js";
import { count, many, words } from "../parts/format.js";
import { Loading, Missing, ProjectPage } from "../parts/page.js";
import { BASIC, bounds, parametersFor, sent, wrong } from "../parts/parameters.js";

export default function Train({ params, query, tab }) {
  return html`<${ProjectPage} projectId=${params.projectId} tab=${tab} title="Train">
    ${(project) => html`<${Loaded} project=${project} preset=${query} />`}
  <//>`;
}

function Loaded({ project, preset }) {
  const base = `/api/projects/${project.projectId}`;
  const { value, error, again } = useLoaded(async (signal) => {
    const [parameters, current] = await Promise.all([parametersFor(project.taskType), get(`${base}/training/configure`, {}, signal)]);
    return { parameters, current };
  }, [base]);
  if (error) return html`<${Missing} error=${error} again=${again} />`;
  return value ? html`<${Form} project=${project} base=${base} preset=${preset} ...${value} />` : html`<${Loading} />`;
}

function Form({ project, base, parameters, current, preset }) {
  const key = `darkroom.train.${project.projectId}`;
  const [typed, setTyped] = useState(() => begun(parameters, current, preset, key));
  const [tried, setTried] = useState(false);
  useEffect(() => sessionStorage.setItem(key, JSON.stringify({ configId: current.configId, typed })), [typed]);
  const problems = Object.fromEntries(parameters.map((each) => [each.name, wrong(each, typed[each.name])]).filter(([, text]) => text));
  const form = useSubmit(async () => {
    setTried(true);
    if (Object.keys(problems).length) return;
    const body = Object.fromEntries(parameters.map((each) => [each.name, sent(each, typed[each.name])]));
    await send("PUT", `${base}/training/configure`, body, { patient: true });
    const headers = { "Idempotency-Key": idempotencyKey() };
    const started = await send("POST", `${base}/training/start`, {}, { headers, patient: true });
    sessionStorage.removeItem(key);
    go("p", project.projectId, "runs", started.sessionId);
  });
  const given = (each) => ({
    key: each.name, parameter: each, value: typed[each.name], onChange: (value) => setTyped({ ...typed, [each.name]: value }),
    error: problems[each.name] || errorAt(form.error, `/${each.name}`),
  });
  const basic = BASIC.map((name) => parameters.find((each) => each.name === name)).filter(Boolean);
  const rest = parameters.filter((each) => !BASIC.includes(each.name));
  const isHidden = rest.some((each) => problems[each.name]);
  const names = Object.fromEntries(parameters.map((each) => [`/${each.name}`, 1]));
  return html`
    <h1 class="unseen">Train</h1>
    <${Readiness} project=${project} base=${base} />
    <form class="card" onSubmit=${form.submit} novalidate>
      <div class="row"><h2 class="grow">Configuration</h2>
        <button type="button" class="quiet" onClick=${() => setTyped(defaults(parameters))}>Back to the defaults</button></div>
      <p class="dim">The defaults train well. An empty field is chosen to suit the others.</p>
      <div class="parameters">${basic.map((each) => html`<${Parameter} ...${given(each)} />`)}</div>
      <details open=${tried && isHidden ? true : undefined}><summary>${many(rest.length, "more parameter")}</summary>
        <div class="parameters">${rest.map((each) => html`<${Parameter} ...${given(each)} />`)}</div></details>
      ${tried && Object.keys(problems).length > 0 && html`<p class="trouble" role="alert">${many(Object.keys(problems).length, "field")} out of bounds: ${Object.keys(problems).map(words).join(", ")}.</p>`}
      <${Trouble} error=${form.error} names=${names} />
      ${form.error?.document?.counts && html`<p class="dim">Labelled images: ${count(form.error.document.counts.labelled)}. <a href=${href("p", project.projectId)}>Look at the images</a></p>`}
      <div class="row end"><button class="primary large" disabled=${form.busy}>${form.busy ? "Starting…" : "Start training"}</button></div>
    </form>
  `;
}

/** What the form shows first: what was typed before, else the current configuration; then what a link asks for. */
function begun(parameters, current, preset, key) {
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
  const first = kept?.configId === current.configId ? kept.typed : Object.fromEntries(parameters.map(({ name }) => [name, current[name] ?? ""]));
  const asked = Object.fromEntries(parameters.filter(({ name }) => name in preset).map(({ name, kind }) => [name, kind === "boolean" ? preset[name] === "true" : preset[name]]));
  return { ...first, ...asked };
}

const defaults = (parameters) => Object.fromEntries(parameters.map(({ name, fallback }) => [name, fallback ?? ""]));
const idempotencyKey = () => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;

function Parameter({ parameter, value, onChange, error }) {
  const { name, kind, options, optional, doc } = parameter;
  const label = words(name)[0].toUpperCase() + words(name).slice(1);
  const limits = bounds(parameter);
  const hint = `${doc.replaceAll("`", "")}${limits ? ` ${limits[0].toUpperCase()}${limits.slice(1)}.` : ""}`;
  if (kind === "boolean") {
    return html`<label class="choice switch"><input type="checkbox" name=${name} checked=${Boolean(value)} onChange=${(event) => onChange(event.currentTarget.checked)} />
      <span><b>${label}</b><br /><span class="hint">${hint}</span></span></label>`;
  }
  return html`<${Field} label=${label} hint=${hint} error=${error}>${(shared) => kind === "choice"
    ? html`<select ...${shared} name=${name} value=${value ?? ""} onChange=${(event) => onChange(event.currentTarget.value)}>
        ${optional && html`<option value="" selected=${!value}>automatic</option>`}
        ${options.map((each) => html`<option value=${each} selected=${each === value}>${each}</option>`)}</select>`
    : html`<input ...${shared} name=${name} inputmode=${kind === "integer" ? "numeric" : "decimal"} autocomplete="off" placeholder=${optional ? "automatic" : ""}
        value=${value ?? ""} onInput=${(event) => onChange(event.currentTarget.value)} />`}<//>`;
}

function Readiness({ project, base }) {
  const { value: summary, error, again } = useLoaded((signal) => get(`${base}/data/summary`, {}, signal), [base]);
  if (error) return html`<p class="warn">${sentence(error.message)} <button type="button" class="link" onClick=${again}>Try again</button></p>`;
  if (!summary) return html`<p class="dim">Looking at the data…</p>`;
  const { readiness, labelled, classes } = summary;
  const largest = Math.max(...Object.values(classes));
  return html`<section class="card" aria-label="The data">
    <h2>${readiness.ready ? "The data is ready" : "The data can't be trained on yet"}</h2>
    <p>${many(labelled, "labelled image")} in ${many(Object.keys(classes).length, "class", "classes")}.</p>
    ${Object.keys(classes).length > 0 && html`<ul class="bars plain">${Object.entries(classes).slice(0, 20).map(([name, number]) => html`<li><span class="name" title=${name}>${name}</span>
      <meter min="0" max=${largest} value=${number} aria-label=${`${name}: ${number}`}></meter><span class="number">${count(number)}</span></li>`)}</ul>`}
    ${[...readiness.problems, ...readiness.warnings].map((each) => html`<p class="warn">${sentence(each.message)} ${each.hint ?? ""}</p>`)}
    ${!readiness.ready && html`<p><a class="button" href=${href("p", project.projectId, "upload")}>Upload images</a> <a class="button" href=${href("p", project.projectId)}>Label images</a></p>`}
  </section>`;
}
