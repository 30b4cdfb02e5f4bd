import assert from "node:assert/strict";
import { test } from "node:test";
import { keyBytes, keysFor, scanCode } from "../src/keys.js";
import { lacksShift, pastes } from "../src/keyboard.js";

test("keys have the scan codes of a PC keyboard", () => {
  const known: Record<string, number> = {
    Escape: 0x01, Digit1: 0x02, Digit0: 0x0b, Minus: 0x0c, Backspace: 0x0e, Tab: 0x0f, KeyQ: 0x10, KeyP: 0x19,
    Enter: 0x1c, ControlLeft: 0x1d, KeyA: 0x1e, Semicolon: 0x27, Backquote: 0x29, ShiftLeft: 0x2a, Backslash: 0x2b,
    KeyZ: 0x2c, Slash: 0x35, ShiftRight: 0x36, NumpadMultiply: 0x37, AltLeft: 0x38, Space: 0x39, CapsLock: 0x3a,
    F1: 0x3b, F10: 0x44, NumLock: 0x45, Numpad7: 0x47, NumpadSubtract: 0x4a, NumpadAdd: 0x4e, Numpad0: 0x52,
    NumpadDecimal: 0x53, IntlBackslash: 0x56, F11: 0x57, F12: 0x58, NumpadEnter: 0xe01c, ControlRight: 0xe01d,
    NumpadDivide: 0xe035, AltRight: 0xe038, Home: 0xe047, ArrowUp: 0xe048, PageUp: 0xe049, ArrowLeft: 0xe04b,
    ArrowRight: 0xe04d, End: 0xe04f, ArrowDown: 0xe050, PageDown: 0xe051, Insert: 0xe052, Delete: 0xe053,
    MetaLeft: 0xe05b, MetaRight: 0xe05c, ContextMenu: 0xe05d,
  };
  for (const [code, scan] of Object.entries(known)) assert.equal(scanCode(code), scan, code);
  assert.equal(scanCode("BrowserBack"), undefined);
});

test("a key's bytes say down and up", () => {
  assert.equal(keyBytes(0x1e, true), 0x1e);
  assert.equal(keyBytes(0x1e, false), 0x9e);
  assert.equal(keyBytes(0xe048, true), 0x48e0);
  assert.equal(keyBytes(0xe048, false), 0xc8e0);
});

test("every printable character of ASCII can be typed", () => {
  for (let c = 32; c < 127; c += 1) {
    const keys = keysFor(String.fromCharCode(c));
    assert.ok(keys.length > 0, String.fromCharCode(c));
    for (const key of keys) assert.notEqual(scanCode(key), undefined, key);
  }
  assert.deepEqual(keysFor("_"), ["ShiftLeft", "Minus"]);
  assert.deepEqual(keysFor("~"), ["ShiftLeft", "Backquote"]);
  assert.deepEqual(keysFor("?"), ["ShiftLeft", "Slash"]);
  assert.deepEqual(keysFor("$"), ["ShiftLeft", "Digit4"]);
  assert.deepEqual(keysFor("é"), []);
});

test("a shifted character without Shift is noticed, and only that", () => {
  const event = (key: string, code: string, shiftKey = false, caps = false) => ({
    key, code, shiftKey, getModifierState: (name: string) => caps && name === "CapsLock",
  });
  assert.ok(lacksShift(event("F", "KeyF")));
  assert.ok(lacksShift(event("(", "Digit9")));
  assert.ok(!lacksShift(event("f", "KeyF")));
  assert.ok(!lacksShift(event("F", "KeyF", true)));
  assert.ok(!lacksShift(event("F", "KeyF", false, true)));
  assert.ok(!lacksShift(event("(", "Digit5"))); // AZERTY writes it so.
  assert.ok(!lacksShift(event("Enter", "Enter")));
});

test("keys that paste are known", () => {
  const key = (code: string, held: string) => ({
    code,
    ctrlKey: held.includes("c"),
    shiftKey: held.includes("s"),
    altKey: held.includes("a"),
  });
  for (const [code, held] of [["KeyV", "c"], ["KeyV", "cs"], ["Insert", "s"]] as const) assert.ok(pastes(key(code, held)));
  for (const [code, held] of [["KeyV", ""], ["KeyV", "ca"], ["Insert", "c"], ["Insert", ""], ["KeyC", "c"]] as const) {
    assert.ok(!pastes(key(code, held)));
  }
});
