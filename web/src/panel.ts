/* What is happening, in words, over the picture or in its place. */

import { element } from "./dom.js";

export interface Said {
  title: string;
  detail?: string;
  /** Not read out: it changes every second. */
  ticking?: string;
  reference?: string;
  working?: boolean;
  actions?: { label: string; act: (() => void) | string; primary?: boolean }[];
}

export class Panel {
  readonly root: HTMLElement;
  readonly announcer: HTMLElement;
  private readonly ticking = element("p", "fv-ticking");
  private announced = "";

  constructor() {
    this.root = element("div", "fv-panel");
    this.root.hidden = true;
    this.ticking.setAttribute("aria-hidden", "true");
    this.announcer = element("p", "fv-unseen");
    this.announcer.setAttribute("role", "status");
  }

  say(said: Said): void {
    const actions = element("div", "fv-actions");
    for (const { label, act, primary } of said.actions ?? []) {
      const made = typeof act === "string" ? element("a", "fv-action", label) : element("button", "fv-action", label);
      if (made instanceof HTMLAnchorElement && typeof act === "string") made.href = act;
      if (made instanceof HTMLButtonElement && typeof act === "function") {
        made.type = "button";
        made.addEventListener("click", act);
      }
      made.classList.toggle("fv-primary", primary === true);
      actions.append(made);
    }
    const card = element("div", "fv-card", element("h2", "fv-title", said.title));
    if (said.working) card.prepend(element("div", "fv-working"));
    if (said.detail) card.append(element("p", "fv-detail", said.detail));
    this.tick(said.ticking ?? "");
    card.append(this.ticking);
    if (said.reference) card.append(element("p", "fv-reference", said.reference));
    if (actions.childElementCount) card.append(actions);
    const hadFocus = this.root.contains(document.activeElement);
    this.root.replaceChildren(card);
    this.root.hidden = false;
    if (hadFocus) card.querySelector<HTMLElement>(".fv-action")?.focus();
    this.announce([said.title, said.detail].filter(Boolean).join(" "));
  }

  tick(text: string): void {
    this.ticking.textContent = text;
    this.ticking.hidden = text === "";
  }

  hide(announce: string): void {
    this.root.hidden = true;
    this.announce(announce);
  }

  private announce(text: string): void {
    if (text === this.announced) return;
    this.announced = text;
    this.announcer.textContent = text;
  }
}
