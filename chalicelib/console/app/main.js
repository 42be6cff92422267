import { html, render } from "./ui.js";
import { Shell } from "./shell.js";
import { applyTheme } from "./theme.js";

applyTheme();
const place = document.getElementById("app");
place.replaceChildren();
render(html`<${Shell} />`, place);
