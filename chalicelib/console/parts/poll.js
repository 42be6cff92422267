// Asking again and again, but seldom where nothing changes and not at all where nobody looks.
import { request } from "../app/api.js";
import { sleep } from "../app/connection.js";
import { useEffect, useState } from "../app/ui.js";

const SHORTEST = 1;
const LONGEST = 8;

/** {value, error, again}: the answer of a GET, as it changes, until `isOver` says that it won't any more. */
export function usePolled(path, query, isOver) {
  const [state, setState] = useState({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    watch(path, query, isOver, abort.signal, (value) => setState({ value })).catch((error) => abort.signal.aborted || setState({ error }));
    return () => abort.abort();
  }, [path, JSON.stringify(query), turn]);
  return { ...state, again: () => setTurn(turn + 1) };
}

async function watch(path, query, isOver, signal, show) {
  let etag;
  let wait = SHORTEST;
  for (;;) {
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await request("GET", path, { query, headers, signal });
    if (signal.aborted) return;
    if (answer.status === 304) {
      wait = Math.min(LONGEST, wait * 1.4);
    } else {
      etag = answer.headers.get("ETag");
      wait = SHORTEST;
      show(answer.body);
      if (isOver(answer.body)) return;
    }
    await sleep(wait, signal);
    await seen(signal);
    if (signal.aborted) return;
  }
}

/** Resolves while the page is in sight, or when it comes back into it. */
export function seen(signal) {
  if (!document.hidden) return null;
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
  });
}
