// Uploading a folder: what is in it, then each file on its way.
import { href } from "../app/router.js";
import { useStore } from "../app/store.js";
import { cx, html, useRef, useState } from "../app/ui.js";
import { chosen, dropped, sorted } from "../parts/files.js";
import { sentence } from "../parts/form.js";
import { bytes, count, many } from "../parts/format.js";
import { ProjectPage } from "../parts/page.js";
import { uploaderOf } from "../parts/uploader.js";
import { useWindow } from "../parts/virtual.js";

export default function Upload({ params, tab }) {
  return html`<${ProjectPage} projectId=${params.projectId} tab=${tab} title="Upload">
    ${(project) => html`<${Sending} project=${project} />`}
  <//>`;
}

function Sending({ project }) {
  const uploader = uploaderOf(project.projectId);
  const state = useStore(uploader.state);
  const [found, setFound] = useState(null);
  const withClasses = project.taskType === "classification";
  const take = (files) => setFound(sorted(files, withClasses));
  const begin = () => {
    setFound(null);
    uploader.add(found.images);
  };
  return html`
    <h1 class="unseen">Upload images</h1>
    <${DropZone} onFiles=${take} withClasses=${withClasses} />
    ${found && html`<${Preview} found=${found} withClasses=${withClasses} onBegin=${begin} onCancel=${() => setFound(null)} />`}
    ${state.files.length > 0 && html`<${Progress} project=${project} uploader=${uploader} state=${state} />`}
  `;
}

function DropZone({ onFiles, withClasses }) {
  const [over, setOver] = useState(false);
  const folder = useRef(null);
  const files = useRef(null);
  const drop = async (event) => {
    event.preventDefault();
    setOver(false);
    onFiles(await dropped(event.dataTransfer.items));
  };
  const pick = (event) => {
    onFiles(chosen(event.currentTarget.files));
    event.currentTarget.value = "";
  };
  return html`<div class=${cx("drop", over && "over")} onDragOver=${(event) => (event.preventDefault(), setOver(true))}
      onDragLeave=${() => setOver(false)} onDrop=${drop}>
    <svg viewBox="0 0 48 48" class="tray" aria-hidden="true"><path d="M8 30v8h32v-8M24 6v24M15 15l9-9 9 9" /></svg>
    <p class="lead">Drop a folder of images here</p>
    <p class="dim">${withClasses ? "Each subfolder becomes a class, as in cat/1.jpg, dog/2.jpg." : "Draw the boxes afterwards, in the gallery."} JPEG, PNG, WebP, BMP, GIF or TIFF, up to 50 MB each.</p>
    <div class="row center-row">
      <button type="button" class="primary" onClick=${() => folder.current.click()}>Choose a folder</button>
      <button type="button" onClick=${() => files.current.click()}>Choose files</button>
    </div>
    <input ref=${folder} type="file" webkitdirectory multiple hidden data-kind="folder" aria-label="Folder" onChange=${pick} />
    <input ref=${files} type="file" multiple hidden accept="image/*" data-kind="files" aria-label="Files" onChange=${pick} />
  </div>`;
}

function Preview({ found, withClasses, onBegin, onCancel }) {
  const { images, others, classes } = found;
  const unlabelled = images.filter((each) => !each.label).length;
  const size = images.reduce((sum, each) => sum + each.file.size, 0);
  if (!images.length) {
    return html`<section class="card" role="alert"><h2>Nothing to upload</h2>
      <p>${others.length ? `None of the ${many(others.length, "file")} is an image that Darkroom reads.` : "There are no files in it."} <${Others} others=${others} /></p></section>`;
  }
  return html`<section class="card" aria-label="What will be uploaded">
    <h2>${many(images.length, "image")}, ${bytes(size)}${classes.size ? `, in ${many(classes.size, "class", "classes")}` : ""}</h2>
    ${classes.size > 0 && html`<ul class="chips">${[...classes].slice(0, 40).map(([name, number]) => html`<li class="chip">${name} <b>${count(number)}</b></li>`)}
      ${classes.size > 40 && html`<li class="dim">and ${classes.size - 40} more</li>`}</ul>`}
    ${withClasses && unlabelled > 0 && html`<p class="dim">${many(unlabelled, "image")} in no subfolder: label ${unlabelled === 1 ? "it" : "them"} in the gallery.</p>`}
    ${others.length > 0 && html`<p class="warn">${many(others.length, "file")} left out: no image that Darkroom reads. <${Others} others=${others} /></p>`}
    <div class="row"><button type="button" class="primary" onClick=${onBegin}>Upload ${many(images.length, "image")}</button>
      <button type="button" onClick=${onCancel}>Cancel</button></div>
  </section>`;
}

