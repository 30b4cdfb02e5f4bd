import assert from "node:assert/strict";
import { test } from "node:test";
import type { Desktop } from "../src/desktop.js";
import { Keyboard } from "../src/keyboard.js";

test("with Cmd held a key is pressed and let go at once, since on a Mac its end is never told", () => {
  const handlers = new Map<string, (event: unknown) => void>();
  const said: string[] = [];
  const screen = { addEventListener: (name: string, handler: (event: unknown) => void) => handlers.set(name, handler) };
  globalThis.window = { addEventListener: () => undefined } as never;
  const desktop = {
    key: (code: string, down: boolean) => {
      said.push(`${down ? "+" : "-"}${code}`);
      return true;
    },
  };
  new Keyboard(
    screen as never,
    () => desktop as unknown as Desktop,
    () => undefined,
    () => Promise.resolve(),
  );
  const key = (name: "keydown" | "keyup", code: string, metaKey: boolean): void =>
    handlers.get(name)?.({
      code,
      key: code === "KeyC" ? "c" : "Meta",
      metaKey,
      ctrlKey: false,
      altKey: false,
      shiftKey: false,
      isComposing: false,
      getModifierState: () => false,
      stopPropagation: () => undefined,
      preventDefault: () => undefined,
    });
  key("keydown", "MetaLeft", true);
  key("keydown", "KeyC", true);
  key("keyup", "MetaLeft", false);
  assert.deepEqual(said, ["+MetaLeft", "+KeyC", "-KeyC", "-MetaLeft"]);
});
