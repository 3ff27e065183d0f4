// Passkeys: what the browser makes ("create") or signs ("get") goes with the form, in "credential" or "proof".
"use strict";

(() => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (each) => each.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

  function read(options) {
    options.challenge = bytes(options.challenge);
    for (const each of [...(options.allowCredentials || []), ...(options.excludeCredentials || [])]) each.id = bytes(each.id);
    if (options.user) options.user.id = bytes(options.user.id);
    return options;
  }

  function written(made) {
    const response = { clientDataJSON: text(made.response.clientDataJSON) };
    for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
      if (made.response[name]) response[name] = text(made.response[name]);
    }
    return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });
  }

  async function prove(form) {
    const answer = await fetch(form.dataset.options, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`options: ${answer.status}`);
    const publicKey = read(await answer.json());
    const made = form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey }) : await navigator.credentials.get({ publicKey });
    form.elements[form.dataset.passkey === "create" ? "credential" : "proof"].value = written(made);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.passkey || !window.PublicKeyCredential) return;
    event.preventDefault();
    const said = form.querySelector("[role=alert]");
    said.textContent = "";
    prove(form).then(() => form.submit(), () => { said.textContent = form.dataset.failed; });
  });
})();
