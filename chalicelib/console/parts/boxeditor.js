// Drawing, moving and naming boxes on a picture, by mouse, pen or keyboard.
import { cx, html, useEffect, useLayoutEffect, useRef, useState } from "../app/ui.js";
import { handles, moved, spanned, stretched } from "./boxes.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @param boxes [{label, box}], @param onChange takes the next ones, `false` beside them while a drag goes on
 * @param selected an index or -1
 * @param label of a new box; without one, onNameless is called instead of drawing.
 */
export function BoxEditor({ image, boxes, onChange, selected, onSelect, label, onNameless, colour, onBroken }) {
  const surface = useRef(null);
  const [draft, setDraft] = useState(null);
  const drag = useRef(null);
  const scale = useScale(surface, image.width);

  const at = (event) => {
    const area = surface.current.getBoundingClientRect();
    return [((event.clientX - area.left) / area.width) * image.width, ((event.clientY - area.top) / area.height) * image.height];
  };
  const down = (event) => {
    if (event.button) return;
    const { index, side } = event.target.dataset;
    surface.current.setPointerCapture(event.pointerId);
    surface.current.focus();
    event.preventDefault();
    if (index === undefined && !label) return onNameless();
    const start = at(event);
    drag.current = index === undefined ? { start } : { start, index: Number(index), side, box: boxes[index].box };
    onSelect(index === undefined ? -1 : Number(index));
  };
  const changed = (event) => {
    const { start, side, box } = drag.current;
    const now = at(event);
    const [dx, dy] = [now[0] - start[0], now[1] - start[1]];
    if (!box) return spanned(start, now, image);
    return side ? stretched(box, side, dx, dy, image) : moved(box, dx, dy, image);
  };
  const slide = (event) => drag.current && setDraft(changed(event));
  const up = (event) => {
    if (!drag.current) return;
    const box = changed(event);
    const { index, start } = drag.current;
    const isClick = Math.hypot(...at(event).map((value, axis) => value - start[axis])) < 4 * scale;
    drag.current = null;
    setDraft(null);
    if (isClick) return;
    if (index === undefined) {
      onChange([...boxes, { label, box }]);
      onSelect(boxes.length);
    } else onChange(boxes.map((each, other) => (other === index ? { ...each, box } : each)));
  };
  const cancel = () => {
    drag.current = null;
    setDraft(null);
  };
  const press = (event) => {
    const isCommand = event.ctrlKey || event.metaKey;
    const step = STEPS[event.key];
    if (step && selected >= 0 && !isCommand) {
      const pixels = event.altKey ? 1 : Math.max(1, Math.round(Math.max(image.width, image.height) / 100));
      const [dx, dy] = [step[0] * pixels, step[1] * pixels];
      onChange(boxes.map((each, index) => {
        if (index !== selected) return each;
        return { ...each, box: event.shiftKey ? stretched(each.box, "se", dx, dy, image) : moved(each.box, dx, dy, image) };
      }));
    } else if (isCommand) return;
    else if (event.key === "b" || event.key === "B") add();
    else if (event.key === "Escape") drag.current ? cancel() : onSelect(-1);
    else if ((event.key === "Delete" || event.key === "Backspace") && selected >= 0) {
      onChange(boxes.filter((_, index) => index !== selected));
      onSelect(Math.min(selected, boxes.length - 2));
    } else if (event.key === "." || event.key === ",") {
      if (boxes.length) onSelect((selected + (event.key === "." ? 1 : -1) + boxes.length) % boxes.length);
    } else return;
    event.preventDefault();
  };
  const add = () => {
    if (!label) return onNameless();
    const { width, height } = image;
    onChange([...boxes, { label, box: spanned([width / 3, height / 3], [(2 * width) / 3, (2 * height) / 3], image) }]);
    return onSelect(boxes.length);
  };
  const shown = boxes.map((each, index) => (draft && drag.current?.index === index ? { ...each, box: draft } : each));
  const isNew = draft && drag.current?.index === undefined;
  return html`<div class="stage" style=${{ "--height": image.height, "--ratio": image.width / image.height }}>
    <img src=${image.url} alt="" draggable="false" onError=${onBroken} />
    <svg ref=${surface} class="boxes" viewBox=${`0 0 ${image.width} ${image.height}`} tabindex="0" role="application"
        aria-label=${`Boxes on ${image.fileName}: ${boxes.length}. B adds one, comma and full stop choose, arrows move, shift and arrows resize, Delete removes.`}
        onPointerDown=${down} onPointerMove=${slide} onPointerUp=${up} onPointerCancel=${cancel} onKeyDown=${press}>
      ${shown.map(({ label: name, box }, index) => html`<${Box} key=${index} name=${name} box=${box} index=${index} scale=${scale} chosen=${index === selected} colour=${colour(name)} />`)}
      ${isNew && html`<${Box} name=${label} box=${draft} scale=${scale} colour=${colour(label)} chosen />`}
    </svg>
    <p class="unseen" role="status">${selected >= 0 && boxes[selected] ? `Box ${selected + 1} of ${boxes.length}: ${boxes[selected].label}, at ${boxes[selected].box.slice(0, 2).join(", ")}, ${boxes[selected].box.slice(2).join(" by ")} pixels` : ""}</p>
  </div>`;
}

