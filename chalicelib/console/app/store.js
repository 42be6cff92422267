// A value that views watch.
import { useEffect, useState } from "./ui.js";

export class Store {
  #watchers = new Set();

  constructor(value) {
    this.value = value;
  }

  set(value) {
    this.value = value;
    for (const each of [...this.#watchers]) each(value);
  }

  update(members) {
    this.set({ ...this.value, ...members });
  }

  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/** The store's value; the view is drawn again whenever it changes. */
export function useStore(store) {
  const [, draw] = useState(0);
  useEffect(() => {
    draw((count) => count + 1); // it may have changed between drawing and watching
    return store.watch(() => draw((count) => count + 1));
  }, [store]);
  return store.value;
}

/** {value, error, again}: what `load` gives, loaded anew when one of `inputs` changes. */
export function useLoaded(load, inputs) {
  const [state, setState] = useState({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const abort = new AbortController();
    setState(({ value }) => ({ value: turn ? value : undefined }));
    load(abort.signal).then(
      (value) => abort.signal.aborted || setState({ value }),
      (error) => abort.signal.aborted || setState({ error }),
    );
    return () => abort.abort();
  }, [...inputs, turn]);
  const change = (value) => setState({ value });
  return { ...state, change, again: () => setTurn(turn + 1) };
}
