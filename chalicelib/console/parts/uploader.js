// Sends images from the browser to S3 and sees them into the project: announce, post, reconcile, label.
import { get, send, Unreachable } from "../app/api.js";
import { connection, sleep } from "../app/connection.js";
import { Store } from "../app/store.js";
import { uploads } from "./uploads.js";

const AT_A_TIME = 6;
const FILES_A_FORM = 2000;
const LABELS_A_REQUEST = 2000;
const TRIES = 4;
/** So long the server may take for the last files before they are called missing. */
const QUIET_SECONDS = 90;

const uploaders = new Map();

/** The uploader of a project, which outlives the page that began it. */
export function uploaderOf(projectId) {
  if (!uploaders.has(projectId)) uploaders.set(projectId, new Uploader(projectId));
  return uploaders.get(projectId);
}

/** States of a file: waiting, sending, sent, accepted, duplicate, rejected (by the server), failed (to be sent). */
class Uploader {
  constructor(projectId) {
    this.base = `/api/projects/${projectId}/data`;
    this.projectId = projectId;
    this.files = [];
    /** {files, counts, active, labelled, trouble}: replaced at most a few times a second. */
    this.state = new Store(this.#snapshot());
    this.active = false;
    this.labelled = 0;
    this.trouble = null;
  }

  async add(images) {
    const fresh = images.map((each) => ({ ...each, state: "waiting", reason: null, tries: 0 }));
    this.files = [...this.files, ...fresh];
    await this.#run();
  }

  /** Sends again what could not be sent. */
  async retry(file = null) {
    for (const each of this.files) {
      if (each.state === "failed" && (!file || each === file)) Object.assign(each, { state: "waiting", reason: null, tries: 0 });
    }
    await this.#run();
  }

  /** Forgets what is over. */
  clear() {
    this.files = this.files.filter((each) => ["waiting", "sending", "sent"].includes(each.state));
    this.labelled = 0;
    this.trouble = null;
    this.#show(true);
  }

  async #run() {
    const isRunning = this.active;
    if (!isRunning) Object.assign(this, { active: true, trouble: null });
    this.#show(true);
    if (isRunning) return;
    try {
      let batch;
      while ((batch = this.files.filter((each) => each.state === "waiting").slice(0, FILES_A_FORM)).length) {
        await this.#batch(batch);
      }
    } catch (error) {
      this.trouble = error;
      for (const each of this.files) {
        if (["waiting", "sending"].includes(each.state)) Object.assign(each, { state: "failed", reason: error.message });
      }
    } finally {
      this.active = false;
      this.#show(true);
    }
  }

