// The API: JSON in and out, problems as errors, and patience with a server that is away.
import { connection, pause, reached } from "./connection.js";
import { accessToken, session, signedInAgain } from "./session.js";

/** The API's answer was a problem (RFC 9457). */
export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document.detail || `The server answered ${status}.`);
    Object.assign(this, { status, code: document.code, hint: document.hint, errors: document.errors ?? [], document, retryAfter });
  }
}

/** No answer came: the server or the network is away. */
export class Unreachable extends Error {
  constructor() {
    super("Darkroom doesn't answer. Your input is kept: try again in a moment.");
  }
}

const BUSY = new Set([429, 502, 503, 504]);

/**
 * One request; resolves to {status, body, headers}.
 * @param options.patient asks again until there is an answer: for what may safely be sent twice. GET always is.
 * @param options.open needs no token.
 */
export async function request(method, path, options = {}) {
  const { body, headers = {}, query, signal, open = false, patient = method === "GET" } = options;
  const url = path + search(query);
  let refused = null;
  for (;;) {
    try {
      const token = open ? null : await accessToken(post, refused);
      if (!open && !token) {
        await signedInAgain();
        continue;
      }
      const answer = await once(method, url, body, headers, token, signal);
      if (answer.status === 401 && !open) {
        refused = token;
        continue;
      }
      return settled(answer);
    } catch (error) {
      if (signal?.aborted) throw error;
      const isAway = error instanceof Unreachable || BUSY.has(error.status);
      if (!isAway || !patient) {
        if (error instanceof Unreachable) lookOut();
        throw error;
      }
      await pause(error.retryAfter, signal);
      if (signal?.aborted) throw error;
    }
  }
}

async function once(method, url, body, headers, token, signal) {
  const sent = { ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  const isForm = body instanceof FormData;
  if (body !== undefined && !isForm) sent["Content-Type"] = "application/json";
  const content = body === undefined || isForm ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(url, { method, headers: sent, body: content, signal, cache: "no-store" });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable();
  }
  reached();
  const text = await response.text();
  return { status: response.status, body: parsed(text), headers: response.headers };
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return null;
  }
}

function settled(answer) {
  if (answer.status < 400) return answer;
  throw new Problem(answer.status, answer.body ?? {}, Number(answer.headers.get("Retry-After")) || undefined);
}

function search(query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

let looking = false;

/** After a request that can't be repeated: asks until the server is there again, for the banner's sake. */
async function lookOut() {
  if (looking) return;
  looking = true;
  while (!(await isThere())) await pause();
  looking = false;
}

async function isThere() {
  try {
    await once("GET", "/api/docs", undefined, {}, null);
    return true;
  } catch {
    return false;
  }
}

const post = async (path, body) => (await request("POST", path, { body, open: true })).body;

export const get = async (path, query, signal) => (await request("GET", path, { query, signal })).body;
export const send = async (method, path, body, options) => (await request(method, path, { ...options, body })).body;
/** A request of somebody who isn't signed in. */
export const openPost = post;

/** Every page of a list, as far as `limit` items. */
export async function all(path, query, signal, limit = 1000) {
  const items = [];
  let cursor;
  do {
    const page = await get(path, { limit: 100, ...query, cursor }, signal);
    items.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor && items.length < limit);
  return items;
}

let document_ = null;

/** The OpenAPI document, once. */
export async function openapi() {
  document_ ??= request("GET", "/api/openapi.json", { open: true }).then((answer) => answer.body);
  return document_;
}

export const isAway = () => connection.value.down || connection.value.offline;
export { session };
