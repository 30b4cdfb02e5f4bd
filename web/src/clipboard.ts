/* Text that is copied here is there to be pasted in the desktop, and the other way round, as far as the browser lets
   us. What a policy forbids the gateway keeps from passing. */

import { type Agent, Capability, Kind, words } from "./agent.js";

const NONE = 0;
const UTF8_TEXT = 1;
/** VD_AGENT_CLIPBOARD_SELECTION_CLIPBOARD: not what is merely marked. */
const SELECTION = 0;

/** The browser's clipboard; `navigator.clipboard` where there is one. */
export interface PageClipboard {
  readText(): Promise<string>;
  writeText(text: string): Promise<void>;
}

export class Clipboard {
  /** What both sides have, so that it isn't offered back to where it came from. */
  private shared: string | null = null;
  private offered: string | null = null;
  /** What the browser did not take yet: it wants a key or a click first. */
  private waiting: string | null = null;

  constructor(
    private readonly agent: Agent,
    private readonly page: PageClipboard,
  ) {
    agent.listen({
      gone: () => (this.shared = this.offered = null), // The next one has nothing of it.
      message: (kind, body) => this.hear(kind, body),
    });
  }

  /** Offer the desktop what was copied elsewhere. A browser that asks first asks now. */
  async offer(): Promise<void> {
    if (!this.agent.can(Capability.CLIPBOARD_BY_DEMAND)) return;
    let text: string;
    try {
      text = await this.page.readText();
    } catch {
      return; // Not allowed, or no text: what the desktop has stays.
    }
    if (text === "" || text === this.shared) return;
    this.shared = this.offered = text;
    this.say(Kind.CLIPBOARD_GRAB, words(UTF8_TEXT));
  }

  /** To be called from a key or a click: then a browser takes what it refused before. */
  async keep(): Promise<void> {
    if (this.waiting === null) return;
    const text = this.waiting;
    this.waiting = null;
    try {
      await this.page.writeText(text);
    } catch {
      this.waiting ??= text;
    }
  }

  private hear(kind: number, body: DataView): void {
    const selected = this.agent.can(Capability.CLIPBOARD_SELECTION);
    if (selected && (body.byteLength < 4 || body.getUint8(0) !== SELECTION)) return;
    const at = selected ? 4 : 0;
    const word = body.byteLength >= at + 4 ? body.getUint32(at, true) : NONE;
    switch (kind) {
      case Kind.CLIPBOARD_GRAB: {
        this.shared = this.offered = null;
        for (let type = at; type + 4 <= body.byteLength; type += 4) {
          if (body.getUint32(type, true) === UTF8_TEXT) this.say(Kind.CLIPBOARD_REQUEST, words(UTF8_TEXT));
        }
        return;
      }
      case Kind.CLIPBOARD_REQUEST: {
        const text = word === UTF8_TEXT ? this.offered : null;
        const crlf = this.agent.can(Capability.GUEST_LINEEND_CRLF);
        const bytes = new TextEncoder().encode(crlf ? text?.replace(/\r?\n/g, "\r\n") : (text ?? ""));
        this.say(Kind.CLIPBOARD, words(text === null ? NONE : UTF8_TEXT), bytes);
        return;
      }
      case Kind.CLIPBOARD: {
        if (word !== UTF8_TEXT) return;
        const bytes = new Uint8Array(body.buffer, body.byteOffset + at + 4, body.byteLength - at - 4);
        const text = new TextDecoder().decode(bytes).replace(/\0+$/, "").replace(/\r\n/g, "\n");
        this.shared = this.waiting = text;
        void this.keep();
      }
    }
  }

  private say(kind: number, ...parts: Uint8Array[]): void {
    this.agent.send(kind, ...(this.agent.can(Capability.CLIPBOARD_SELECTION) ? [words(SELECTION)] : []), ...parts);
  }
}
