/* The browser's part of passkeys, only on the pages that offer them. A button with data-passkey="create" or "get"
   asks data-options for a challenge, lets the browser answer it, and sends the form it stands in. */
(function () {
  "use strict";

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const described = (list) => (list || []).map((one) => Object.assign({}, one, { id: bytes(one.id) }));

  async function options(button, form) {
    const answer = await fetch(button.dataset.options, {
      method: "POST",
      credentials: "same-origin",
      headers: { "X-CSRFToken": form.elements.csrf_token ? form.elements.csrf_token.value : "" },
    });
    if (!answer.ok) throw new Error(String(answer.status));
    const given = await answer.json();
    given.challenge = bytes(given.challenge);
    if (given.user) given.user.id = bytes(given.user.id);
    given.excludeCredentials = described(given.excludeCredentials);
    given.allowCredentials = described(given.allowCredentials);
    return given;
  }

  function written(credential) {
    const said = credential.response;
    const response = { clientDataJSON: text(said.clientDataJSON) };
    ["attestationObject", "authenticatorData", "signature", "userHandle"].forEach((name) => {
      if (said[name]) response[name] = text(said[name]);
    });
    return JSON.stringify({
      id: credential.id, rawId: text(credential.rawId), type: credential.type, response,
      clientExtensionResults: credential.getClientExtensionResults(),
    });
  }

  function sentence(error) {
    const kind = error.name;
    if (kind === "InvalidStateError") return "This passkey is added already.";
    if (kind === "NotAllowedError") return "The passkey was not used: it was cancelled, or it took too long. Try again.";
    if (kind === "SecurityError") return "Passkeys do not work at this address. Open Paydesk at its usual address.";
    if (error.message === "429") return "Too many tries. Wait a few minutes, then try again.";
    if (["400", "401", "403", "404"].includes(error.message)) return "This page is too old. Reload it and try again.";
    return "The passkey could not be used. Try again, or use a code.";
  }

  async function press(button) {
    const form = button.form;
    const message = form.querySelector("[data-passkey-message]");
    // A second press while the browser asks would spoil the first one's challenge.
    button.disabled = true;
    message.textContent = "";
    try {
      const publicKey = await options(button, form);
      const credential = await navigator.credentials[button.dataset.passkey]({ publicKey });
      form.elements[button.dataset.answer].value = written(credential);
      form.requestSubmit();
    } catch (error) {
      message.textContent = sentence(error);
    }
    button.disabled = false;
  }

  document.querySelectorAll("[data-passkey]").forEach((button) => {
    button.form.querySelector("[data-passkey-plain]").hidden = true;
    if (!window.PublicKeyCredential) {
      button.form.querySelector("[data-passkey-message]").textContent = "This browser knows no passkeys.";
      return;
    }
    button.hidden = false;
    button.addEventListener("click", () => {
      const named = button.form.elements.name;
      if (named instanceof HTMLInputElement && !named.value.trim()) button.form.requestSubmit();
      else press(button);
    });
  });
})();
