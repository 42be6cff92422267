// What every view needs of the vendored libraries, under one roof.
import { Fragment, h, render } from "../vendor/preact.js";
import htm from "../vendor/htm.js";

export { Fragment, render };
export { useEffect, useErrorBoundary, useId, useLayoutEffect, useMemo, useRef, useState, useCallback } from "../vendor/hooks.js";
export const html = htm.bind(h);

/** Class names of those that hold: cx("card", isOpen && "open"). */
export const cx = (...names) => names.filter(Boolean).join(" ");
