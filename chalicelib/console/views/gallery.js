// The gallery: filters, selection, labelling by number keys.
import { go, href, remember } from "../app/router.js";
import { useStore } from "../app/store.js";
import { html, useEffect, useMemo, useRef, useState } from "../app/ui.js";
import { Dialog } from "../parts/dialog.js";
import { sentence, Trouble, useSubmit } from "../parts/form.js";
import { count, many } from "../parts/format.js";
import { Grid } from "../parts/grid.js";
import { ImageList, lists } from "../parts/images.js";
import { Loading, Missing, ProjectPage } from "../parts/page.js";
import { Palette, useClasses } from "../parts/palette.js";
import { useSummary } from "../parts/summary.js";
import { say } from "../parts/toast.js";

export default function Gallery({ params, query, tab }) {
  return html`<${ProjectPage} projectId=${params.projectId} tab=${tab} title="Images">
    ${(project) => html`<${Images} project=${project} query=${query} />`}
  <//>`;
}

function Images({ project, query }) {
  const { projectId } = project;
  const [wanted, setWanted] = useState({ status: query.status ?? "accepted", label: query.label, labelled: query.labelled, split: query.split });
  const key = JSON.stringify(wanted);
  const list = useMemo(() => resumed(projectId, wanted), [projectId, key]);
  const summary = useSummary(projectId, list.begun); // pictures first: to count, the server reads every row
  useEffect(() => {
    lists.set(projectId, list);
    if (!list.state.value.items.length) list.more();
  }, [list]);
  const change = (members) => {
    const next = { ...wanted, ...members };
    setWanted(next);
    remember({ ...next, status: next.status === "accepted" ? "" : next.status });
  };
  return html`
    <h1 class="unseen">Images</h1>
    <${Overview} summary=${summary.value} project=${project} />
    <${Filters} wanted=${wanted} onChange=${change} classes=${Object.keys(summary.value?.classes ?? {})} />
    <${Board} key=${key} project=${project} list=${list} summary=${summary} isFiltered=${key !== '{"status":"accepted"}'} />
  `;
}

/** The list as it was left for the view of one image, or a new one. */
function resumed(projectId, wanted) {
  const left = lists.get(projectId);
  const isSame = left?.isLeft && JSON.stringify(left.query) === JSON.stringify(wanted);
  if (isSame) left.isLeft = false;
  return isSame ? left : new ImageList(projectId, wanted);
}

function Overview({ summary, project }) {
  if (!summary) return html`<p class="dim overview">Counting…</p>`;
  const { images, labelled, classes, readiness } = summary;
  const problem = readiness.problems[0];
  return html`<p class="overview">
    <b>${many(images, "image")}</b> · ${count(labelled)} labelled · ${many(Object.keys(classes).length, "class", "classes")}
    ${readiness.ready ? html` · <a href=${href("p", project.projectId, "train")}>ready to train</a>` : images > 0 && html` · <span class="warn">${sentence(problem.message)}</span>`}
  </p>`;
}

function Filters({ wanted, onChange, classes }) {
  const select = (name, label, options) => html`<label>${label}
    <select value=${wanted[name] ?? ""} onChange=${(event) => onChange({ [name]: event.currentTarget.value || undefined })}>
      ${options.map(([value, text]) => html`<option value=${value} selected=${(wanted[name] ?? "") === value}>${text}</option>`)}
    </select></label>`;
  return html`<div class="filters" role="group" aria-label="Filters">
    ${select("labelled", "Labels", [["", "all"], ["true", "labelled"], ["false", "without a label"]])}
    ${select("label", "Class", [["", "every class"], ...classes.map((name) => [name, name])])}
    ${select("split", "Split", [["", "any"], ["train", "train"], ["val", "val"], ["test", "test"], ["none", "none"]])}
    ${select("status", "State", [["accepted", "accepted"], ["duplicate", "duplicates"], ["rejected", "refused"]])}
  </div>`;
}