function Box({ name, box, index, scale, chosen, colour }) {
  const [x, y, width, height] = box;
  const text = 13 * scale;
  const above = y > 1.6 * text;
  return html`<g class=${cx("box", colour, chosen && "chosen")}>
    <rect x=${x} y=${y} width=${width} height=${height} data-index=${index} stroke-width=${(chosen ? 3 : 2) * scale} />
    <text x=${x + 3 * scale} y=${above ? y - 4 * scale : y + 1.2 * text} font-size=${text} stroke-width=${3 * scale}>${name}</text>
    ${chosen && index !== undefined && handles(box).map(([side, left, top]) => html`<rect class=${`handle ${side}`} data-index=${index} data-side=${side}
      x=${left - 5 * scale} y=${top - 5 * scale} width=${10 * scale} height=${10 * scale} stroke-width=${1.5 * scale} />`)}
  </g>`;
}

/** Pixels of the image for one on the screen. */
function useScale(surface, width) {
  const [scale, setScale] = useState(1);
  useLayoutEffect(() => {
    const measure = () => setScale(width / (surface.current.clientWidth || width));
    const sizes = new ResizeObserver(measure);
    sizes.observe(surface.current);
    measure();
    return () => sizes.disconnect();
  }, [width]);
  return scale;
}

/** Boxes with undo and redo: {boxes, change, undo, redo, canUndo, canRedo}. */
export function useHistory(first, onStored) {
  const [state, setState] = useState({ past: [], now: first, future: [] });
  const stored = useRef(first);
  useEffect(() => {
    if (state.now === stored.current) return undefined;
    const timer = setTimeout(() => {
      stored.current = state.now;
      onStored(state.now);
    }, 600);
    return () => clearTimeout(timer);
  }, [state.now]);
  const latest = useRef(state.now);
  latest.current = state.now;
  useEffect(() => () => {
    if (latest.current !== stored.current) onStored(latest.current); // on to the next image before it was stored
  }, []);
  return {
    boxes: state.now,
    change: (now) => setState(({ past, now: before }) => ({ past: [...past, before], now, future: [] })),
    undo: () => setState((was) => (was.past.length ? { past: was.past.slice(0, -1), now: was.past.at(-1), future: [was.now, ...was.future] } : was)),
    redo: () => setState((was) => (was.future.length ? { past: [...was.past, was.now], now: was.future[0], future: was.future.slice(1) } : was)),
    canUndo: state.past.length > 0,
    canRedo: state.future.length > 0,
  };
}