  async #batch(batch) {
    const announced = batch.map(({ path, file, type }) => ({ fileName: path, sizeBytes: file.size, contentType: type }));
    const headers = { "Idempotency-Key": crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}` };
    const form = await send("POST", `${this.base}/uploads`, { files: announced }, { headers, patient: true });
    this.#match(batch, form);
    this.#show();
    const upload = { id: form.uploadId, form, renewing: null };
    const queue = batch.filter((each) => each.state === "waiting");
    const workers = Array.from({ length: AT_A_TIME }, async () => {
      for (let file; (file = queue.shift()); ) await this.#send(file, upload);
    });
    await Promise.all(workers);
    await this.#reconcile(batch, upload);
    await this.#label(batch);
  }

  /** Gives each file its key; the answer has them in the order in which they were announced. */
  #match(batch, form) {
    const refused = new Map(form.rejected.map((each) => [each.fileName, each]));
    const taken = form.images.values();
    for (const file of batch) {
      const no = refused.get(file.path);
      if (no) {
        Object.assign(file, { state: "rejected", reason: no.message });
        continue;
      }
      const { imageId, key } = taken.next().value;
      Object.assign(file, { imageId, key });
    }
  }

  async #send(file, upload) {
    for (;;) {
      file.state = "sending";
      this.#show();
      const problem = await post(file, upload.form);
      if (!problem) {
        file.state = "sent";
        return this.#show();
      }
      if (problem.expired) await this.#renew(upload);
      else if (connection.value.offline || !navigator.onLine) {
        file.state = "waiting";
        this.#show();
        await online();
        continue;
      }
      file.tries += 1;
      if (file.tries >= TRIES || problem.final) {
        Object.assign(file, { state: "failed", reason: problem.message });
        return this.#show();
      }
      await sleep(2 ** file.tries / 4 + Math.random());
    }
  }

  async #renew(upload) {
    upload.renewing ??= send("POST", `${this.base}/uploads/${upload.id}/renew`, undefined, { patient: true })
      .then((form) => (upload.form = form))
      .finally(() => (upload.renewing = null));
    await upload.renewing;
  }

  /** Asks the server what became of the files that were sent, until it knows of each. */
  async #reconcile(batch, upload) {
    const sent = batch.filter((each) => each.state === "sent");
    const byId = new Map(sent.map((each) => [each.imageId, each]));
    let quiet = 0;
    let wait = 0.4;
    let before = Infinity;
    while (byId.size && quiet < QUIET_SECONDS) {
      const found = await get(`${this.base}/uploads/${upload.id}`);
      const pending = new Set(found.pendingFiles.map((each) => each.imageId));
      const settled = [...byId.values()].filter((each) => !pending.has(each.imageId));
      await this.#settle(settled, upload, found);
      for (const each of settled) byId.delete(each.imageId);
      this.#show();
      if (!byId.size) return;
      quiet = byId.size < before ? 0 : quiet + wait;
      before = byId.size;
      await sleep(wait);
      wait = Math.min(3, wait * 1.4);
    }
    for (const each of byId.values()) Object.assign(each, { state: "failed", reason: "It was sent, but has not arrived. Try again." });
  }

  async #settle(files, upload, found) {
    if (!files.length) return;
    const refused = new Map(found.rejectedFiles.map((each) => [each.fileName, each]));
    const twice = found.duplicate ? await this.#duplicates(upload) : new Set();
    for (const file of files) {
      const no = refused.get(file.path.normalize("NFC"));
      if (no) Object.assign(file, { state: "rejected", reason: no.message });
      else file.state = twice.has(file.imageId) ? "duplicate" : "accepted";
    }
  }

  async #duplicates(upload) {
    const found = new Set();
    let cursor;
    do {
      const page = await get(`${this.base}/images`, { uploadId: upload.id, status: "duplicate", limit: 100, cursor });
      for (const each of page.items) found.add(each.imageId);
      cursor = page.nextCursor;
    } while (cursor);
    return found;
  }

  /** Labels by folder; a duplicate's label goes to the image that it repeats, which its name finds. */
  async #label(batch) {
    const wanted = batch.filter((each) => each.label && ["accepted", "duplicate"].includes(each.state));
    const entries = wanted.map((each) => [each.state === "accepted" ? each.imageId : each.path, each.label]);
    for (let start = 0; start < entries.length; start += LABELS_A_REQUEST) {
      const labels = Object.fromEntries(entries.slice(start, start + LABELS_A_REQUEST));
      try {
        const report = await send("POST", `${this.base}/labels`, { labels }, { patient: true });
        this.labelled += report.summary.updated;
      } catch (error) {
        if (error.code !== "no-label-stored") throw error; // such as duplicates alone, of names that are others' too
      }
    }
  }

  #snapshot() {
    const counts = {};
    for (const each of this.files) counts[each.state] = (counts[each.state] ?? 0) + 1;
    const { files, active = false, labelled = 0, trouble = null } = this;
    return { files, counts, active, labelled, trouble };
  }

  /** Shows the state, at once or within a quarter of a second: thousands of files change it. */
  #show(now = false) {
    if (now) {
      clearTimeout(this.timer);
      this.timer = null;
      const state = this.#snapshot();
      this.state.set(state);
      const { counts, active, files } = state;
      const open = (counts.waiting ?? 0) + (counts.sending ?? 0) + (counts.sent ?? 0);
      uploads.update({ [this.projectId]: { total: files.length, done: files.length - open, failed: counts.failed ?? 0, active } });
    } else {
      this.timer ??= setTimeout(() => this.#show(true), 250);
    }
  }
}

/** Posts one file to S3; null when it is there, else what is wrong. */
async function post({ key, type, file }, { url, fields }) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  body.append("key", key);
  body.append("Content-Type", type);
  body.append("file", file);
  let answer;
  try {
    answer = await fetch(url, { method: "POST", body });
  } catch {
    const isReadable = await file.slice(0, 1).arrayBuffer().then(() => true, () => false);
    return isReadable ? { message: new Unreachable().message } : { message: "The file can't be read any more: choose it again.", final: true };
  }
  if (answer.ok) return null;
  const text = await answer.text();
  const message = /<Message>(.*?)<\/Message>/s.exec(text)?.[1] ?? `S3 answered ${answer.status}.`;
  return { message, expired: answer.status === 403 && /expired/i.test(text), final: answer.status === 400 };
}

function online() {
  return new Promise((resolve) => addEventListener("online", resolve, { once: true }));
}
