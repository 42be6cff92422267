// The uploads of this tab, which go on while its other pages are looked at.
import { href } from "../app/router.js";
import { Store, useStore } from "../app/store.js";
import { html } from "../app/ui.js";

/** projectId -> {total, done, failed, active}; the uploader keeps it. */
export const uploads = new Store({});

export function UploadBadge() {
  const busy = Object.entries(useStore(uploads)).filter(([, each]) => each.active);
  return busy.map(
    ([projectId, { done, total }]) => html`<a class="badge" href=${href("p", projectId, "upload")}>Uploading ${done} of ${total}</a>`,
  );
}

addEventListener("beforeunload", (event) => {
  if (Object.values(uploads.value).some((each) => each.active)) event.preventDefault();
});
