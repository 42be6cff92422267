// One image: its class, or its boxes; on to the next and back.
import { get } from "../app/api.js";
import { go, href } from "../app/router.js";
import { useLoaded, useStore } from "../app/store.js";
import { cx, html, useEffect, useMemo, useRef, useState } from "../app/ui.js";
import { BoxEditor, useHistory } from "../parts/boxeditor.js";
import { sentence } from "../parts/form.js";
import { bytes, count } from "../parts/format.js";
import { ImageList, labelText, lists } from "../parts/images.js";
import { Loading, Missing, ProjectPage } from "../parts/page.js";
import { useSummary } from "../parts/summary.js";
import { Palette, useClasses } from "../parts/palette.js";

export default function ImageView({ params, tab }) {
  return html`<${ProjectPage} projectId=${params.projectId} tab=${tab} title="Image">
    ${(project) => html`<${Found} project=${project} imageId=${params.imageId} />`}
  <//>`;
}

function Found({ project, imageId }) {
  const { error, value: loaded } = useLoaded(() => listWith(project.projectId, imageId), [imageId]);
  if (error) return html`<${Missing} error=${error} />`;
  // Within the list that is there, the next image is shown at once.
  const list = loaded ?? known(project.projectId, imageId);
  return list ? html`<${Walk} project=${project} list=${list} imageId=${imageId} />` : html`<${Loading} />`;
}

function known(projectId, imageId) {
  const left = lists.get(projectId);
  return left?.state.value.items.some((each) => each.imageId === imageId) ? left : undefined;
}

async function listWith(projectId, imageId) {
  const left = known(projectId, imageId);
  if (left) return left;
  const list = ImageList.from(projectId, await get(`/api/projects/${projectId}/data/images/${imageId}`));
  lists.set(projectId, list);
  return list;
}

function Walk({ project, list, imageId }) {
  const { items, done } = useStore(list.state);
  const summary = useSummary(project.projectId);
  const classes = useClasses(project.projectId, summary.value);
  const place = items.findIndex((each) => each.imageId === imageId);
  const image = items[place];
  useEffect(() => {
    if (place > items.length - 5) list.more();
  }, [place]);
  const step = (by) => items[place + by] && go("p", project.projectId, "image", items[place + by].imageId);
  useKeys((event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { n: 1, PageDown: 1, p: -1, PageUp: -1 }[event.key];
    if (by && step(by) !== undefined) event.preventDefault();
  });
  if (!image) return html`<${Loading} />`;
  const Editor = project.taskType === "detection" ? Detection : Classification;
  return html`
    <div class="row walk">
      <h1 class="grow clamp-one" title=${image.fileName}>${image.fileName ?? image.imageId}</h1>
      <span class="dim">${count(place + 1)}${done ? ` of ${count(items.length)}` : ""}</span>
      <button type="button" disabled=${place < 1} onClick=${() => step(-1)}>Previous <kbd>P</kbd></button>
      <button type="button" disabled=${!items[place + 1]} onClick=${() => step(1)}>Next <kbd>N</kbd></button>
      <a class="button quiet" href=${href("p", project.projectId)}>Gallery</a>
    </div>
    <${Editor} key=${imageId} image=${image} list=${list} classes=${classes} />
    <p class="dim">${image.width} × ${image.height} pixels, ${bytes(image.sizeBytes ?? 0)}, ${image.contentType}${image.split ? `, kept for ${image.split}` : ""}</p>
  `;
}

