// Whether the API can be reached, and when it is tried again.
import { Store } from "./store.js";

const LONGEST_SECONDS = 20;

/** {down, offline, retryAt}: `retryAt` in milliseconds of the clock. */
export const connection = new Store({ down: false, offline: !navigator.onLine, retryAt: 0 });

let failures = 0;
let wake = () => {};

addEventListener("online", () => {
  connection.update({ offline: false });
  tryNow();
});
addEventListener("offline", () => connection.update({ offline: true }));

/** Ends the wait of whoever waits to try again. */
export function tryNow() {
  wake();
}

export function reached() {
  failures = 0;
  if (connection.value.down) connection.update({ down: false });
}

/** Waits before the next attempt: longer each time, or for as long as the server asks for. */
export async function pause(seconds, signal) {
  failures += 1;
  const wait = seconds ?? Math.min(LONGEST_SECONDS, 2 ** Math.min(failures, 6) / 2) * (0.75 + Math.random() / 2);
  connection.update({ down: true, retryAt: Date.now() + 1000 * wait });
  await sleep(wait, signal, true);
}

/** Resolves after so many seconds, or sooner: `tryNow`, or the signal. */
export function sleep(seconds, signal, wakes = false) {
  return new Promise((resolve) => {
    const timer = setTimeout(end, 1000 * seconds);
    const earlier = wake;
    function end() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    }
    signal?.addEventListener("abort", end);
    if (wakes) {
      wake = () => {
        earlier();
        end();
      };
    }
  });
}
