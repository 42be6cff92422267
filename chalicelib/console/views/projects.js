// The projects of whoever is signed in.
import { all, send } from "../app/api.js";
import { go, href } from "../app/router.js";
import { useLoaded } from "../app/store.js";
import { html, useEffect, useState } from "../app/ui.js";
import { Dialog } from "../parts/dialog.js";
import { errorAt, Field, Trouble, useSubmit } from "../parts/form.js";
import { day, when } from "../parts/format.js";
import { forgetProject, Loading, Missing } from "../parts/page.js";

export default function Projects() {
  const { value: projects, error, again } = useLoaded((signal) => all("/api/projects", {}, signal), []);
  const [open, setOpen] = useState(null);
  useEffect(() => void (document.title = "Projects · Darkroom"), []);
  const close = () => setOpen(null);
  if (error) return html`<div class="page"><${Missing} error=${error} again=${again} /></div>`;
  const done = () => (close(), again());
  return html`<div class="page">
    <div class="row head"><h1 class="grow">Projects</h1>
      ${projects?.length > 0 && html`<button type="button" class="primary" onClick=${() => setOpen({ kind: "new" })}>New project</button>`}</div>
    ${!projects && html`<${Loading} />`}
    ${projects?.length === 0 && html`<${Nothing} onNew=${() => setOpen({ kind: "new" })} />`}
    ${projects && html`<ul class="cards">${projects.map((each) => html`<${ProjectCard} key=${each.projectId} project=${each} onOpen=${setOpen} />`)}</ul>`}
    ${open?.kind === "new" && html`<${NewProject} onClose=${close} />`}
    ${open?.kind === "change" && html`<${ChangeProject} project=${open.project} onClose=${close} onDone=${done} />`}
    ${open?.kind === "delete" && html`<${DeleteProject} project=${open.project} onClose=${close} onDone=${done} />`}
  </div>`;
}

function Nothing({ onNew }) {
  return html`<div class="card empty welcome">
    <svg class="mark big" viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="11" /><circle cx="16" cy="16" r="4" /></svg>
    <h2>From a folder of images to a model</h2>
    <ol class="steps"><li><b>Upload</b> a folder; its subfolders are the classes</li><li><b>Check</b> the labels in the gallery</li><li><b>Train</b>, and watch it learn</li></ol>
    <button type="button" class="primary" onClick=${onNew}>Create your first project</button>
  </div>`;
}

function ProjectCard({ project, onOpen }) {
  return html`<li class="card project">
    <h2><a href=${href("p", project.projectId)}>${project.projectName}</a></h2>
    <p class="dim clamp">${project.description || "No description."}</p>
    <div class="row foot"><span class="tag">${project.taskType}</span><span class="dim grow" title=${when(project.createdAt)}>${day(project.createdAt)}</span>
      <button type="button" class="quiet small" aria-label=${`Rename ${project.projectName}`} onClick=${() => onOpen({ kind: "change", project })}>Rename</button>
      <button type="button" class="quiet small" aria-label=${`Delete ${project.projectName}`} onClick=${() => onOpen({ kind: "delete", project })}>Delete</button></div>
  </li>`;
}

function Details({ typed, setTyped, error }) {
  const type = (name) => (event) => setTyped({ ...typed, [name]: event.currentTarget.value });
  return html`
    <${Field} label="Name" name="projectName" maxlength="100" autofocus required value=${typed.projectName} onInput=${type("projectName")} error=${errorAt(error, "/projectName")} />
    <${Field} label="Description" error=${errorAt(error, "/description")}>
      ${(shared) => html`<textarea ...${shared} rows="2" maxlength="2000" value=${typed.description} onInput=${type("description")}></textarea>`}
    <//>
  `;
}

const NAMES = { "/projectName": 1, "/description": 1 };

function NewProject({ onClose }) {
  const [typed, setTyped] = useState({ projectName: "", description: "", taskType: "classification" });
  const form = useSubmit(async () => {
    const made = await send("POST", "/api/projects", typed);
    onClose();
    go("p", made.projectId, "upload");
  });
  const task = (value, label, hint) => html`<label class="choice">
    <input type="radio" name="task" value=${value} checked=${typed.taskType === value} onChange=${() => setTyped({ ...typed, taskType: value })} />
    <span><b>${label}</b><br /><span class="dim">${hint}</span></span>
  </label>`;
  return html`<${Dialog} title="New project" onClose=${onClose}>
    <form onSubmit=${form.submit} novalidate>
      <${Details} typed=${typed} setTyped=${setTyped} error=${form.error} />
      <fieldset class="choices"><legend>What should it learn?</legend>
        ${task("classification", "Classification", "One class for each image.")}
        ${task("detection", "Detection", "Where objects are: boxes.")}
      </fieldset>
      <${Trouble} error=${form.error} names=${NAMES} />
      <div class="row end"><button type="button" onClick=${onClose}>Cancel</button><button class="primary" disabled=${form.busy}>Create project</button></div>
    </form>
  <//>`;
}

function ChangeProject({ project, onClose, onDone }) {
  const [typed, setTyped] = useState({ projectName: project.projectName, description: project.description });
  const form = useSubmit(async () => {
    await send("PATCH", `/api/projects/${project.projectId}`, typed, { patient: true });
    forgetProject(project.projectId);
    onDone();
  });
  return html`<${Dialog} title="Rename project" onClose=${onClose}>
    <form onSubmit=${form.submit} novalidate>
      <${Details} typed=${typed} setTyped=${setTyped} error=${form.error} />
      <${Trouble} error=${form.error} names=${NAMES} />
      <div class="row end"><button type="button" onClick=${onClose}>Cancel</button><button class="primary" disabled=${form.busy}>Save</button></div>
    </form>
  <//>`;
}

function DeleteProject({ project, onClose, onDone }) {
  const [typed, setTyped] = useState("");
  const form = useSubmit(async () => {
    await send("DELETE", `/api/projects/${project.projectId}`);
    forgetProject(project.projectId);
    onDone();
  });
  return html`<${Dialog} title="Delete project" onClose=${onClose}>
    <form onSubmit=${form.submit}>
      <p>All images, labels, runs and models of <b>${project.projectName}</b> go. Runs in progress end.</p>
      <${Field} label="Type the project's name to confirm" value=${typed} onInput=${(event) => setTyped(event.currentTarget.value)} autocomplete="off" />
      <${Trouble} error=${form.error} />
      <div class="row end"><button type="button" onClick=${onClose}>Cancel</button>
        <button class="danger" disabled=${form.busy || typed.trim() !== project.projectName.trim()}>Delete for good</button></div>
    </form>
  <//>`;
}
