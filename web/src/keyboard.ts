/* The keyboard, while the desktop has it.

   Keys go by their physical place, so that the guest's own layout decides what they write. Ctrl-Alt-Shift gives the
   keyboard back to the page: without it a person without a mouse would be caught here. */

import type { Desktop } from "./desktop.js";
import { keysFor } from "./keys.js";

const MODIFIER = /^(Control|Alt|Shift|Meta|CapsLock)/;

export class Keyboard {
  private readonly held = new Set<string>();

  constructor(
    screen: HTMLElement,
    private readonly desktop: () => Desktop | null,
    private readonly release: () => void,
    private readonly beforePaste: () => Promise<void>,
  ) {
    screen.addEventListener("keydown", (event) => this.onKey(event, true), { capture: true });
    screen.addEventListener("keyup", (event) => this.onKey(event, false), { capture: true });
    screen.addEventListener("focusout", () => this.letGo());
    window.addEventListener("blur", () => this.letGo());
  }

  /** Press keys together, in order, and let them go in the other one. */
  press(codes: readonly string[]): void {
    const desktop = this.desktop();
    for (const code of codes) desktop?.key(code, true);
    for (const code of [...codes].reverse()) desktop?.key(code, false);
  }

  type(text: string): void {
    for (const character of text) this.press(keysFor(character));
  }

  private onKey(event: KeyboardEvent, down: boolean): void {
    event.stopPropagation();
    event.preventDefault();
    if (event.isComposing || event.code === "") return;
    if (down && event.ctrlKey && event.altKey && event.shiftKey && /^(Control|Alt|Shift)/.test(event.code)) {
      this.letGo();
      this.release();
      return;
    }
    if (down && lacksShift(event)) {
      this.press(["ShiftLeft", event.code]);
      return;
    }
    if (down && pastes(event)) {
      if (!event.repeat) void this.paste(event.code);
      return;
    }
    if (down && event.metaKey && !MODIFIER.test(event.code)) {
      this.press([event.code]); // On a Mac no keyup follows while Cmd is held: it would stay down in the guest.
      return;
    }
    if (!this.desktop()?.key(event.code, down)) return;
    if (down) this.held.add(event.code);
    else this.held.delete(event.code);
  }

  /** What was copied elsewhere must be there before the key that pastes it. */
  private async paste(code: string): Promise<void> {
    const together = code === "Insert" ? "ShiftLeft" : "ControlLeft";
    await this.beforePaste();
    this.press([...this.held].some((held) => /^(Control|Shift)/.test(held)) ? [code] : [together, code]);
  }

  /** A key that is down when the keyboard goes elsewhere would stay down in the guest for ever. */
  private letGo(): void {
    const desktop = this.desktop();
    for (const code of this.held) desktop?.key(code, false);
    this.held.clear();
  }
}

/** Whether a key names a character that it can't have written without Shift, and no Shift came.

   So do on-screen keyboards and programs that type for people: they send the character's key alone. */
export function lacksShift(event: Pick<KeyboardEvent, "key" | "code" | "shiftKey" | "getModifierState">): boolean {
  if (event.shiftKey || event.getModifierState("CapsLock")) return false;
  const keys = keysFor(event.key);
  return keys.length === 2 && keys[1] === event.code;
}

/** Whether a key pastes, in most programs. */
export function pastes(event: Pick<KeyboardEvent, "code" | "ctrlKey" | "shiftKey" | "altKey">): boolean {
  if (event.altKey) return false;
  return (event.code === "KeyV" && event.ctrlKey) || (event.code === "Insert" && event.shiftKey && !event.ctrlKey);
}

/** An input of no size that raises a phone's keyboard; what is written in it is typed. */
export function softKeyboard(keyboard: Keyboard, label: string): HTMLTextAreaElement {
  const input = document.createElement("textarea");
  input.className = "fv-soft";
  input.setAttribute("aria-label", label);
  input.autocapitalize = "off";
  input.autocomplete = "off";
  input.spellcheck = false;
  input.tabIndex = -1;
  input.addEventListener("beforeinput", (event) => {
    if (event.isComposing) return;
    event.preventDefault();
    if (event.inputType === "deleteContentBackward") keyboard.press(["Backspace"]);
    else if (event.inputType === "insertLineBreak") keyboard.press(["Enter"]);
    else if (event.data) keyboard.type(event.data);
  });
  input.addEventListener("compositionend", (event) => {
    keyboard.type(event.data);
    input.value = "";
  });
  return input;
}
