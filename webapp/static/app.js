/* What the pages do beyond links and forms. Everything here is an addition: without it every page still works.
   No inline code, no eval; the hooks are data- attributes that components/*.html document. */
(function () {
  "use strict";

  const $ = (selector, root) => (root || document).querySelector(selector);
  const $$ = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  // Sentences of ours in the language of the page: the layout has them where that is not English.
  const words = JSON.parse(($("meta[name=script-words]") || { content: "{}" }).content);
  const say = (text) => words[text] || text;
  // Looked up each time: Back may have replaced the whole body.
  const isDialog = (node) => node instanceof HTMLDialogElement && (node.id === "dialog" || node.id === "drawer");
  const closeAll = () => $$("dialog[open]").forEach((dialog) => dialog.close());
  const openers = new WeakMap();

  // ---- Dialog and drawer -------------------------------------------------------------------

  function openDialog(dialog) {
    // One level: a check step that is opened from the drawer takes its place.
    $$("dialog[open]").forEach((other) => { if (other !== dialog) other.close(); });
    if (!dialog.open) dialog.showModal();
    const summary = $("[data-error-summary]", dialog);
    const heading = $("h2[tabindex], h1[tabindex]", dialog);
    (summary || heading || dialog).focus();
  }

  function pageAddress() {
    const address = new URL(location.href);
    address.searchParams.delete("open");
    return address.pathname + address.search;
  }

  // "close" does not bubble, so it is caught on its way down.
  document.addEventListener("close", (event) => {
    const dialog = event.target;
    if (!isDialog(dialog)) return;
    const opener = openers.get(dialog);
    openers.delete(dialog);
    dialog.replaceChildren();
    if (dialog.id === "drawer" && new URLSearchParams(location.search).has("open")) {
      history.replaceState(history.state, "", pageAddress());
    }
    if (opener && opener.isConnected) opener.focus();
    else focusHeading();
  }, true);

  function focusHeading() {
    const heading = $("main h1");
    if (!heading) return;
    heading.tabIndex = -1;
    heading.focus({ preventScroll: true });
  }

  document.addEventListener("click", (event) => {
    // A press beside the drawer closes it; a check step closes only by its own buttons or Esc.
    const close = event.target.closest("[data-close]");
    if (close || event.target.id === "drawer") event.target.closest("dialog").close();
    const link = event.target.closest(".error-summary a[href^='#']");
    if (link) {
      const field = document.getElementById(link.hash.slice(1));
      if (field) {
        event.preventDefault();
        const control = field.matches("fieldset") ? $("input", field) : field;
        control.scrollIntoView({ block: "center" });
        control.focus();
      }
    }
  });

  addEventListener("popstate", closeAll);
  document.addEventListener("closeDialog", closeAll);
  // Back twice asks for two pages; an answer to the first that comes late must not take the place of the second.
  let restoring = null;
  document.addEventListener("htmx:historyCacheMiss", (event) => {
    if (restoring) restoring.abort();
    restoring = event.detail.xhr;
  });
  document.addEventListener("htmx:historyRestore", () => { prepare(document); focusHeading(); });

  // ---- A question before a small act ---------------------------------------------------------

  function element(tag, properties, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  function ask(question, label, then) {
    const yes = element("button", { type: "button", className: "btn btn-primary", textContent: label });
    const no = element("button", { type: "button", className: "btn btn-quiet", textContent: say("Cancel") });
    const heading = element("h2", { id: "question-heading", textContent: question, tabIndex: -1 });
    const box = element("dialog", { className: "dialog dialog-small" },
      element("div", { className: "dialog-body" }, heading,
        element("div", { className: "form-actions" }, yes, no)));
    box.setAttribute("aria-labelledby", heading.id);
    const opener = document.activeElement;
    box.addEventListener("close", () => { box.remove(); if (opener && opener.isConnected) opener.focus(); });
    no.addEventListener("click", () => box.close());
    yes.addEventListener("click", () => { box.close(); then(); });
    document.body.append(box);
    box.showModal();
    heading.focus();
  }

  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    ask(event.detail.question, event.detail.elt.textContent.trim() || say("Go on"), () => event.detail.issueRequest(true));
  });

  // ---- Plain forms: one submit, a question, a busy label ---------------------------------------

  const sent = new WeakMap();

  function busy(button, on) {
    if (!button || !button.dataset.busy) return;
    if (on) {
      button.dataset.label = button.textContent;
      button.textContent = button.dataset.busy;
    } else if (button.dataset.label !== undefined) {
      button.textContent = button.dataset.label;
      delete button.dataset.label;
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    if (form.dataset.confirm && !form.dataset.asked) {
      event.preventDefault();
      event.stopImmediatePropagation();
      ask(form.dataset.confirm, (button && button.textContent.trim()) || say("Go on"), () => {
        form.dataset.asked = "yes";
        form.requestSubmit(button);
        delete form.dataset.asked;
      });
      return;
    }
    if (form.hasAttribute("data-hx-post") || form.hasAttribute("data-hx-get")) return;
    if (!form.hasAttribute("data-once")) return;
    if (sent.has(form)) {
      event.preventDefault();
      return;
    }
    if (!navigator.onLine) {
      event.preventDefault();
      tell(say("You are offline. Nothing was sent."), true);
      return;
    }
    sent.set(form, button);
    form.setAttribute("aria-busy", "true");
    busy(button, true);
    startWaiting(form, form);
  }, true);

  // Back brings a page out of the browser's cache as it was left: its forms can be used again.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    $$("form[aria-busy]").forEach((form) => {
      busy(sent.get(form), false);
      sent.delete(form);
      stopWaiting(form, form);
    });
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit-on-change]") && event.target.value) event.target.form.requestSubmit();
  });

  // ---- What was written outlives the end of a session ---------------------------------------------
  // A form that is sent is kept in this window until the next page shows that it arrived. If the answer is "signed
  // out" it comes back after the sign-in, for the same person and within an hour. Passwords, codes and files are
  // never kept, nor any form with autocomplete="off", such as payment details.

  const KEPT = "unsent";
  const person = () => { const note = $(".menu-note"); return note ? note.textContent : ""; };
  // The check of several payouts is prepared anew after the sign-in, under another number.
  const addressOf = (form) => new URL(form.getAttribute("data-hx-post") || form.getAttribute("action") || location.href,
    location.href).pathname.replace(/\bBA-[^/]+/, "");
  const isKeepable = (field) => field.name && !field.name.startsWith("proof_") && !field.autocomplete.startsWith("one-time")
    && !/^(hidden|password|file|submit|button|reset)$/.test(field.type);
  const isTick = (field) => field.type === "checkbox" || field.type === "radio";
  const fieldsOf = (form) => Array.from(form.elements).filter((field) => field.matches("input, textarea, select") && isKeepable(field));

  function drop() { try { sessionStorage.removeItem(KEPT); } catch { /* private mode: nothing was kept */ } }

  function kept() {
    try { return JSON.parse(sessionStorage.getItem(KEPT)); } catch { return null; }
  }

  function keep(form, refused) {
    const fields = fieldsOf(form);
    if (!person() || !fields.length || form.getAttribute("autocomplete") === "off" || $("[type=password]", form)) return false;
    const said = fields.map((field) => [field.name, field.type, isTick(field) ? field.checked : field.value]);
    try {
      sessionStorage.setItem(KEPT, JSON.stringify({ person: person(), form: addressOf(form), said, refused, at: Date.now() }));
    } catch { return false; }
    return true;
  }

  const isTouched = (form) => fieldsOf(form).some((field) =>
    isTick(field) ? field.checked !== field.defaultChecked : "defaultValue" in field && field.value !== field.defaultValue);

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.getAttribute("method") !== "post") return;
    if (addressOf(form).endsWith("/sign-out")) drop();
    else if (!event.defaultPrevented && !form.hasAttribute("data-hx-post")) keep(form, false);
  });

  function welcomeBack() {
    const unsent = kept();
    if (!unsent) return;
    const signedOut = $("[data-signed-out]");
    if (signedOut) {
      try { sessionStorage.setItem(KEPT, JSON.stringify({ ...unsent, refused: true })); } catch { return; }
      signedOut.hidden = false;
    } else if (person() && (!unsent.refused || unsent.person !== person() || Date.now() - unsent.at > 36e5)) drop();
  }

  function giveBack(root) {
    const unsent = kept();
    if (!unsent || !unsent.refused || unsent.person !== person()) return;
    const form = $$("form[method=post]", root).find((each) => addressOf(each) === unsent.form && fieldsOf(each).length);
    if (!form) return;
    drop();
    const fields = fieldsOf(form);
    unsent.said.forEach(([name, type, value]) => {
      const place = fields.findIndex((field) => field.name === name && field.type === type);
      if (place < 0) return;
      const [field] = fields.splice(place, 1);
      if (isTick(field)) field.checked = value;
      else field.value = value;
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    const sentence = say("You were signed out, so this was not sent. What you wrote is here again: check it, then send it.");
    const note = element("div", { className: "notice notice-warn", tabIndex: -1 }, element("p", { textContent: sentence }));
    note.setAttribute("role", "alert");
    form.prepend(note);
    note.focus();
  }

  // ---- News and alerts ---------------------------------------------------------------------

  function tell(text, isAlert, link) {
    // Behind an open dialog nothing is heard or reached: there the alert stands in the dialog itself.
    const body = isAlert && $("dialog[open] .dialog-body");
    const region = body || document.getElementById(isAlert ? "alerts" : "toasts");
    if (!region) return;
    if (isAlert) $$(".toast-note", region).forEach((older) => older.remove());
    const close = element("button", { type: "button", className: "btn-icon" });
    close.setAttribute("aria-label", say("Dismiss"));
    const drawn = document.getElementById("icon-close");
    if (drawn) close.append(drawn.content.cloneNode(true));
    const said = element("p", { textContent: text });
    if (link) said.append(" ", element("a", { href: link.href, textContent: link.text }));
    const note = element("div", { className: "toast-note" }, said, close);
    close.addEventListener("click", () => note.remove());
    if (body) {
      note.setAttribute("role", "alert");
      note.classList.add("toast-alert");
      body.prepend(note);
    } else region.append(note);
    if (isAlert) return;
    let timer;
    const hold = () => clearTimeout(timer);
    const run = () => { hold(); timer = setTimeout(() => note.remove(), 9000); };
    ["mouseenter", "focusin"].forEach((name) => note.addEventListener(name, hold));
    ["mouseleave", "focusout"].forEach((name) => note.addEventListener(name, run));
    run();
  }

  addEventListener("offline", () => tell(say("You are offline. Nothing is sent until the connection is back."), true));
  addEventListener("online", () => { const region = document.getElementById("alerts"); if (region) region.replaceChildren(); });

  // ---- htmx: dialogs, waiting, errors ---------------------------------------------------------

  let bar = null;
  const waits = new WeakMap();

  function startWaiting(request, target, silent) {
    const timers = [setTimeout(() => {
      if (target) target.setAttribute("aria-busy", "true");
      if (silent) return;
      bar = bar || element("div", { className: "loading-bar" });
      document.body.append(bar);
    }, 300)];
    if (!silent) timers.push(setTimeout(() => tell(say("Still working. You can leave this page.")), 10000));
    waits.set(request, timers);
  }

  function stopWaiting(request, target) {
    (waits.get(request) || []).forEach(clearTimeout);
    if (target) target.removeAttribute("aria-busy");
    if (bar) { bar.remove(); bar = null; }
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, target, xhr } = event.detail;
    const polls = elt.hasAttribute("data-poll");
    if (polls && document.hidden) {
      event.preventDefault();
      return;
    }
    if (!navigator.onLine && !polls) {
      event.preventDefault();
      tell(say("You are offline. Nothing was sent."), true);
      return;
    }
    if (isDialog(target) && !target.open) {
      // What is opened out of the drawer takes its place, so the focus goes back to what opened the drawer.
      const now = document.activeElement === document.body ? elt : document.activeElement;
      openers.set(target, openers.get(now.closest("dialog")) || now);
    }
    startWaiting(xhr, target, polls);
    if (elt.matches("form")) busy($("button[data-busy]", elt), true);
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, target, xhr } = event.detail;
    stopWaiting(xhr, target);
    if (elt.matches("form")) busy($("button[data-busy]", elt), false);
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    const target = event.detail.target;
    if (isDialog(target) && target.childElementCount) openDialog(target);
    prepare(target);
  });

  // An error page is never put in a fragment's place: its sentence is shown, the page and what was typed stay.
  function serverMessage(xhr) {
    if (!xhr.responseText.includes("data-error-message")) return "";
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    return $("[data-error-message]", page).textContent.trim();
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    const message = event.detail.xhr.status >= 400 ? serverMessage(event.detail.xhr) : "";
    if (!message) return;
    event.detail.shouldSwap = false;
    if (!event.detail.isError) tell(message, true);
  });

  function errorText(status, unsafe) {
    if (status === 403) return say("Your role does not allow this. Nothing was changed.");
    if (status === 404) return say("That record is not there any more. Reload the page.");
    if (status === 413) return say("The file is too large. Nothing was stored.");
    if (status === 429) return say("Too many tries. Wait a minute, then try again.");
    if (status < 500) return say("The request was not understood. Nothing was changed. Reload the page.");
    if (unsafe) return say("We do not know if it went through. Check the status before you try again.");
    return say("The page could not be brought up to date. Try again in a minute.");
  }

  document.addEventListener("htmx:responseError", (event) => {
    const { elt, xhr, requestConfig } = event.detail;
    if (xhr.status === 401) {
      const next = encodeURIComponent(location.pathname + location.search);
      const form = elt.closest("form[method=post]") || $$("form[method=post]").find(isTouched);
      const isKept = form && keep(form, true);
      const ended = say("Your session has ended. Nothing was changed.") + (isKept ? " " + say("What you wrote is kept until you are back.") : "");
      tell(ended, true, { href: "/sign-in?next=" + next, text: say("Sign in again") });
      // A copy asks no more: nobody has to be told twice.
      if (elt.hasAttribute("data-poll")) elt.replaceWith(elt.cloneNode(true));
    } else tell(serverMessage(xhr) || errorText(xhr.status, requestConfig && requestConfig.verb !== "get"), true);
  });

  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.elt.hasAttribute("data-poll")) return;
    const unsafe = event.detail.requestConfig && event.detail.requestConfig.verb !== "get";
    tell(unsafe ? say("No answer came back. We do not know if it went through. Check the status before you try again.")
      : say("The server cannot be reached. Try again."), true);
  });

  // ---- Results of a search: how many is said; Filter or Enter leads to them, typing leads nowhere ---------

  let searched = null;

  document.addEventListener("input", (event) => {
    if (searched && event.target.form === searched.form) searched.leads = false;
  });

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, requestConfig } = event.detail;
    if (!elt.matches("form[role=search]")) return;
    const why = requestConfig.triggeringEvent;
    // What was typed right before Enter is asked for once more, some moments later.
    const leads = (why && why.type === "submit") || (searched && searched.form === elt && searched.leads);
    searched = { form: elt, leads };
  });

  function tellCount(root) {
    const region = searched && $("[role=status]", searched.form);
    const text = region && $$("[data-count], .empty h2", root).map((node) => node.textContent.trim()).find(Boolean);
    if (text && region.textContent !== text) region.textContent = text;
  }

  document.addEventListener("htmx:afterSettle", (event) => {
    if (!searched || event.detail.requestConfig.elt !== searched.form) return;
    tellCount(event.detail.target);
    const now = document.activeElement;
    const heading = searched.leads && (now === document.body || searched.form.contains(now)) && $("caption, .empty h2", event.detail.target);
    if (!heading) return;
    heading.tabIndex = -1;
    heading.focus();
  });

  // Counts that come after their rows.
  document.addEventListener("htmx:oobAfterSwap", (event) => {
    if (event.target.hasAttribute("data-count")) tellCount(event.target.parentNode);
  });

  // ---- Selecting rows ------------------------------------------------------------------------

  const rowsOf = (group) => $$("[data-select]").filter((box) => box.dataset.select === group && !box.disabled);
  let lastBox = null;

  function count(group) {
    const rows = rowsOf(group);
    const chosen = rows.filter((box) => box.checked).length;
    $$("[data-select-all]").filter((box) => box.dataset.selectAll === group).forEach((box) => {
      box.disabled = rows.length === 0;
      box.checked = chosen > 0 && chosen === rows.length;
      box.indeterminate = chosen > 0 && chosen < rows.length;
    });
    $$("[data-select-count]").filter((out) => out.dataset.selectCount === group).forEach((out) => {
      const all = chosen + Number(out.dataset.elsewhere || 0);
      const text = all === 0 ? out.dataset.none || "" : all === 1 ? out.dataset.one : out.dataset.many;
      const shown = text.replace("{n}", all);
      if (out.textContent !== shown) out.textContent = shown;
    });
  }

  document.addEventListener("click", (event) => {
    const box = event.target;
    if (!(box instanceof HTMLInputElement)) return;
    if (box.dataset.selectAll !== undefined) {
      rowsOf(box.dataset.selectAll).forEach((row) => { row.checked = box.checked; });
      count(box.dataset.selectAll);
    } else if (box.dataset.select !== undefined) {
      const rows = rowsOf(box.dataset.select);
      if (event.shiftKey && lastBox && rows.includes(lastBox)) {
        const [from, to] = [rows.indexOf(lastBox), rows.indexOf(box)].sort((a, b) => a - b);
        rows.slice(from, to + 1).forEach((row) => { row.checked = box.checked; });
      }
      lastBox = box;
      count(box.dataset.select);
    }
  });

  // ---- Copy, hidden amounts, menus ---------------------------------------------------------------

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        tell(say("Copied."));
      } catch {
        tell(say("The browser does not let us copy. Select the text instead."), true);
      }
    }
    const toggle = event.target.closest("[data-hide-amounts]");
    if (toggle) {
      const on = toggle.getAttribute("aria-pressed") !== "true";
      hideAmounts(toggle, on);
      try { sessionStorage.setItem("hide-amounts", on ? "1" : ""); } catch { /* private mode: it lasts for this page */ }
    }
    $$("details[data-menu][open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
  });

  function hideAmounts(toggle, on) {
    document.documentElement.classList.toggle("hide-amounts", on);
    toggle.setAttribute("aria-pressed", String(on));
  }

  // ---- Shortcuts: a link or button carries data-key="a" or data-key="g p" -----------------------------

  const isTyping = (node) => node.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  let prefix = "";

  function rows() { return $$("main .data tbody tr").filter((row) => $("th[scope=row]", row)); }

  function moveRow(by) {
    const all = rows();
    if (!all.length) return;
    const now = all.findIndex((row) => row.hasAttribute("data-current"));
    const next = now < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(now + by, 0), all.length - 1);
    all.forEach((row, place) => row.toggleAttribute("data-current", place === next));
    const stop = $("th[scope=row] a", all[next]) || $("input, a, button", all[next]);
    if (stop) stop.focus();
  }

  function showShortcuts() {
    const list = element("dl", { className: "facts" });
    const known = [["/", say("Search")], ["j", say("Next row")], ["k", say("Previous row")], ["x", say("Select the row")], ["o", say("Open the row")]];
    const named = $$("[data-key]").map((node) => [node.dataset.key, (node.getAttribute("aria-label") || node.textContent).trim()]);
    known.concat(named).forEach(([key, does]) => list.append(
      element("div", {}, element("dt", {}, element("kbd", { textContent: key })), element("dd", { textContent: does }))));
    const close = element("button", { type: "button", className: "btn btn-secondary", textContent: say("Close") });
    const box = element("dialog", { className: "dialog dialog-small" }, element("div", { className: "dialog-body" },
      element("h2", { id: "keys-heading", textContent: say("Keyboard shortcuts") }), list, close));
    box.setAttribute("aria-labelledby", "keys-heading");
    close.addEventListener("click", () => box.close());
    box.addEventListener("close", () => box.remove());
    document.body.append(box);
    box.showModal();
  }

  function pressRow(key) {
    const row = $("main .data tr[data-current]");
    const control = row && $(key === "x" ? "[data-select]" : "th[scope=row] a", row);
    if (control) control.click();
    return Boolean(control);
  }

  function shortcut(key) {
    if (key === "?") { showShortcuts(); return true; }
    if (key === "/") {
      const search = $("main input[type=search], input[type=search]");
      if (search) search.focus();
      return Boolean(search);
    }
    if (key === "j" || key === "k") { moveRow(key === "j" ? 1 : -1); return true; }
    if (key === "x" || key === "o") return pressRow(key);
    const open = $("dialog[open]");
    const control = $$("[data-key]", open || document).find((node) => node.dataset.key === key && !node.disabled);
    if (control) control.click();
    return Boolean(control);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") $$("details[data-menu][open]").forEach((menu) => { menu.open = false; $("summary", menu).focus(); });
    if (event.ctrlKey || event.metaKey || event.altKey || event.key.length !== 1 || isTyping(event.target)) return;
    if (document.body.hasAttribute("data-no-shortcuts")) return;
    if ($("dialog[open]") && event.key !== "?") { if (event.key === "/" || "jkxog".includes(event.key)) return; }
    if (!prefix && event.key === "g") {
      prefix = "g ";
      setTimeout(() => { prefix = ""; }, 1500);
      event.preventDefault();
      return;
    }
    const key = prefix + event.key;
    prefix = "";
    if (shortcut(key)) event.preventDefault();
  });

  // ---- Every time something new is on the page ---------------------------------------------------

  function measure() {
    $$(".table-region").forEach((region) => {
      region.classList.remove("fits");
      const fits = region.scrollWidth <= region.clientWidth;
      region.classList.toggle("fits", fits);
      if (fits) region.removeAttribute("tabindex");
      else region.tabIndex = 0;
    });
  }

  function prepare(root) {
    $$("[data-copy]", root).forEach((button) => { button.hidden = !navigator.clipboard; });
    new Set($$("[data-select], [data-select-all]").map((box) => box.dataset.select || box.dataset.selectAll)).forEach(count);
    measure();
    giveBack(root);
  }

  const amounts = $("[data-hide-amounts]");
  if (amounts && $(".money")) {
    amounts.hidden = false;
    let stored = null;
    try { stored = sessionStorage.getItem("hide-amounts"); } catch { /* private mode: the person's own setting */ }
    hideAmounts(amounts, stored === null ? document.documentElement.classList.contains("hide-amounts") : Boolean(stored));
  }
  welcomeBack();
  prepare(document);
  // A page whose address names an open record opens its drawer, as the link beside it would.
  const wanted = new URLSearchParams(location.search).get("open");
  const drawn = wanted && $$("a[data-hx-target='#drawer']").find((link) => link.textContent.trim() === wanted);
  if (drawn) htmx.ajax("GET", drawn.href, { source: drawn, target: "#drawer", swap: "innerHTML", push: "false" });
  let resizing;
  addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(measure, 150); });
})();
