/* One message to the desktop, with the short header that every server takes. */

import type { Outgoing } from "./spice-html5.js";

export class Packet implements Outgoing {
  constructor(
    readonly type: number,
    private readonly body: Uint8Array,
  ) {}

  buffer_size(): number {
    return 6 + this.body.length;
  }

  to_buffer(buffer: ArrayBuffer): void {
    const view = new DataView(buffer);
    view.setUint16(0, this.type, true);
    view.setUint32(2, this.body.length, true);
    new Uint8Array(buffer).set(this.body, 6);
  }
}
