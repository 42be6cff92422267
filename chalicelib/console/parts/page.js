// The frame of a project's pages, and what stands there while something loads or is missing.
import { get } from "../app/api.js";
import { href } from "../app/router.js";
import { useLoaded } from "../app/store.js";
import { html, useEffect } from "../app/ui.js";
import { sentence } from "./form.js";

const known = new Map();

/** A project; from memory where a page has loaded it before. */
export function useProject(projectId) {
  return useLoaded(async (signal) => {
    if (!known.has(projectId)) known.set(projectId, await get(`/api/projects/${projectId}`, {}, signal));
    return known.get(projectId);
  }, [projectId]);
}

export const forgetProject = (projectId) => known.delete(projectId);

const TABS = [
  ["images", "Images", []],
  ["upload", "Upload", ["upload"]],
  ["train", "Train", ["train"]],
  ["runs", "Runs", ["runs"]],
];

/** A project's page: its name, tabs, and the content once the project is there. */
export function ProjectPage({ projectId, tab, title, children }) {
  const { value: project, error } = useProject(projectId);
  useEffect(() => {
    if (project) document.title = `${title} · ${project.projectName} · Darkroom`;
  }, [project, title]);
  if (error) return html`<div class="page"><${Missing} error=${error} /></div>`;
  return html`<div class="page">
    <div class="crumbs"><a href=${href("")}>Projects</a><span aria-hidden="true">/</span><span>${project?.projectName ?? "…"}</span>
      ${project && html`<span class="tag">${project.taskType}</span>`}</div>
    <nav class="tabs" aria-label="Project">
      ${TABS.map(([name, label, rest]) => html`<a href=${href("p", projectId, ...rest)} aria-current=${name === tab ? "page" : undefined}>${label}</a>`)}
    </nav>
    ${project ? children(project) : html`<${Loading} />`}
  </div>`;
}

export function Loading({ text = "Loading…" }) {
  return html`<p class="loading" role="status">${text}</p>`;
}

export function Missing({ error, again }) {
  return html`<div class="card empty" role="alert">
    <h1>${error.status === 404 ? "This isn't here" : "That didn't work"}</h1>
    <p>${sentence(error.message)} ${error.hint ?? ""}</p>
    <p>${again && html`<button type="button" class="primary" onClick=${again}>Try again</button>`} <a class="button" href=${href("")}>Your projects</a></p>
  </div>`;
}
