/* One connection to one desktop through spice-html5, and what is sent to it. */

import { Agent } from "./agent.js";
import { keyBytes, scanCode } from "./keys.js";
import { Motions } from "./motions.js";
import { Packet } from "./packet.js";
import { SpiceConn, SpiceMainConn, SpiceSimulateCursor } from "./spice-html5.js";
import { mendTickets } from "./ticket.js";

mendTickets(SpiceConn.prototype);

const KEY_DOWN = 101;
const KEY_UP = 102;
const MOUSE_PRESS = 113;
const MOUSE_RELEASE = 114;
const PICTURE_LOOK_MS = 40;
/** A link on which nothing was drawn for so long, or that takes no keys, is given up: the next may fare better. */
const PICTURE_DEADLINE_MS = 20_000;
/** The code of a WebSocket that ended without saying why (RFC 6455, 7.1.5). */
const ABNORMAL = 1006;

export interface Callbacks {
  linked(): void;
  pictured(canvas: HTMLCanvasElement): void;
  /** Once, when it is over. `code` is the WebSocket's. */
  lost(code: number): void;
}

export class Desktop {
  readonly agent: Agent;
  private readonly main: SpiceMainConn;
  private readonly motions = new Motions(
    () => this.main.inputs,
    (packet) => this.send(packet),
  );
  private looking = 0;
  private over = false;
  private pictured = false;
  private linkedMs = 0;
  private readonly watched = new WeakSet<WebSocket>();

  constructor(
    url: string,
    ticket: string,
    screen: HTMLElement,
    private readonly callbacks: Callbacks,
  ) {
    SpiceSimulateCursor.warned = true; // Else it may raise an alert about Internet Explorer.
    this.main = new SpiceMainConn({
      uri: url,
      password: ticket,
      screen_id: screen.id,
      // Its close event follows and knows more; without a socket there is none.
      onerror: () => window.setTimeout(() => this.end(ABNORMAL), 250),
      onsuccess: () => {
        callbacks.linked();
        this.linkedMs = performance.now();
        this.look();
      },
    });
    this.main.ws?.addEventListener("close", (event) => this.end(event.code));
    this.agent = new Agent(this.main);
  }

  /** Send a key by its physical name. False when there is no such key on a PC. */
  key(code: string, down: boolean): boolean {
    const scan = scanCode(code);
    if (scan === undefined) return false;
    const body = new Uint8Array(4);
    new DataView(body.buffer).setUint32(0, keyBytes(scan, down), true);
    this.send(new Packet(down ? KEY_DOWN : KEY_UP, body));
    return true;
  }

  /** Whether the guest takes positions; else it takes movements only (no agent and no tablet yet). */
  get absolute(): boolean {
    return this.motions.absolute;
  }

  move(x: number, y: number, buttons: number): void {
    this.motions.move(x, y, buttons);
  }

  /** `button` is SPICE's: 1 left, 2 middle, 3 right, 4 wheel up, 5 wheel down. */
  button(button: number, down: boolean, buttons: number): void {
    this.motions.flush();
    const body = new Uint8Array([button, buttons & 0xff, buttons >> 8]);
    this.send(new Packet(down ? MOUSE_PRESS : MOUSE_RELEASE, body));
  }

  stop(): void {
    if (this.over) return;
    this.over = true;
    this.close();
  }

  private send(packet: Packet): boolean {
    const inputs = this.main.inputs;
    if (inputs?.state !== "ready" || inputs.ws?.readyState !== WebSocket.OPEN) return false;
    inputs.send_msg(packet);
    return true;
  }

  /** Wait for the first thing drawn, and see to it that a display or a keyboard that ends alone is noticed. */
  private look(): void {
    if (this.over) return;
    const display = this.main.display;
    for (const channel of [display, this.main.inputs]) {
      if (channel?.ws && !this.watched.has(channel.ws)) {
        this.watched.add(channel.ws);
        channel.ws.addEventListener("close", (event) => window.setTimeout(() => this.end(event.code), 250));
        if (channel === this.main.inputs) this.motions.follow(this.main.inputs);
      }
      if (channel?.state === "error") {
        this.end(ABNORMAL);
        return;
      }
    }
    if (performance.now() - this.linkedMs > PICTURE_DEADLINE_MS) {
      this.end(ABNORMAL);
      return;
    }
    const surface = display?.surfaces?.[display.primary_surface ?? -1];
    // A picture that can't be typed in yet would swallow the first keys.
    if (surface && surface.draw_count > 0 && this.main.inputs?.state === "ready" && !this.pictured) {
      this.pictured = true;
      this.callbacks.pictured(surface.canvas);
      return;
    }
    this.looking = window.setTimeout(() => this.look(), PICTURE_LOOK_MS);
  }

  private end(code: number): void {
    if (this.over) return;
    this.over = true;
    this.callbacks.lost(code);
    this.close();
  }

  private close(): void {
    window.clearTimeout(this.looking);
    this.main.stop();
  }
}