function Others({ others }) {
  return others.length > 0 && html`<details><summary>Which</summary><ul class="plain">
    ${others.slice(0, 100).map((path) => html`<li>${path}</li>`)}${others.length > 100 && html`<li>and ${others.length - 100} more</li>`}</ul></details>`;
}

const WORDS = {
  waiting: "waiting", sending: "sending", sent: "checking", accepted: "in the project",
  duplicate: "already there", rejected: "refused", failed: "not sent",
};

function Progress({ project, uploader, state }) {
  const { files, counts, active, labelled, trouble } = state;
  const [only, setOnly] = useState("");
  const done = files.length - (counts.waiting ?? 0) - (counts.sending ?? 0) - (counts.sent ?? 0);
  const shown = only ? files.filter((each) => each.state === only) : files;
  const isWrong = (counts.failed ?? 0) + (counts.rejected ?? 0) > 0;
  return html`<section class="card" aria-label="Upload">
    <div class="row"><h2 class="grow">${active ? `Uploading: ${count(done)} of ${count(files.length)}` : isWrong ? "Uploaded, but not all" : "Uploaded"}</h2>
      ${counts.failed > 0 && !active && html`<button type="button" class="primary" onClick=${() => uploader.retry()}>Send ${many(counts.failed, "file")} again</button>`}
      ${!active && html`<button type="button" onClick=${() => uploader.clear()}>Clear</button>`}
      ${!active && done > 0 && html`<a class="button" href=${href("p", project.projectId)}>See the images</a>`}</div>
    <progress max=${files.length} value=${done} aria-label="Files done"></progress>
    ${trouble && html`<p class="trouble" role="alert">${sentence(trouble.message)} ${trouble.hint ?? ""}</p>`}
    <p class="dim" role="status">${active ? "" : summary(files.length, counts, labelled)}</p>
    <div class="chips" role="group" aria-label="Show only">
      ${Object.keys(WORDS).filter((name) => counts[name]).map((name) => html`<button type="button" class=${cx("chip", name)} aria-pressed=${only === name}
        onClick=${() => setOnly(only === name ? "" : name)}>${WORDS[name]} <b>${count(counts[name])}</b></button>`)}
    </div>
    <${FileList} files=${shown} onRetry=${(file) => uploader.retry(file)} />
  </section>`;
}

function summary(total, counts, labelled) {
  const parts = [`${many(total, "file")}: ${count(counts.accepted ?? 0)} accepted, ${count(counts.duplicate ?? 0)} already there, ${count(counts.rejected ?? 0)} refused, ${count(counts.failed ?? 0)} not sent`];
  if (labelled) parts.push(`${count(labelled)} labelled by folder`);
  return `${parts.join("; ")}.`;
}

const ROW = 34;

function FileList({ files, onRetry }) {
  const place = useRef(null);
  const { first, last, top, height } = useWindow(place, files.length, ROW);
  return html`<div class="files" ref=${place} tabindex="0" role="region" aria-label="Files">
    <div style=${{ height: `${height}px` }}><ul class="plain" style=${{ transform: `translateY(${top}px)` }}>
      ${files.slice(first, last).map((file, index) => html`<li key=${first + index} class="file">
        <span class="name" title=${file.path}>${file.path}</span><span class=${cx("state", file.state)}>${WORDS[file.state]}</span>
        ${file.reason && html`<span class="why" title=${file.reason}>${file.reason}</span>`}
        ${file.state === "failed" && html`<button type="button" class="small" aria-label=${`Send ${file.path} again`} onClick=${() => onRetry(file)}>Again</button>`}
      </li>`)}
    </ul></div>
  </div>`;
}
