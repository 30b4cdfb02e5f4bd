import assert from "node:assert/strict";
import { test } from "node:test";
import { Agent, Capability, Kind, words } from "../src/agent.js";
import { Clipboard } from "../src/clipboard.js";
import { Files, type Progress } from "../src/files.js";
import { screenSize } from "../src/size.js";

interface Sent {
  kind: number;
  body: Uint8Array;
}

/** A main channel that keeps what is sent and hands over what a guest says. */
class Line {
  readonly sent: Sent[] = [];
  readonly others: number[] = [];
  agent_msg_queue: unknown[] = [];

  process_channel_message(message: { type: number; data: ArrayBuffer }): boolean {
    this.others.push(message.type);
    return true;
  }

  announce_agent_capabilities(): void {
    throw new Error("the agent's own is put in its place");
  }

  send_agent_message(kind: number, body: { buffer_size(): number; to_buffer(buffer: ArrayBuffer, at: number): void }) {
    const buffer = new ArrayBuffer(20 + body.buffer_size());
    body.to_buffer(buffer, 20);
    this.sent.push({ kind, body: new Uint8Array(buffer, 20) });
  }

  /** A message from the guest, in pieces of at most `size` bytes. */
  says(kind: number, body: Uint8Array, size = 2048): void {
    const whole = new Uint8Array([...words(1, kind, 0, 0, body.length), ...body]);
    for (let at = 0; at < whole.length; at += size) {
      this.process_channel_message({ type: 109, data: whole.slice(at, at + size).buffer });
    }
  }

  can(...capabilities: number[]): void {
    this.says(Kind.ANNOUNCE_CAPABILITIES, words(0, capabilities.reduce((bits, bit) => bits | (1 << bit), 0)));
  }
}

const SELECTING = [Capability.CLIPBOARD_BY_DEMAND, Capability.CLIPBOARD_SELECTION];
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(parts.flatMap((part) => [...part]));
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("messages come together from pieces of any size, and others pass", () => {
  for (const size of [1, 7, 20, 2048, 100_000]) {
    const line = new Line();
    const heard: [number, string][] = [];
    new Agent(line).listen({
      message: (kind, body) => heard.push([kind, new TextDecoder().decode(body)]),
    });
    line.says(77, utf8("x".repeat(5000)), size);
    line.says(78, utf8(""), size);
    line.process_channel_message({ type: 105, data: new ArrayBuffer(0) });
    assert.deepEqual(heard, [[77, "x".repeat(5000)], [78, ""]]);
    assert.deepEqual(line.others, [105]);
  }
});

test("what comes after an agent that left is not joined to its last piece", () => {
  const line = new Line();
  const agent = new Agent(line);
  let gone = 0;
  const heard: number[] = [];
  agent.listen({ gone: () => (gone += 1), message: (kind) => heard.push(kind) });
  line.can(Capability.MONITORS_CONFIG);
  assert.ok(agent.there);
  line.process_channel_message({ type: 109, data: new Uint8Array(words(1, 77, 0, 0, 500)).buffer as ArrayBuffer });
  line.process_channel_message({ type: 108, data: new ArrayBuffer(4) });
  assert.equal(gone, 1);
  assert.ok(!agent.there);
  line.says(78, utf8("new"));
  assert.deepEqual(heard, [Kind.ANNOUNCE_CAPABILITIES, 78]);
});

test("an agent that asks is told what the viewer can", () => {
  const line = new Line();
  new Agent(line);
  line.says(Kind.ANNOUNCE_CAPABILITIES, words(1, 0));
  assert.deepEqual(line.sent.map((one) => one.kind), [Kind.ANNOUNCE_CAPABILITIES]);
});

test("text copied here is offered once and given when asked for", async () => {
  for (const selecting of [true, false]) {
    const line = new Line();
    const agent = new Agent(line);
    const clipboard = new Clipboard(agent, { readText: async () => "árvíz\n2", writeText: async () => {} });
    const before = selecting ? [words(0)] : [];
    await clipboard.offer();
    assert.deepEqual(line.sent, [], "no agent that knows a clipboard is there yet");
    line.can(...(selecting ? SELECTING : [Capability.CLIPBOARD_BY_DEMAND]), Capability.GUEST_LINEEND_CRLF);
    await clipboard.offer();
    await clipboard.offer();
    line.says(Kind.CLIPBOARD_REQUEST, joined(...before, words(1)));
    line.says(Kind.CLIPBOARD_REQUEST, joined(...before, words(2)));
    assert.deepEqual(line.sent, [
      { kind: Kind.CLIPBOARD_GRAB, body: joined(...before, words(1)) },
      { kind: Kind.CLIPBOARD, body: joined(...before, words(1), utf8("árvíz\r\n2")) },
      { kind: Kind.CLIPBOARD, body: joined(...before, words(0)) },
    ]);
  }
});

