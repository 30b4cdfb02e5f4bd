/* The guest's agent: messages to it, and what it says, put together from pieces. Layouts and numbers: vd_agent.h of
   spice-protocol. spice-html5 carries the pieces and keeps account of their tokens. */

import type { Main } from "./spice-html5.js";

const AGENT_DISCONNECTED = 108;
const AGENT_DATA = 109;
const AGENT_TOKEN = 110;
const HEADER_BYTES = 20;
/** More than any policy lets through; an agent that names a larger message is not listened to any more. */
const MESSAGE_MAX_BYTES = 256 << 20;

export const Kind = {
  MONITORS_CONFIG: 2,
  CLIPBOARD: 4,
  ANNOUNCE_CAPABILITIES: 6,
  CLIPBOARD_GRAB: 7,
  CLIPBOARD_REQUEST: 8,
  FILE_XFER_START: 10,
  FILE_XFER_STATUS: 11,
  FILE_XFER_DATA: 12,
} as const;

/** Numbers of bits. */
export const Capability = {
  MOUSE_STATE: 0,
  MONITORS_CONFIG: 1,
  REPLY: 2,
  CLIPBOARD_BY_DEMAND: 5,
  CLIPBOARD_SELECTION: 6,
  GUEST_LINEEND_CRLF: 9,
  FILE_XFER_DISABLED: 13,
  FILE_XFER_DETAILED_ERRORS: 14,
} as const;

const OURS = [
  Capability.MOUSE_STATE,
  Capability.MONITORS_CONFIG,
  Capability.REPLY,
  Capability.CLIPBOARD_BY_DEMAND,
  Capability.CLIPBOARD_SELECTION,
  Capability.FILE_XFER_DETAILED_ERRORS,
].reduce<number>((bits, bit) => bits | (1 << bit), 0);

export interface Listener {
  /** The agent is there and has said what it can; it may say so again. */
  ready?(): void;
  /** What was on its way to it, or from it, is lost. */
  gone?(): void;
  /** What was sent has left for the desktop: more may follow. */
  drained?(): void;
  message?(kind: number, body: DataView): void;
}

export class Agent {
  private readonly listeners: Listener[] = [];
  private capabilities = 0;
  private pieces: Uint8Array[] = [];
  private held = 0;
  /** So many bytes must be there before there is anything to read. */
  private wanted = HEADER_BYTES;

  constructor(private readonly main: Main) {
    const process = main.process_channel_message;
    main.process_channel_message = (message) => {
      if (message.type === AGENT_DATA) {
        this.take(new Uint8Array(message.data));
        return true;
      }
      const known = process.call(main, message);
      if (message.type === AGENT_DISCONNECTED) this.lose();
      if (message.type === AGENT_TOKEN && this.idle) for (const listener of this.listeners) listener.drained?.();
      return known;
    };
    main.announce_agent_capabilities = (request) => this.announce(request);
  }

  listen(listener: Listener): void {
    this.listeners.push(listener);
  }

  can(capability: number): boolean {
    return (this.capabilities & (1 << capability)) !== 0;
  }

  get there(): boolean {
    return this.capabilities !== 0;
  }

  /** Whether nothing waits for the agent's tokens. */
  get idle(): boolean {
    return this.main.agent_msg_queue.length === 0;
  }

  send(kind: number, ...parts: Uint8Array[]): void {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    this.main.send_agent_message(kind, {
      buffer_size: () => size,
      to_buffer: (buffer, at) => {
        let offset = at;
        for (const part of parts) {
          new Uint8Array(buffer).set(part, offset);
          offset += part.length;
        }
      },
    });
  }

  private lose(): void {
    this.capabilities = this.held = 0;
    this.pieces = [];
    this.wanted = HEADER_BYTES;
    for (const listener of this.listeners) listener.gone?.();
  }

  private announce(request: number): void {
    this.send(Kind.ANNOUNCE_CAPABILITIES, words(request, OURS));
  }

  private take(piece: Uint8Array): void {
    this.pieces.push(piece);
    this.held += piece.length;
    while (this.held >= this.wanted) {
      const bytes = this.joined();
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      this.wanted = HEADER_BYTES + view.getUint32(16, true);
      if (this.wanted > MESSAGE_MAX_BYTES) throw new Error(`The agent names a message of ${this.wanted} bytes.`);
      if (this.held < this.wanted) return;
      const body = new DataView(bytes.buffer, bytes.byteOffset + HEADER_BYTES, this.wanted - HEADER_BYTES);
      this.pieces = [bytes.subarray(this.wanted)];
      this.held -= this.wanted;
      this.wanted = HEADER_BYTES;
      this.tell(view.getUint32(4, true), body);
    }
  }

  private joined(): Uint8Array {
    const [first] = this.pieces;
    if (first && this.pieces.length === 1) return first;
    const whole = new Uint8Array(this.held);
    let at = 0;
    for (const piece of this.pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    this.pieces = [whole];
    return whole;
  }

  private tell(kind: number, body: DataView): void {
    if (kind === Kind.ANNOUNCE_CAPABILITIES) {
      this.capabilities = body.byteLength >= 8 ? body.getUint32(4, true) : 0;
      if (body.getUint32(0, true)) this.announce(0);
      for (const listener of this.listeners) listener.ready?.();
    }
    for (const listener of this.listeners) listener.message?.(kind, body);
  }
}

/** Numbers of 32 bits, as the protocol writes them. */
export function words(...numbers: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * numbers.length));
  numbers.forEach((number, at) => view.setUint32(4 * at, number, true));
  return new Uint8Array(view.buffer);
}
