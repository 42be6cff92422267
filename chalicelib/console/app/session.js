// Who is signed in. The access token stays in memory. The refresh token, which works once, lies in localStorage,
// where all tabs share it: they renew it one at a time, and a tab that waited takes what another one fetched.
import { Store } from "./store.js";

const KEY = "darkroom.refresh";
const CHANNEL = "darkroom.session";
const EARLY_MS = 30_000;

/** status: out, in, or expired: signed out by the server, with work still open. */
export const session = new Store({ status: localStorage.getItem(KEY) ? "in" : "out", user: null });

let access = { token: null, until: 0 };
let renewing = null;
let back = [];

addEventListener("storage", (event) => {
  if (event.key !== KEY) return;
  if (!event.newValue) forget("out");
  else if (session.value.status !== "in") enter();
});

/** Takes the tokens of a login. */
export function signIn(login) {
  keep(login);
  enter();
}

function keep(login) {
  access = { token: login.accessToken, until: Date.now() + 1000 * login.expiresIn - EARLY_MS };
  localStorage.setItem(KEY, login.refreshToken);
}

function enter() {
  session.update({ status: "in", user: null });
  const waiting = back;
  back = [];
  for (const resolve of waiting) resolve();
}

function forget(status) {
  access = { token: null, until: 0 };
  session.update({ status, user: status === "out" ? null : session.value.user });
}

/** Resolves when somebody has signed in again. */
export function signedInAgain() {
  if (session.value.status === "in") forget("expired");
  return new Promise((resolve) => back.push(resolve));
}

/** Forgets this login here and, if the server can be reached, there. */
export async function signOut(post) {
  const refreshToken = localStorage.getItem(KEY);
  localStorage.removeItem(KEY);
  forget("out");
  if (refreshToken) await post("/api/auth/logout", { refreshToken }).catch(() => {});
}

/**
 * An access token, renewed where it has run out; null where nobody is signed in any more.
 * @param used a token that the server refused: not that one again.
 */
export async function accessToken(post, used = null) {
  if (access.token && access.token !== used && Date.now() < access.until) return access.token;
  renewing ??= alone(() => renew(post)).finally(() => (renewing = null));
  await renewing;
  return access.token;
}

async function renew(post) {
  access = { token: null, until: 0 };
  const refreshToken = localStorage.getItem(KEY);
  if (!refreshToken) return;
  try {
    keep(await post("/api/auth/refresh", { refreshToken }));
  } catch (error) {
    if (error.status !== 401) throw error;
    if (localStorage.getItem(KEY) === refreshToken) localStorage.removeItem(KEY);
  }
}

/** One tab at a time; a page that isn't on HTTPS has no locks, and takes its chance. */
function alone(work) {
  return navigator.locks ? navigator.locks.request(CHANNEL, work) : work();
}