/** Keys of the whole page, but not of what is typed into a field. */
function useKeys(handle) {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => {
    const press = (event) => event.target.closest?.("input, textarea, select") || latest.current(event);
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

/** [what was said of the last save, save]. */
function useSaving(list, imageId) {
  const [saved, setSaved] = useState("");
  const save = async (label) => {
    setSaved("Saving…");
    try {
      const [failed] = await list.label(new Map([[imageId, label]]));
      setSaved(failed ? `Not saved: ${failed.message}` : "Saved");
    } catch (error) {
      setSaved(`Not saved: ${sentence(error.message)}`);
    }
  };
  return [saved, save];
}

function Classification({ image, list, classes }) {
  const [saved, save] = useSaving(list, image.imageId);
  useKeys((event) => {
    const name = classes.names[Number(event.key) - 1];
    if (name && !event.ctrlKey && !event.metaKey) save(name);
  });
  return html`
    <div class="toolbar"><${Palette} classes=${classes} current=${image.label ?? ""} onPick=${save} /><span class="dim" role="status">${saved}</span></div>
    <figure class="single"><img src=${image.url} alt=${`${image.fileName}, labelled ${labelText(image.label)}`} onError=${() => list.renew(image.imageId)} />
      <figcaption>${labelText(image.label)}</figcaption></figure>
  `;
}

function Detection({ image, list, classes }) {
  const [saved, save] = useSaving(list, image.imageId);
  const first = useMemo(() => image.label ?? [], []);
  const { boxes, change, undo, redo, canUndo, canRedo } = useHistory(first, save);
  const [selected, select] = useState(-1);
  const [named, setNamed] = useState(null);
  const field = useRef(null);
  const label = named ?? classes.names[0];
  const pick = (name) => {
    setNamed(name);
    if (boxes[selected]) change(boxes.map((each, index) => (index === selected ? { ...each, label: name } : each)));
  };
  useKeys((event) => {
    const isCommand = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (isCommand && (key === "y" || (key === "z" && event.shiftKey))) redo();
    else if (isCommand && key === "z") undo();
    else if (!isCommand && classes.names[Number(key) - 1]) pick(classes.names[Number(key) - 1]);
    else return;
    event.preventDefault();
  });
  const nameless = () => field.current.querySelector("input").focus();
  return html`
    <div class="toolbar" ref=${field}>
      <${Palette} classes=${classes} current=${boxes[selected]?.label ?? label} onPick=${pick} />
      <span class="grow"></span>
      <button type="button" disabled=${!canUndo} onClick=${undo}>Undo</button>
      <button type="button" disabled=${!canRedo} onClick=${redo}>Redo</button>
      ${image.label == null && !boxes.length && html`<button type="button" onClick=${() => save([])}>No objects in it</button>`}
      <span class="dim saved" role="status">${saved}</span>
    </div>
    ${!label && html`<p class="warn">Name a class first, in the field above; then draw.</p>`}
    <div class="editor">
      <${BoxEditor} image=${image} boxes=${boxes} onChange=${change} selected=${selected} onSelect=${select} label=${label} onNameless=${nameless}
        colour=${classes.colour} onBroken=${() => list.renew(image.imageId)} />
      <${BoxList} boxes=${boxes} selected=${selected} onSelect=${select} colour=${classes.colour} onRemove=${(index) => (change(boxes.filter((_, other) => other !== index)), select(-1))} />
    </div>
  `;
}

function BoxList({ boxes, selected, onSelect, onRemove, colour }) {
  return html`<aside class="card box-list" aria-label="Boxes"><h2>${boxes.length ? `${boxes.length} ${boxes.length === 1 ? "box" : "boxes"}` : "No boxes"}</h2>
    <ul class="plain">${boxes.map(({ label, box }, index) => html`<li class=${cx("row", index === selected && "chosen")}>
      <button type="button" class=${cx("chip grow", colour(label))} aria-pressed=${index === selected} onClick=${() => onSelect(index)}>${label} <span class="dim">${box[2]} × ${box[3]}</span></button>
      <button type="button" class="quiet small" aria-label=${`Remove box ${index + 1}, ${label}`} onClick=${() => onRemove(index)}>×</button></li>`)}</ul>
    <p class="hint">Drag to draw. <kbd>B</kbd> adds, <kbd>,</kbd> <kbd>.</kbd> choose, arrows move, with shift they resize, <kbd>Del</kbd> removes, <kbd>1</kbd>–<kbd>9</kbd> set the class, <kbd>Ctrl</kbd> <kbd>Z</kbd> undoes.</p>
  </aside>`;
}
