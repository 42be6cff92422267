// The counts of a project's data, which take the server a while: the last ones are shown until fresh ones are there.
import { get } from "../app/api.js";
import { useLoaded } from "../app/store.js";

const kept = new Map();

/** {value, error, again}; asked for once `ready` resolves. */
export function useSummary(projectId, ready = null) {
  const loaded = useLoaded(async (signal) => {
    await ready;
    const summary = await get(`/api/projects/${projectId}/data/summary`, {}, signal);
    kept.set(projectId, summary);
    return summary;
  }, [projectId]);
  return { ...loaded, value: loaded.value ?? kept.get(projectId) };
}