function Board({ project, list, summary, isFiltered }) {
  const { items, done, loading, error } = useStore(list.state);
  const [selected, setSelected] = useState(new Set());
  const [asked, setAsked] = useState(null);
  const classes = useClasses(project.projectId, summary.value);
  const undo = useRef([]);
  const isDetection = project.taskType === "detection";
  const ids = (image) => (selected.size ? [...selected] : image ? [image.imageId] : []);

  const label = async (chosen, name) => {
    const before = new Map(items.filter((each) => chosen.includes(each.imageId) && each.label != null).map((each) => [each.imageId, each.label]));
    await apply(new Map(chosen.map((id) => [id, name])), () => {
      if (before.size) undo.current.push(before);
      const action = before.size ? { label: "Undo", run: takeBack } : null;
      say(`${many(chosen.length, "image")} labelled ${name}.`, { action });
    });
  };
  const apply = async (labels, then) => {
    try {
      const failed = await list.label(labels);
      if (failed.length) say(`${many(failed.length, "image")} not labelled: ${failed[0].message}`, { wrong: true });
      if (failed.length < labels.size) then();
    } catch (problem) {
      say(`Not labelled. ${sentence(problem.message)}`, { wrong: true });
    }
  };
  const takeBack = () => {
    const before = undo.current.pop();
    if (before) apply(before, () => say(`${many(before.size, "image")} labelled as before.`));
  };
  const press = (event, image) => {
    const isCommand = event.ctrlKey || event.metaKey;
    if (isCommand && event.key.toLowerCase() === "z") return takeBack(), true;
    if (isCommand || event.altKey) return false;
    if (event.key === "Delete" && ids(image).length) return setAsked(ids(image)), true;
    const name = !isDetection && classes.names[Number(event.key) - 1];
    if (name) label(ids(image), name);
    return Boolean(name);
  };
  const open = (image) => (list.isLeft = true) && go("p", project.projectId, "image", image.imageId);
  if (error && !items.length) return html`<${Missing} error=${error} again=${() => list.more()} />`;
  if (!items.length) return done ? html`<${NoImages} project=${project} isFiltered=${isFiltered} />` : html`<${Loading} />`;
  const given = { classes, chosen: [...selected], isDetection, onLabel: label };
  return html`
    <${Toolbar} ...${given} list=${list} onDelete=${() => setAsked([...selected])} onClear=${() => setSelected(new Set())} onOpen=${() => open(items.find((each) => selected.has(each.imageId)))} />
    <${Grid} items=${items} done=${done} selected=${selected} onSelect=${setSelected} onKey=${press} onOpen=${open}
      onNear=${() => list.more()} onBroken=${(image) => list.renew(image.imageId).catch(() => {})} />
    <p class="dim foot" role="status">${count(items.length)}${done ? " shown" : " loaded, more as you scroll"}${loading ? "…" : "."} Arrows move, space selects, shift extends${isDetection ? ", Enter opens the box editor." : ", number keys label, Enter opens."}</p>
    ${error && html`<${Trouble} error=${error} />`}
    ${asked && html`<${Delete} ids=${asked} list=${list} onClose=${() => setAsked(null)} onDone=${() => (setSelected(new Set()), setAsked(null), summary.again())} />`}
  `;
}

function Toolbar({ classes, chosen, isDetection, list, onLabel, onDelete, onClear, onOpen }) {
  const keep = async (event) => {
    const split = event.currentTarget.value;
    if (!split) return;
    event.currentTarget.value = "";
    try {
      await list.keepFor(chosen, split === "none" ? null : split);
      say(split === "none" ? `${many(chosen.length, "image")} in no split.` : `${many(chosen.length, "image")} kept for ${split}.`);
    } catch (error) {
      say(sentence(error.message), { wrong: true });
    }
  };
  return html`<div class="toolbar">
    <span class="picked" role="status">${chosen.length ? `${count(chosen.length)} selected` : "Select images to label them"}</span>
    ${isDetection
      ? html`<button type="button" disabled=${!chosen.length} onClick=${onOpen}>Draw boxes</button>`
      : html`<${Palette} classes=${classes} disabled=${!chosen.length} onPick=${(name) => onLabel(chosen, name)} />`}
    <span class="grow"></span>
    ${chosen.length > 0 && html`
      <select aria-label="Keep the selected images for a split" onChange=${keep}><option value="">Keep for…</option>
        ${["train", "val", "test", "none"].map((name) => html`<option value=${name}>${name}</option>`)}</select>
      <button type="button" onClick=${onDelete}>Delete</button>
      <button type="button" class="quiet" onClick=${onClear}>Clear</button>`}
  </div>`;
}

function NoImages({ project, isFiltered }) {
  return html`<div class="card empty">${isFiltered
    ? html`<h2>No image fits these filters</h2><p class="dim">Choose others above.</p>`
    : html`<h2>No images yet</h2><p class="dim">Drop a folder, and its subfolders become the classes.</p><a class="button primary" href=${href("p", project.projectId, "upload")}>Upload images</a>`}</div>`;
}

function Delete({ ids, list, onClose, onDone }) {
  const form = useSubmit(async () => {
    const failed = await list.remove(ids);
    say(failed.length ? `${many(failed.length, "image")} could not be deleted: ${failed[0].message}` : `${many(ids.length, "image")} deleted.`, { wrong: failed.length > 0 });
    onDone();
  });
  return html`<${Dialog} title=${`Delete ${many(ids.length, "image")}?`} onClose=${onClose}>
    <form onSubmit=${form.submit}><p>Their labels go too. Past runs keep what they learned.</p><${Trouble} error=${form.error} />
      <div class="row end"><button type="button" onClick=${onClose}>Cancel</button><button class="danger" disabled=${form.busy} autofocus>Delete</button></div></form>
  <//>`;
}
