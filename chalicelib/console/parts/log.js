// The log of a run: what its containers write, as it grows; where there is none, why, and the epochs.
import { get } from "../app/api.js";
import { sleep } from "../app/connection.js";
import { cx, html, useEffect, useLayoutEffect, useRef, useState } from "../app/ui.js";
import { sentence } from "./form.js";
import { count, duration, figure, percent, when } from "./format.js";
import { seen } from "./poll.js";
import { isOver } from "./status.js";

const SHORTEST = 1.5;
const LONGEST = 8;
const AT_A_TIME = 500;
/** Lines that stay in the page: of a longer log the last ones. */
const MOST = 2000;
const KINDS = { WARNING: "warn", ERROR: "bad", CRITICAL: "bad" };

export function Log({ base, run }) {
  const log = useLog(`${base}/logs`);
  const place = useRef(null);
  const isAtEnd = useRef(true);
  useLayoutEffect(() => void (isAtEnd.current && place.current.scrollTo(0, place.current.scrollHeight)));
  const moved = ({ currentTarget: box }) => (isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 8);
  return html`<section class="card"><h2>Log</h2>
    ${log.missing && html`<p class="dim">${sentence(log.missing.message)}</p>`}
    <div class="log" ref=${place} onScroll=${moved} role="log" tabindex="0" aria-label="Log"><ol class="plain">
      ${log.cut > 0 && html`<li class="attempt" key="cut">${count(log.cut)} earlier lines aren't shown: darkroom train logs has them all</li>`}
      ${log.lines.length ? written(log) : course(run)}
      ${isOver(run) && html`<li key="end">${when(run.endTime)} ${run.status}${run.failure ? `: ${run.failure.message}` : ""}</li>`}</ol></div></section>`;
}

/** {lines, cut, missing}: each line once, asked for by the cursor behind the last. */
function useLog(path) {
  const [log, setLog] = useState({ lines: [], cut: 0 });
  useEffect(() => {
    const abort = new AbortController();
    const failed = (error) => abort.signal.aborted || setLog((before) => ({ ...before, missing: error }));
    follow(path, abort.signal, (page) => setLog((before) => grown(before, page))).catch(failed);
    return () => abort.abort();
  }, [path]);
  return log;
}

async function follow(path, signal, show) {
  let cursor;
  let wait = SHORTEST;
  for (;;) {
    const page = await get(path, { limit: AT_A_TIME, cursor }, signal);
    if (signal.aborted) return;
    show(page);
    cursor = page.nextCursor;
    if (!cursor) return;
    if (page.hasMore) continue;
    wait = page.items.length ? SHORTEST : Math.min(LONGEST, wait * 1.4);
    await sleep(wait, signal);
    await seen(signal);
    if (signal.aborted) return;
  }
}

function grown({ lines, cut, missing }, page) {
  const all = [...lines, ...page.items];
  const more = Math.max(0, all.length - MOST);
  const isGone = missing?.code === "log-gone"; // and stays so, while others are true for a while
  return { lines: all.slice(more), cut: cut + more, missing: page.missing ?? (isGone ? missing : null) };
}

/** The lines, and a mark where another attempt begins. */
function written({ lines, cut }) {
  return lines.flatMap((line, index) => [
    line.attempt !== (lines[index - 1]?.attempt ?? 1) && html`<li class="attempt" key=${`attempt ${line.attempt}`}>attempt ${line.attempt}</li>`,
    html`<${Line} key=${cut + index} line=${line} />`,
  ]);
}

function Line({ line }) {
  const text = html`<time datetime=${line.time} title=${when(line.time)}>${new Date(line.time).toLocaleTimeString()}</time> ${KINDS[line.level] && `${line.level} `}${line.metrics ? epochLine(line.metrics) : line.message}`;
  return html`<li class=${cx(KINDS[line.level])}>${line.exception ? html`<details><summary>${text}</summary><pre>${line.exception}</pre></details>` : text}</li>`;
}

/** What is known without a log. */
function course(run) {
  const lines = [`${when(run.startTime)} started`, ...(run.history ?? []).map(epochLine)];
  return lines.map((line) => html`<li>${line}</li>`);
}

function epochLine(epoch) {
  const name = epoch.epoch ? `epoch ${epoch.epoch}` : "head";
  return `${name}: training loss ${figure(epoch.trainLoss)}, validation loss ${figure(epoch.valLoss)}, validation accuracy ${percent(epoch.valAccuracy)}, ${Math.round(epoch.imagesPerSecond ?? 0)} images/s, ${duration(epoch.epochSeconds)}`;
}
