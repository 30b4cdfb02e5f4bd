import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import type { Desktop } from "../src/desktop.js";
import { Pointer } from "../src/pointer.js";

type Handler = (event: unknown) => void;
const handlers = new Map<string, Handler>();
let said: string[] = [];

const canvas = {
  width: 800,
  height: 600,
  getBoundingClientRect: () => ({ left: 0, top: 0, width: 800, height: 600 }),
};
const screen = {
  addEventListener: (name: string, handler: Handler) => handlers.set(name, handler),
  querySelector: () => canvas,
};
const desktop = {
  absolute: true,
  move: (x: number, y: number) => said.push(`move ${x} ${y}`),
  button: (button: number, down: boolean) => said.push(`${down ? "press" : "release"} ${button}`),
};

function touch(name: string, finger: number, x: number, y: number): void {
  handlers.get(name)?.({
    pointerType: "touch",
    type: name,
    pointerId: finger,
    clientX: x,
    clientY: y,
    target: {},
    preventDefault: () => undefined,
  });
}

beforeEach(() => {
  globalThis.window ??= { setTimeout: () => 1, clearTimeout: () => undefined } as never;
  handlers.clear();
  said = [];
  new Pointer(screen as never, () => desktop as unknown as Desktop, () => undefined);
});

test("a tap clicks where it was", () => {
  touch("pointerdown", 1, 10, 20);
  touch("pointerup", 1, 10, 20);
  assert.deepEqual(said, ["move 10 20", "press 1", "release 1"]);
});

test("two fingers scroll, and neither clicks nor drags as it leaves", () => {
  touch("pointerdown", 1, 100, 300);
  touch("pointerdown", 2, 200, 300);
  said = [];
  for (let y = 290; y >= 100; y -= 10) {
    touch("pointermove", 1, 100, y);
    touch("pointermove", 2, 200, y);
  }
  touch("pointerup", 1, 100, 100);
  touch("pointermove", 2, 200, 50);
  touch("pointerup", 2, 200, 50);
  assert.ok(said.length > 0);
  assert.deepEqual([...new Set(said)], ["press 5", "release 5"]);
  said = [];
  touch("pointerdown", 3, 5, 6);
  touch("pointerup", 3, 5, 6);
  assert.deepEqual(said, ["move 5 6", "press 1", "release 1"], "the next tap is one again");
});

test("a second finger lets go of what the first one drags", () => {
  touch("pointerdown", 1, 10, 10);
  touch("pointermove", 1, 60, 10);
  touch("pointerdown", 2, 200, 200);
  assert.equal(said.at(-1), "release 1");
});