test("the same text is offered again once the desktop has something else, or another agent", async () => {
  const line = new Line();
  const clipboard = new Clipboard(new Agent(line), { readText: async () => "same", writeText: async () => {} });
  const grabs = (): number => line.sent.filter((one) => one.kind === Kind.CLIPBOARD_GRAB).length;
  line.can(...SELECTING);
  await clipboard.offer();
  line.says(Kind.CLIPBOARD_GRAB, joined(words(0), words(2))); // a picture was copied in the desktop
  await clipboard.offer();
  assert.equal(grabs(), 2);
  line.process_channel_message({ type: 108, data: new ArrayBuffer(4) });
  line.can(...SELECTING);
  await clipboard.offer();
  assert.equal(grabs(), 3);
});

test("text copied in the desktop is here, at the latest with the next key, and is not offered back", async () => {
  const line = new Line();
  const written: string[] = [];
  let refusing = true;
  const clipboard = new Clipboard(new Agent(line), {
    readText: async () => written.at(-1) ?? "",
    writeText: async (text) => {
      if (refusing) throw new Error("not without a key");
      written.push(text);
    },
  });
  line.can(...SELECTING);
  line.says(Kind.CLIPBOARD_GRAB, joined(words(0), words(1)));
  line.says(Kind.CLIPBOARD_GRAB, joined(words(1), words(1))); // what is merely marked
  assert.deepEqual(line.sent, [{ kind: Kind.CLIPBOARD_REQUEST, body: words(0, 1) }]);
  line.says(Kind.CLIPBOARD, joined(words(0, 1), utf8("from inside\r\nä\0")));
  await soon();
  assert.deepEqual(written, []);
  refusing = false;
  await clipboard.keep();
  assert.deepEqual(written, ["from inside\nä"]);
  await clipboard.offer();
  assert.equal(line.sent.length, 1);
});

test("a file goes in slices, as fast as the agent takes them", async () => {
  const line = new Line();
  const told: Progress[] = [];
  const files = new Files(new Agent(line), (progress) => told.push(progress));
  const bytes = utf8("0123456789".repeat(15_000));
  files.send([new File([bytes], "too early")]);
  assert.equal(told.pop()?.outcome, "unready");
  line.can(Capability.MONITORS_CONFIG);
  files.send([new File([bytes], "a\\b\nc.bin"), new File([], "empty")]);
  assert.equal(line.sent.length, 1);
  const start = new TextDecoder().decode(line.sent[0]!.body.subarray(4));
  assert.equal(start, "[vdagent-file-xfer]\nname=a\\\\b\\nc.bin\nsize=150000\n\0");
  line.agent_msg_queue = ["no token is left"];
  line.says(Kind.FILE_XFER_STATUS, words(1, 0));
  await soon();
  assert.equal(line.sent.length, 1);
  line.agent_msg_queue = [];
  line.process_channel_message({ type: 110, data: new ArrayBuffer(4) });
  while (line.sent.length < 4) await soon();
  const data = line.sent.slice(1, 4);
  assert.deepEqual(joined(...data.map((one) => one.body.subarray(12))), bytes);
  line.says(Kind.FILE_XFER_STATUS, words(1, 3));
  line.says(Kind.FILE_XFER_STATUS, words(2, 0));
  while (line.sent.length < 6) await soon();
  assert.deepEqual(line.sent[5], { kind: Kind.FILE_XFER_DATA, body: words(2, 0, 0) });
  line.says(Kind.FILE_XFER_STATUS, words(2, 3));
  const ends = told.filter((one) => one.outcome !== "sending");
  assert.deepEqual(ends.map(({ name, outcome }) => [name, outcome]), [["a\\b\nc.bin", "sent"], ["empty", "sent"]]);
});

test("a file that is refused, given up or cut off is told so, and the next one goes on", async () => {
  const line = new Line();
  const ends: [string, string][] = [];
  const files = new Files(new Agent(line), ({ name, outcome }) => {
    if (outcome !== "sending") ends.push([name, outcome]);
  });
  line.can(Capability.MONITORS_CONFIG);
  files.send(["1", "2", "3"].map((name) => new File(["x"], name)));
  line.says(Kind.FILE_XFER_STATUS, words(1, 7));
  line.says(Kind.FILE_XFER_STATUS, words(2, 4));
  files.cancel();
  assert.deepEqual(line.sent.at(-1), { kind: Kind.FILE_XFER_STATUS, body: words(3, 1) });
  files.send([new File(["x"], "4")]);
  line.process_channel_message({ type: 108, data: new ArrayBuffer(4) });
  line.can(Capability.MONITORS_CONFIG, Capability.FILE_XFER_DISABLED);
  files.send([new File(["x"], "5")]);
  assert.deepEqual(ends, [["1", "forbidden"], ["2", "full"], ["3", "cancelled"], ["4", "failed"], ["5", "forbidden"]]);
});

test("the desktop is as large as the window, and never too small to work in", () => {
  assert.deepEqual(screenSize({ width: 1279.6, height: 719.2 }), { width: 1272, height: 712 });
  assert.deepEqual(screenSize({ width: 360, height: 720 }), { width: 800, height: 1600 });
  assert.deepEqual(screenSize({ width: 900, height: 300 }), { width: 1800, height: 600 });
  assert.deepEqual(screenSize({ width: 5120, height: 2880 }), { width: 4096, height: 2160 });
});
