import assert from "node:assert/strict";
import { test } from "node:test";
import { Motions } from "../src/motions.js";
import type { Packet } from "../src/packet.js";
import type { Inputs } from "../src/spice-html5.js";

const ACK = { type: 111, data: new ArrayBuffer(0) };

/** An inputs channel that takes positions (mode 2) or movements (1), and what arrives there. */
function channel(mode: number): { motions: Motions; inputs: Inputs; sent: [number, number][] } {
  const sent: [number, number][] = [];
  const inputs = {
    state: "ready",
    waiting_for_ack: 0,
    mouse_mode: mode,
    send_msg: () => undefined,
    process_channel_message(): boolean {
      this.waiting_for_ack -= 4;
      return true;
    },
  } as Inputs;
  const send = (packet: Packet): boolean => {
    const bytes = new ArrayBuffer(packet.buffer_size());
    packet.to_buffer(bytes);
    const view = new DataView(bytes, 6);
    sent.push([view.getInt32(0, true), view.getInt32(4, true)]);
    return true;
  };
  const motions = new Motions(() => inputs, send);
  motions.follow(inputs);
  return { motions, inputs, sent };
}

test("the last position is sent once the desktop has caught up", () => {
  const { motions, inputs, sent } = channel(2);
  for (let x = 1; x <= 20; x += 1) motions.move(x, 0, 0);
  assert.equal(sent.length, 8);
  inputs.process_channel_message(ACK);
  assert.deepEqual(sent.at(-1), [20, 0]);
  inputs.process_channel_message(ACK);
  assert.equal(sent.length, 9, "nothing more is waiting");
});

test("what a click follows is sent before it, whatever waits", () => {
  const { motions, sent } = channel(2);
  for (let x = 1; x <= 20; x += 1) motions.move(x, x, 0);
  motions.flush();
  assert.deepEqual(sent.at(-1), [20, 20]);
});

test("movements that wait add up", () => {
  const { motions, inputs, sent } = channel(1);
  for (let n = 0; n < 20; n += 1) motions.move(1, -2, 0);
  inputs.process_channel_message(ACK);
  const all = sent.reduce(([x, y], [dx, dy]) => [x + dx, y + dy], [0, 0]);
  assert.deepEqual(all, [20, -40]);
});
