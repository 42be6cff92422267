// Files and folders that somebody dropped or chose: which of them are images, and of which class.

const TYPES = {
  jpg: "image/jpeg", jpeg: "image/jpeg", png: "image/png", webp: "image/webp",
  bmp: "image/bmp", gif: "image/gif", tif: "image/tiff", tiff: "image/tiff",
};

/** Every file below what was dropped: [{file, path}], the path with its folders. */
export async function dropped(items) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) found.push({ file, path });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives a folder's entries in parts, and nothing when there are no more.
    const part = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!part.length) return;
    for (const each of part) await walk(each, found);
  }
}

/** The files of an <input type="file">, with their paths where a folder was chosen. */
export const chosen = (list) => [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/**
 * What is to be uploaded: {images: [{file, path, type, label}], others: [path], classes: Map}.
 * The class is the folder that an image lies in; the one folder that everything lies in is none.
 */
export function sorted(found, withClasses) {
  const seen = found.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".") || part === "__MACOSX"));
  const roots = new Set(seen.map(({ path }) => path.split("/")[0]));
  const images = [];
  const others = [];
  const classes = new Map();
  for (const { file, path } of seen) {
    const type = TYPES[path.split(".").pop().toLowerCase()];
    if (!type) {
      others.push(path);
      continue;
    }
    const folders = path.split("/").slice(0, -1);
    const isRoot = folders.length === 1 && roots.size === 1;
    const label = withClasses && folders.length && !isRoot ? folders.at(-1) : null;
    if (label) classes.set(label, (classes.get(label) ?? 0) + 1);
    images.push({ file, path, type, label });
  }
  return { images, others, classes };
}
