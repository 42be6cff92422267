// Signing in and up.
import { openPost } from "../app/api.js";
import { signIn } from "../app/session.js";
import { html, useEffect, useState } from "../app/ui.js";
import { errorAt, Field, Password, Trouble, useSubmit } from "./form.js";

/** @param again whether a login ended while its page was open. */
export function SignIn({ again = false }) {
  const [isNew, setNew] = useState(false);
  const [typed, setTyped] = useState({ login: "", username: "", email: "", password: "" });
  useEffect(() => void (again || (document.title = "Sign in · Darkroom")), []);
  const type = (name) => (event) => setTyped({ ...typed, [name]: event.currentTarget.value });
  const form = useSubmit(async () => {
    const { login, username, email, password } = typed;
    if (isNew) await openPost("/api/users", { username, email, password });
    signIn(await openPost("/api/auth/login", { login: isNew ? username : login, password }));
  });
  const swap = () => {
    form.clear();
    setNew(!isNew);
  };
  const given = { typed, type, error: form.error };
  return html`<div class="card signin">
    <h1>${again ? "Sign in again" : isNew ? "Create an account" : "Sign in"}</h1>
    <p class="dim">${again ? "Your session has ended. Sign in, and you are back where you were." : "Train image models in your own cloud account."}</p>
    <form onSubmit=${form.submit} novalidate>
      ${isNew ? html`<${NewAccount} ...${given} />` : html`<${Known} ...${given} />`}
      <${Trouble} error=${form.error} names=${isNew ? { "/username": 1, "/email": 1, "/password": 1 } : {}} />
      <button class="primary wide" disabled=${form.busy}>${form.busy ? "One moment…" : isNew ? "Create account" : "Sign in"}</button>
    </form>
    ${!again && html`<p class="dim swap">
      ${isNew ? "You have an account?" : "New here?"} <button type="button" class="link" onClick=${swap}>${isNew ? "Sign in" : "Create an account"}</button>
    </p>`}
  </div>`;
}

function Known({ typed, type }) {
  return html`
    <${Field} label="Email or username" name="login" autocomplete="username" required value=${typed.login} onInput=${type("login")} />
    <${Password} label="Password" name="password" autocomplete="current-password" required value=${typed.password} onInput=${type("password")} />
  `;
}

function NewAccount({ typed, type, error }) {
  return html`
    <${Field} label="Username" name="username" autocomplete="username" required hint="3 to 40 letters, digits, dots, dashes or underscores."
      value=${typed.username} onInput=${type("username")} error=${errorAt(error, "/username")} />
    <${Field} label="Email" name="email" type="email" autocomplete="email" required
      value=${typed.email} onInput=${type("email")} error=${errorAt(error, "/email")} />
    <${Password} label="Password" name="password" autocomplete="new-password" required hint="At least 8 characters."
      value=${typed.password} onInput=${type("password")} error=${errorAt(error, "/password")} />
  `;
}
