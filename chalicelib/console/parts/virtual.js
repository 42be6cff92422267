// Only the rows that can be seen are in the page, however long the list is.
import { useLayoutEffect, useState } from "../app/ui.js";

const BEYOND = 3;

/**
 * Which rows of an element that scrolls are seen: {first, last, top, height, width}.
 * @param place ref of the element.
 */
export function useWindow(place, rows, rowHeight) {
  const [view, setView] = useState({ scroll: 0, height: 600, width: 800 });
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    let frame = 0;
    const measure = () => {
      frame = 0;
      setView({ scroll: element.scrollTop, height: element.clientHeight, width: element.clientWidth });
    };
    const later = () => (frame ||= requestAnimationFrame(measure));
    const sizes = new ResizeObserver(later);
    sizes.observe(element);
    element.addEventListener("scroll", later, { passive: true });
    measure();
    return () => {
      cancelAnimationFrame(frame);
      sizes.disconnect();
      element.removeEventListener("scroll", later);
    };
  }, [place.current]);
  const first = Math.max(0, Math.floor(view.scroll / rowHeight) - BEYOND);
  const last = Math.min(rows, Math.ceil((view.scroll + view.height) / rowHeight) + BEYOND);
  return { first, last, top: first * rowHeight, height: rows * rowHeight, width: view.width, page: view.height };
}
