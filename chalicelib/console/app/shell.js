// What is around every view: header, banner, messages, and the sign-in that comes over a page whose login ended.
import { get, openPost } from "./api.js";
import { connection, tryNow } from "./connection.js";
import { href, route } from "./router.js";
import { session, signOut } from "./session.js";
import { useStore } from "./store.js";
import { nextTheme, theme } from "./theme.js";
import { cx, html, useEffect, useErrorBoundary, useRef, useState } from "./ui.js";
import { SignIn } from "../parts/signin.js";
import { Toasts } from "../parts/toast.js";
import { UploadBadge } from "../parts/uploads.js";

export function Shell() {
  const { status } = useStore(session);
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} signedIn=${status !== "out"} />
    <${Banner} />
    ${status === "out" ? html`<main id="main" class="gate" tabindex="-1"><${SignIn} /></main>` : html`<${View} />`}
    ${status === "expired" && html`<${Expired} />`}
    <${Toasts} />
  `;
}

function skip(event) {
  event.preventDefault();
  document.getElementById("main").focus();
}

function Header({ signedIn }) {
  const [mode, setMode] = useState(theme());
  return html`
    <header class="top">
      <a class="brand" href=${href("")}>
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="11" /><circle cx="16" cy="16" r="4" /></svg>
        Darkroom
      </a>
      <span class="grow"></span>
      ${signedIn && html`<${UploadBadge} />`}
      <a class="quiet" href="/api/docs">API</a>
      <button class="quiet" type="button" onClick=${() => setMode(nextTheme())} title="Colours: as the system, light, or dark" aria-label=${`Colours: ${mode}. Change`}>
        ${{ auto: "Auto", light: "Light", dark: "Dark" }[mode]}
      </button>
      ${signedIn && html`<${Account} />`}
    </header>
  `;
}

function Account() {
  const { status, user } = useStore(session);
  useEffect(() => {
    if (status === "in" && !user) get("/api/users/me").then((found) => session.update({ user: found }), () => {});
  }, [status]);
  return html`
    ${user && html`<span class="who" title=${user.email}>${user.username}</span>`}
    <button class="quiet" type="button" onClick=${() => signOut(openPost)}>Sign out</button>
  `;
}

function Banner() {
  const { down, offline, retryAt } = useStore(connection);
  const [, tick] = useState(0);
  useEffect(() => {
    if (!down) return undefined;
    const timer = setInterval(() => tick((count) => count + 1), 1000);
    return () => clearInterval(timer);
  }, [down]);
  const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  const text = offline ? "You are offline." : "Darkroom doesn't answer.";
  return html`<div role="status" class=${cx("banner", (down || offline) && "shown")}>
    ${(down || offline) && html`
      <span><strong>${text}</strong> What you typed is kept. ${down && !offline && (seconds ? `Trying again in ${seconds} s.` : "Trying again…")}</span>
      ${down && html`<button type="button" class="small" onClick=${tryNow}>Try now</button>`}
    `}
  </div>`;
}

function View() {
  const { path, page, params, query, load, tab } = useStore(route);
  const [view, setView] = useState(null);
  const [failure, setFailure] = useState(null);
  useEffect(() => {
    let isCurrent = true;
    if (!load) return setView({ Component: NoPage });
    load().then(
      (module) => isCurrent && (setFailure(null), setView({ Component: module.default, page, params, query, tab })),
      () => isCurrent && setFailure("A part of the console could not be loaded. It may have been updated."),
    );
    return () => (isCurrent = false);
  }, [path]);
  if (failure) return html`<${Broken} text=${failure} />`;
  return html`<main id="main" tabindex="-1">${view && html`<${Guarded} key=${view.page} ...${view} />`}</main>`;
}

let isFirst = true;

/** Draws a view; what it throws is told, and the shell stays. */
function Guarded({ Component, ...given }) {
  const [error] = useErrorBoundary((thrown) => console.error(thrown));
  useEffect(() => {
    if (!isFirst) document.getElementById("main").focus({ preventScroll: true });
    isFirst = false;
    scrollTo(0, 0);
  }, []);
  return error ? html`<${Broken} text="This page met an error of its own." />` : html`<${Component} ...${given} />`;
}

function Broken({ text }) {
  return html`<main id="main" class="gate" tabindex="-1">
    <div class="card empty" role="alert"><p>${text}</p><button type="button" class="primary" onClick=${() => location.reload()}>Reload</button></div>
  </main>`;
}

function NoPage() {
  useEffect(() => void (document.title = "No such page · Darkroom"), []);
  return html`<div class="page"><div class="card empty"><h1>There is no such page</h1><a class="button" href=${href("")}>Your projects</a></div></div>`;
}

function Expired() {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} class="modal" aria-label="Sign in again" onCancel=${(event) => event.preventDefault()}>
    <${SignIn} again />
  </dialog>`;
}
