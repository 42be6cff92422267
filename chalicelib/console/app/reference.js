// The API reference: /api/openapi.json for people.
import { html, render, useEffect, useState } from "./ui.js";
import { applyTheme, nextTheme, theme } from "./theme.js";

const GROUPS = [
  ["Accounts", /^\/api\/(users|auth)/], ["Projects", /^\/api\/projects(\/\{projectId\})?$/], ["Data", /\/data\//], ["Training", /\/training/], ["Other", /./],
];

function Reference() {
  const [document_, setDocument] = useState(null);
  const [failed, setFailed] = useState(false);
  const [mode, setMode] = useState(theme());
  const [wanted, setWanted] = useState("");
  useEffect(() => void fetch("/api/openapi.json").then((answer) => answer.json()).then(setDocument, () => setFailed(true)), []);
  const operations = document_ ? listed(document_).filter((each) => `${each.method} ${each.path} ${each.summary}`.toLowerCase().includes(wanted.toLowerCase())) : [];
  useEffect(() => document_ && location.hash && document.getElementById(location.hash.slice(1))?.scrollIntoView(), [document_]);
  return html`
    <header class="top"><a class="brand" href="/api/"><svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="11" /><circle cx="16" cy="16" r="4" /></svg>Darkroom</a>
      <span class="grow"></span><a class="quiet button" href="/api/openapi.json">openapi.json</a>
      <button class="quiet" type="button" onClick=${() => setMode(nextTheme())} aria-label=${`Colours: ${mode}. Change`}>${{ auto: "Auto", light: "Light", dark: "Dark" }[mode]}</button></header>
    <div class="reference">
      <nav aria-label="Operations"><input type="search" aria-label="Find an operation" placeholder="Find…" value=${wanted} onInput=${(event) => setWanted(event.currentTarget.value)} />
        ${grouped(operations).map(([name, group]) => html`<h2>${name}</h2>${group.map((each) => html`<a href=${`#${each.operationId}`} title=${each.summary}>${each.operationId.replaceAll("_", " ")}</a>`)}`)}</nav>
      <main id="main" class="operations" tabindex="-1"><h1>API reference</h1>
        ${failed && html`<p class="trouble" role="alert">The document could not be loaded. Reload the page to try again.</p>`}
        ${!document_ && !failed && html`<p class="loading" role="status">Loading…</p>`}
        ${document_ && html`<p class="dim">${document_.info.description} JSON in camelCase; send the access token of a login as <code>Authorization: Bearer …</code>. Errors are <code>application/problem+json</code> with a code, a sentence, and a hint where you can act.</p>`}
        ${grouped(operations).map(([name, group]) => html`<h2>${name}</h2>${group.map((each) => html`<${Operation} key=${each.operationId} operation=${each} schemas=${document_.components.schemas} />`)}`)}
      </main></div>`;
}

function listed({ paths }) {
  return Object.entries(paths).flatMap(([path, item]) => Object.entries(item).map(([method, each]) => ({ ...each, path, method })));
}

function grouped(operations) {
  const groups = new Map(GROUPS.map(([name]) => [name, []]));
  for (const each of operations) groups.get(GROUPS.find(([, pattern]) => pattern.test(each.path))[0]).push(each);
  return [...groups].filter(([, group]) => group.length);
}

function Operation({ operation, schemas }) {
  const { method, path, summary, operationId, parameters = [], requestBody, responses, security } = operation;
  const shown = parameters.filter((each) => each.in !== "path");
  return html`<section class="card operation" id=${operationId}>
    <h3><span class=${`verb ${method}`}>${method.toUpperCase()}</span><code>${path}</code></h3>
    <p>${summary}${security.length ? "" : html` <span class="tag">no token needed</span>`}</p>
    ${shown.length > 0 && html`<details><summary>Query and headers</summary><table class="schema"><tbody>${shown.map((each) => html`<tr><th scope="row"><code>${each.name}</code></th><td>${kind(each.schema, schemas)}</td><td>${each.description}</td></tr>`)}</tbody></table></details>`}
    ${requestBody && html`<${Content} title="Body" content=${requestBody.content} schemas=${schemas} />`}
    ${Object.entries(responses).map(([status, each]) => each.content && status !== "default" && html`<${Content} title=${`Answer ${status}`} content=${each.content} schemas=${schemas} />`)}
    <details><summary>With curl</summary><pre class="document" tabindex="0">${curl(operation)}</pre></details>
  </section>`;
}

function Content({ title, content, schemas }) {
  const [[type, { schema }]] = Object.entries(content);
  return html`<details><summary>${title} <span class="dim">${type}</span></summary><${Members} schema=${schema} schemas=${schemas} depth=${0} /></details>`;
}

const resolved = (schema, schemas) => (schema?.$ref ? schemas[schema.$ref.split("/").pop()] : schema) ?? {};

function Members({ schema, schemas, depth }) {
  const own = resolved(schema, schemas);
  if (!own.properties) return html`<p class="dim">${kind(schema, schemas)}</p>`;
  return html`${own.description && html`<p class="dim">${own.description}</p>`}<table class="schema"><tbody>${Object.entries(own.properties).map(([name, each]) => {
    const inner = nested(each, schemas);
    return html`<tr><th scope="row"><code>${name}</code>${own.required?.includes(name) ? html`<span class="dim"> required</span>` : ""}</th>
      <td>${kind(each, schemas)}${limits(each)}${each.description ? html`<br /><span class="dim">${each.description}</span>` : ""}
        ${inner && depth < 3 && html`<${Members} schema=${inner} schemas=${schemas} depth=${depth + 1} />`}</td></tr>`;
  })}</tbody></table>`;
}

/** The object within a member: itself, an item, or one of several kinds. */
function nested(schema, schemas) {
  const own = resolved(schema, schemas);
  if (own.properties) return own;
  if (own.items) return nested(own.items, schemas);
  return (own.anyOf ?? []).map((each) => nested(each, schemas)).find(Boolean);
}

function kind(schema, schemas) {
  const own = resolved(schema, schemas);
  if (own.anyOf ?? own.oneOf) return (own.anyOf ?? own.oneOf).map((each) => kind(each, schemas)).join(" or ");
  if (own.enum) return own.enum.join(" | ");
  if (own.const !== undefined) return String(own.const);
  if (own.type === "array") return `list of ${own.items ? kind(own.items, schemas) : "anything"}`;
  return own.type ?? "anything";
}

function limits(schema) {
  const own = [schema, ...(schema.anyOf ?? [])].find((each) => each.minimum !== undefined || each.exclusiveMinimum !== undefined || each.maxLength !== undefined) ?? {};
  const said = [["minimum", "≥"], ["exclusiveMinimum", ">"], ["maximum", "≤"], ["exclusiveMaximum", "<"], ["minLength", "length ≥"], ["maxLength", "length ≤"]]
    .filter(([name]) => own[name] !== undefined).map(([name, sign]) => `${sign} ${own[name]}`);
  const fallback = schema.default !== undefined && schema.default !== null ? [`default ${schema.default}`] : [];
  const all = [...said, ...fallback];
  return all.length ? html`<span class="dim"> ${all.join(", ")}</span>` : "";
}

function curl({ method, path, requestBody, security }) {
  const lines = [`curl -X ${method.toUpperCase()} "${location.origin}${path.replace(/{(\w+)}/g, "$$$1")}"`];
  if (security.length) lines.push(`-H "Authorization: Bearer $TOKEN"`);
  const type = requestBody && Object.keys(requestBody.content)[0];
  if (type === "application/json") lines.push(`-H "Content-Type: application/json" -d @body.json`);
  else if (type) lines.push(`-F "${path.endsWith("predict") ? "image" : "images"}=@picture.jpg"`);
  return lines.join(" \\\n  ");
}

applyTheme();
const place = document.getElementById("app");
place.replaceChildren();
render(html`<${Reference} />`, place);
