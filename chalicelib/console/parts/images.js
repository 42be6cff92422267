// A project's images, page by page as somebody looks at them, and what is done to many of them.
import { get, send } from "../app/api.js";
import { Store } from "../app/store.js";

const PAGE = 100;
const A_REQUEST = 2000;
const RENEW_MS = 60_000;

/** projectId -> the list that its gallery showed last: the view of one image walks along it. */
export const lists = new Map();

/** A list that grows as it is scrolled: {items, done, loading, error}. */
export class ImageList {
  constructor(projectId, query) {
    this.base = `/api/projects/${projectId}/data`;
    this.query = query;
    this.state = new Store({ items: [], done: false, loading: false, error: null });
    this.renewed = new Map();
    /** Resolves when the first page is there, or will not be. */
    this.begun = new Promise((resolve) => (this.hasBegun = resolve));
  }

  /** The list that begins with an image, for who came to it by its address. */
  static from(projectId, image) {
    const list = new ImageList(projectId, { status: "accepted" });
    list.cursor = image.imageId;
    list.state.update({ items: [image] });
    return list;
  }

  async more() {
    const { loading, done, items } = this.state.value;
    if (loading || done) return;
    this.state.update({ loading: true, error: null });
    try {
      const page = await get(`${this.base}/images`, { limit: PAGE, cursor: this.cursor, ...this.query });
      this.cursor = page.nextCursor;
      this.state.set({ items: [...items, ...page.items], done: !page.nextCursor, loading: false, error: null });
      if (!page.items.length && page.nextCursor) await this.more();
    } catch (error) {
      this.state.update({ loading: false, error });
    }
    this.hasBegun();
  }

  /** Replaces members of images; `changes` is a Map of id -> members. */
  change(changes) {
    const { items } = this.state.value;
    this.state.update({ items: items.map((each) => (changes.has(each.imageId) ? { ...each, ...changes.get(each.imageId) } : each)) });
  }

  drop(ids) {
    this.state.update({ items: this.state.value.items.filter((each) => !ids.has(each.imageId)) });
  }

  /** A fresh URL for a picture whose old one has run out. */
  async renew(imageId) {
    if (Date.now() - (this.renewed.get(imageId) ?? 0) < RENEW_MS) return; // it is broken for another reason
    this.renewed.set(imageId, Date.now());
    const fresh = await get(`${this.base}/images/${imageId}`);
    this.change(new Map([[imageId, { url: fresh.url, thumbnailUrl: fresh.thumbnailUrl }]]));
  }

  /** Labels images: shown at once, and taken back where the server refuses. Resolves to what it refused. */
  async label(labels) {
    const before = new Map(this.state.value.items.filter((each) => labels.has(each.imageId)).map((each) => [each.imageId, { label: each.label }]));
    this.change(new Map([...labels].map(([id, label]) => [id, { label }])));
    const failed = await inParts([...labels], async (part) => {
      try {
        return (await send("POST", `${this.base}/labels`, { labels: Object.fromEntries(part) }, { patient: true })).items;
      } catch (error) {
        if (error.code === "no-label-stored") return error.document.items;
        this.change(before);
        throw error;
      }
    });
    this.change(new Map(failed.map(({ key }) => [key, before.get(key)])));
    return failed;
  }

  async keepFor(ids, split) {
    const splits = Object.fromEntries(ids.map((id) => [id, split]));
    await send("POST", `${this.base}/splits`, { splits }, { patient: true });
    this.change(new Map(ids.map((id) => [id, { split }])));
  }

  async remove(ids) {
    const failed = await inParts(ids, async (imageIds) => (await send("POST", `${this.base}/images/delete`, { imageIds }, { patient: true })).failed);
    const kept = new Set(failed.map((each) => each.imageId));
    this.drop(new Set(ids.filter((id) => !kept.has(id))));
    return failed;
  }
}

async function inParts(entries, work) {
  const found = [];
  for (let start = 0; start < entries.length; start += A_REQUEST) found.push(...(await work(entries.slice(start, start + A_REQUEST))));
  return found;
}

/** A label in a few words. */
export function labelText(label) {
  if (label == null) return "no label";
  if (!Array.isArray(label)) return label;
  if (!label.length) return "no objects";
  const counts = new Map();
  for (const each of label) counts.set(each.label, (counts.get(each.label) ?? 0) + 1);
  return [...counts].map(([name, number]) => (number > 1 ? `${number} × ${name}` : name)).join(", ");
}
