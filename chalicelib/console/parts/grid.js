// Pictures in rows, of which only those in sight are in the page; selected by mouse or keyboard.
import { cx, html, useEffect, useRef, useState } from "../app/ui.js";
import { labelText } from "./images.js";
import { useWindow } from "./virtual.js";

const TILE = 148;
const ROW = 184;

/**
 * @param items images, @param total of them if it is known
 * @param selected a Set of ids, @param onSelect takes the next one
 * @param onKey gets the keys that aren't for moving about, @param onOpen an image, @param onNear the end.
 */
export function Grid({ items, done, selected, onSelect, onKey, onOpen, onNear, onBroken }) {
  const place = useRef(null);
  const [active, setActive] = useState(0);
  const anchor = useRef(0);
  const columns = useRef(1);
  const rows = Math.ceil(items.length / columns.current);
  const { first, last, top, height, width, page } = useWindow(place, rows, ROW);
  columns.current = Math.max(1, Math.floor((width - 8) / TILE));
  useEffect(() => {
    if (!done && last >= rows - 2) onNear();
  }, [last, rows, done]);

  const range = (from, to) => new Set(items.slice(Math.min(from, to), Math.max(from, to) + 1).map((each) => each.imageId));
  const move = (index, isRange) => {
    const next = Math.max(0, Math.min(items.length - 1, index));
    setActive(next);
    reveal(place.current, Math.floor(next / columns.current));
    if (isRange) onSelect(range(anchor.current, next));
    else anchor.current = next;
  };
  const toggle = (index) => {
    const next = new Set(selected);
    const { imageId } = items[index];
    if (!next.delete(imageId)) next.add(imageId);
    onSelect(next);
    anchor.current = index;
  };
  const press = (event) => {
    const steps = {
      ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns.current, ArrowDown: columns.current,
      PageUp: -columns.current * Math.floor(page / ROW), PageDown: columns.current * Math.floor(page / ROW),
      Home: -Infinity, End: Infinity,
    };
    const isCommand = event.ctrlKey || event.metaKey;
    if (!items.length) return;
    if (event.key in steps && !event.altKey) move(active + steps[event.key], event.shiftKey);
    else if (event.key === " ") toggle(active);
    else if (event.key === "Enter") onOpen(items[active]);
    else if (isCommand && event.key.toLowerCase() === "a") onSelect(new Set(items.map((each) => each.imageId)));
    else if (event.key === "Escape") onSelect(new Set());
    else if (!onKey(event, items[active])) return;
    event.preventDefault();
  };
  const click = (event, index) => {
    setActive(index);
    if (event.shiftKey) onSelect(range(anchor.current, index));
    else toggle(index);
  };
  return html`<div class="grid" ref=${place} role="listbox" tabindex="0" aria-label="Images" aria-multiselectable="true"
      aria-activedescendant=${items[active] ? `i-${items[active].imageId}` : undefined} onKeyDown=${press}>
    <div role="presentation" style=${{ height: `${height}px` }}>
      <div role="presentation" class="tiles" style=${{ transform: `translateY(${top}px)`, gridTemplateColumns: `repeat(${columns.current}, minmax(0, 1fr))` }}>
        ${visible(items, first * columns.current, last * columns.current, active).map(([index, image]) => html`<${Tile} key=${image.imageId} image=${image}
          index=${index} count=${done ? items.length : -1} active=${index === active} selected=${selected.has(image.imageId)}
          onClick=${click} onOpen=${onOpen} onBroken=${onBroken} />`)}
      </div>
    </div>
  </div>`;
}

const visible = (items, from, to) => items.slice(from, to).map((image, index) => [from + index, image]);

function reveal(element, row) {
  const top = row * ROW;
  if (top < element.scrollTop) element.scrollTop = top;
  else if (top + ROW > element.scrollTop + element.clientHeight) element.scrollTop = top + ROW - element.clientHeight;
}

function Tile({ image, index, count, active, selected, onClick, onOpen, onBroken }) {
  const label = labelText(image.label);
  const name = image.fileName ?? image.imageId;
  const state = image.status === "accepted" ? "" : `, ${image.status}`;
  return html`<div id=${`i-${image.imageId}`} role="option" class=${cx("tile", active && "active")} aria-selected=${selected ? "true" : "false"}
      aria-posinset=${index + 1} aria-setsize=${count} aria-label=${`${label}${state}: ${name}`}
      onClick=${(event) => onClick(event, index)} onDblClick=${() => onOpen(image)}>
    ${image.thumbnailUrl
      ? html`<img src=${image.thumbnailUrl} alt="" loading="lazy" decoding="async" draggable="false" onError=${() => onBroken(image)} />`
      : html`<span class="no-picture">${image.rejectReason?.message ?? image.status}</span>`}
    <span class=${cx("caption", image.label == null && "none")}>${label}</span>
    <span class="name" title=${name}>${name.split("/").at(-1)}</span>
    ${image.split && html`<span class="split">${image.split}</span>`}
  </div>`;
}
