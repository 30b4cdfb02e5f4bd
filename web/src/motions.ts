/* The pointer's movements: no more on their way than the desktop answers, and the last one never lost. */

import { Packet } from "./packet.js";
import type { Inputs } from "./spice-html5.js";

const MOUSE_MOTION = 111;
const MOUSE_POSITION = 112;
const MOUSE_MOTION_ACK = 111;
const MODE_CLIENT = 2;
/** The server answers every fourth motion; more than eight unanswered ones would only queue up. */
const MOTIONS_UNANSWERED = 8;

interface Motion {
  readonly x: number;
  readonly y: number;
  readonly buttons: number;
  readonly absolute: boolean;
}

export class Motions {
  private waiting: Motion | null = null;

  constructor(
    private readonly inputs: () => Inputs | undefined,
    private readonly send: (packet: Packet) => boolean,
  ) {}

  /** Whether the guest takes positions; else it takes movements only (no agent and no tablet yet). */
  get absolute(): boolean {
    return this.inputs()?.mouse_mode === MODE_CLIENT;
  }

  /** A position, or a movement where the guest takes those. It goes at once, or when the desktop has caught up. */
  move(x: number, y: number, buttons: number): void {
    const inputs = this.inputs();
    if (!inputs) return;
    const absolute = this.absolute;
    const before = !absolute && this.waiting && !this.waiting.absolute ? this.waiting : { x: 0, y: 0 };
    this.waiting = { x: before.x + x, y: before.y + y, buttons, absolute };
    if (inputs.waiting_for_ack < MOTIONS_UNANSWERED) this.flush();
  }

  /** Send what waits, whatever the desktop has answered: a button that follows belongs there. */
  flush(): void {
    const inputs = this.inputs();
    if (!inputs || !this.waiting) return;
    const { x, y, buttons, absolute } = this.waiting;
    const body = new DataView(new ArrayBuffer(absolute ? 11 : 10));
    body.setInt32(0, x, true);
    body.setInt32(4, y, true);
    body.setUint16(8, buttons, true);
    if (!this.send(new Packet(absolute ? MOUSE_POSITION : MOUSE_MOTION, new Uint8Array(body.buffer)))) return;
    this.waiting = null;
    inputs.waiting_for_ack += 1;
  }

  /** Listen to the desktop's answers. To be called once for each inputs channel. */
  follow(inputs: Inputs): void {
    const process = inputs.process_channel_message;
    inputs.process_channel_message = (message) => {
      const known = process.call(inputs, message);
      if (message.type === MOUSE_MOTION_ACK && inputs.waiting_for_ack < MOTIONS_UNANSWERED) this.flush();
      return known;
    };
  }
}
