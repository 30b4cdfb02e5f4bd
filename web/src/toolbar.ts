/* The bar of tools, which hides while it is not needed. */

import { button, element, linkTo, relabel } from "./dom.js";
import type { Strings } from "./strings.js";

const HIDE_AFTER_MS = 3500;

export interface Actions {
  fullScreen(): void;
  fit(): void;
  keys(codes: readonly string[]): void;
  softKeyboard(): void;
  sendFiles(): void;
  reconnect(): void;
}

export class Toolbar {
  readonly root: HTMLElement;
  private readonly bar: HTMLElement;
  private readonly handle: HTMLButtonElement;
  private readonly menu: HTMLElement;
  private readonly keysButton: HTMLButtonElement;
  private readonly fitButton: HTMLButtonElement;
  private readonly fullButton: HTMLButtonElement;
  private hiding = 0;
  private mayHide = false;

  constructor(
    private readonly strings: Strings,
    actions: Actions,
    leaveUrl: string,
  ) {
    this.fullButton = button("full", strings.fullScreen, actions.fullScreen);
    this.fitButton = button("fit", strings.realSize, actions.fit);
    this.keysButton = button("keys", strings.keys, () => this.toggleMenu());
    this.keysButton.setAttribute("aria-expanded", "false");
    this.keysButton.setAttribute("aria-controls", "fv-keys");
    this.menu = this.makeMenu(actions);
    const soft = button("soft", strings.keyboard, actions.softKeyboard);
    soft.classList.add("fv-touch-only");
    this.bar = element(
      "div",
      "fv-bar",
      this.fullButton,
      this.fitButton,
      element("div", "fv-menu-place", this.keysButton, this.menu),
      soft,
      button("send", strings.sendFiles, actions.sendFiles),
      button("reconnect", strings.reconnect, actions.reconnect),
      linkTo("leave", strings.leave, leaveUrl),
    );
    this.bar.id = "fv-bar";
    this.bar.setAttribute("role", "toolbar");
    this.bar.setAttribute("aria-label", strings.tools);
    this.handle = button("tools", strings.hideTools, () => this.show(this.bar.hidden));
    this.handle.classList.add("fv-handle");
    this.handle.setAttribute("aria-controls", "fv-bar");
    this.root = element("div", "fv-top", this.bar, this.handle);
    this.root.addEventListener("pointerenter", (event) => {
      if (event.pointerType !== "touch") this.show(true);
    });
    this.root.addEventListener("pointerleave", () => this.hideSoon());
    this.root.addEventListener("focusin", () => window.clearTimeout(this.hiding));
    this.root.addEventListener("focusout", () => this.hideSoon());
    this.root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.menu.hidden) {
        this.toggleMenu();
        this.keysButton.focus();
      }
    });
    document.addEventListener("fullscreenchange", () => {
      relabel(this.fullButton, document.fullscreenElement ? strings.leaveFullScreen : strings.fullScreen);
    });
    this.show(true);
  }

  /** The bar may hide only while there is a picture to look at. */
  set pictured(there: boolean) {
    this.mayHide = there;
    if (there) this.hideSoon();
    else this.show(true);
    if (!there && !this.menu.hidden) this.toggleMenu();
  }

  fitted(on: boolean): void {
    relabel(this.fitButton, on ? this.strings.realSize : this.strings.fit);
  }

  /** Where the keyboard goes when the desktop gives it back. */
  focus(): void {
    this.show(true);
    this.fullButton.focus();
  }

  private show(visible: boolean): void {
    window.clearTimeout(this.hiding);
    this.bar.hidden = !visible;
    if (!visible && !this.menu.hidden) this.toggleMenu();
    this.handle.setAttribute("aria-expanded", String(visible));
    relabel(this.handle, visible ? this.strings.hideTools : this.strings.showTools);
  }

  private hideSoon(): void {
    window.clearTimeout(this.hiding);
    if (!this.mayHide) return;
    this.hiding = window.setTimeout(() => {
      if (this.mayHide && !this.root.matches(":hover, :focus-within")) this.show(false);
    }, HIDE_AFTER_MS);
  }

  private toggleMenu(): void {
    this.menu.hidden = !this.menu.hidden;
    this.keysButton.setAttribute("aria-expanded", String(!this.menu.hidden));
  }

  private makeMenu(actions: Actions): HTMLElement {
    const items: [string, readonly string[]][] = [
      [this.strings.ctrlAltDel, ["ControlLeft", "AltLeft", "Delete"]],
      [this.strings.superKey, ["MetaLeft"]],
      [this.strings.altTab, ["AltLeft", "Tab"]],
      [this.strings.printScreen, ["PrintScreen"]],
      [this.strings.textConsole, ["ControlLeft", "AltLeft", "F2"]],
    ];
    const made = element("div", "fv-menu");
    made.id = "fv-keys";
    made.hidden = true;
    for (const [label, codes] of items) {
      const item = element("button", "fv-item", label);
      item.type = "button";
      item.addEventListener("click", () => {
        actions.keys(codes);
        this.toggleMenu();
        this.keysButton.focus();
      });
      made.append(item);
    }
    return made;
  }
}
