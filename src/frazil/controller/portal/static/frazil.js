// What the pages do beyond plain HTML: live thumbnails, copying a command, the reader's time zone. All of it is optional.
"use strict";

(() => {
  const THUMBNAIL_EVERY_MS = 8000;

  // The server writes times in the zone that the browser says it is in.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `frazil-zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax; Secure`;

  // --- thumbnails: asked for when they are on the screen and the page is looked at; swapped when wholly loaded.
  const onScreen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) onScreen.delete(entry.target);
      else if (!onScreen.has(entry.target)) {
        onScreen.add(entry.target);
        refresh(entry.target);
      }
    }
  });

  async function refresh(img) {
    if (img.dataset.busy || document.hidden || !img.isConnected) return;
    img.dataset.busy = "yes";
    try {
      const answer = await fetch(img.dataset.live, { credentials: "same-origin", cache: "no-store" });
      if (!answer.ok || !(answer.headers.get("Content-Type") || "").startsWith("image/")) return;
      const url = URL.createObjectURL(await answer.blob());
      const next = new Image();
      next.src = url;
      await next.decode();
      const old = img.src;
      img.src = url;
      img.classList.add("seen");
      if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    } catch {
      // The picture that is there stays; the next round tries again.
    } finally {
      delete img.dataset.busy;
    }
  }

  function findThumbnails(root) {
    for (const img of root.querySelectorAll("img[data-live]")) watcher.observe(img);
  }

  setInterval(() => {
    for (const img of [...onScreen]) {
      if (img.isConnected) refresh(img);
      else onScreen.delete(img);
    }
  }, THUMBNAIL_EVERY_MS);

  // --- a command is copied by its button, and the button says so.
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return;
    }
    const before = button.textContent;
    button.textContent = button.dataset.copied;
    setTimeout(() => (button.textContent = before), 1500);
  });

  // --- an open menu closes on Escape and on a click beside it.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details.menu[open], details.confirm[open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  document.addEventListener("click", (event) => {
    const cancel = event.target.closest("button[data-cancel]");
    if (!cancel) return;
    const details = cancel.closest("details");
    details.open = false;
    details.querySelector("summary").focus();
  });

  // --- a filter takes effect when it is changed, a form is sent once.
  document.addEventListener("change", (event) => {
    if (event.target.matches("form[data-auto] select, form[data-auto] input[type=checkbox]")) event.target.form.requestSubmit();
  });
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button && event.target.method === "post") setTimeout(() => (button.disabled = true));
  });
  window.addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("form[method=post] button[disabled]")) button.disabled = false;
  });

  // --- on a narrow screen the console's areas scroll: the current one is brought into view.
  const current = document.querySelector(".side [aria-current]");
  if (current) current.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });

  // --- live parts rest while nobody looks, and while the reader is in the middle of an answer there.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const part = event.target;
    if (document.hidden || part.querySelector("details[open]")) event.preventDefault();
  });
  // What has not changed is not put in again: focus, selection and screen readers stay undisturbed.
  const last = new Map();
  document.addEventListener("htmx:beforeSwap", (event) => {
    const path = event.detail.pathInfo.requestPath;
    if (last.get(path) === event.detail.serverResponse) event.detail.shouldSwap = false;
    else if (event.detail.shouldSwap) last.set(path, event.detail.serverResponse);
  });
  document.addEventListener("htmx:afterSwap", (event) => findThumbnails(event.target.parentElement || document));
  findThumbnails(document);
})();
