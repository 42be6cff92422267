// Addresses: what comes after the #, so that the server has one page to give.
import { Store } from "./store.js";

const ROUTES = [
  ["/", () => import("../views/projects.js")],
  ["/p/:projectId", () => import("../views/gallery.js"), "images"],
  ["/p/:projectId/upload", () => import("../views/upload.js"), "upload"],
  ["/p/:projectId/image/:imageId", () => import("../views/image.js"), "images"],
  ["/p/:projectId/train", () => import("../views/train.js"), "train"],
  ["/p/:projectId/runs", () => import("../views/runs.js"), "runs"],
  ["/p/:projectId/runs/:sessionId", () => import("../views/run.js"), "runs"],
  ["/p/:projectId/compare/:sessionIds", () => import("../views/compare.js"), "runs"],
];

/** {path, page, params, query, load, tab}; load is undefined where there is no such page. */
export const route = new Store(read());

addEventListener("hashchange", () => route.set(read()));

function read() {
  const [path, query = ""] = (location.hash.slice(1) || "/").split("?");
  const parts = path.split("/");
  for (const [pattern, load, tab] of ROUTES) {
    const names = pattern.split("/");
    if (names.length !== parts.length) continue;
    if (!names.every((name, index) => name.startsWith(":") || name === parts[index])) continue;
    const params = {};
    names.forEach((name, index) => {
      if (name.startsWith(":")) params[name.slice(1)] = decodeURIComponent(parts[index]);
    });
    // From one image to the next it stays the same page.
    const page = path.replace(/image\/.*/, "image");
    return { path, page, params, query: Object.fromEntries(new URLSearchParams(query)), load, tab };
  }
  return { path, page: path, params: {}, query: {} };
}

/** An address for a link: href("p", projectId, "runs"). */
export function href(...parts) {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function go(...parts) {
  location.hash = href(...parts);
}

/** Keeps a view's filters in the address, without a step in the history. */
export function remember(query) {
  const given = Object.entries(query).filter(([, value]) => value);
  const tail = given.length ? `?${new URLSearchParams(given)}` : "";
  history.replaceState(null, "", `#${route.value.path}${tail}`);
}
