/* PC set-1 scan codes by the physical key (`KeyboardEvent.code`): what the guest's own keyboard layout expects. A code over
   0xff is an extended one: 0xe0 first, then the low byte. */

const ROWS: Record<number, string[]> = {
  0x01: ["Escape"],
  0x02: "1234567890".split("").map((digit) => `Digit${digit}`),
  0x0c: ["Minus", "Equal", "Backspace", "Tab"],
  0x10: "QWERTYUIOP".split("").map((letter) => `Key${letter}`),
  0x1a: ["BracketLeft", "BracketRight", "Enter", "ControlLeft"],
  0x1e: "ASDFGHJKL".split("").map((letter) => `Key${letter}`),
  0x27: ["Semicolon", "Quote", "Backquote", "ShiftLeft", "Backslash"],
  0x2c: "ZXCVBNM".split("").map((letter) => `Key${letter}`),
  0x33: ["Comma", "Period", "Slash", "ShiftRight", "NumpadMultiply", "AltLeft", "Space", "CapsLock"],
  0x3b: Array.from({ length: 10 }, (_, n) => `F${n + 1}`),
  0x45: ["NumLock", "ScrollLock"],
  0x47: ["Numpad7", "Numpad8", "Numpad9", "NumpadSubtract", "Numpad4", "Numpad5", "Numpad6", "NumpadAdd"],
  0x4f: ["Numpad1", "Numpad2", "Numpad3", "Numpad0", "NumpadDecimal"],
  0x56: ["IntlBackslash", "F11", "F12"],
  0x59: ["NumpadEqual"],
  0x70: ["KanaMode"],
  0x73: ["IntlRo"],
  0x79: ["Convert"],
  0x7b: ["NonConvert"],
  0x7d: ["IntlYen"],
  0xe01c: ["NumpadEnter", "ControlRight"],
  0xe035: ["NumpadDivide"],
  0xe037: ["PrintScreen", "AltRight"],
  0xe046: ["Pause"],
  0xe047: ["Home", "ArrowUp", "PageUp"],
  0xe04b: ["ArrowLeft"],
  0xe04d: ["ArrowRight"],
  0xe04f: ["End", "ArrowDown", "PageDown", "Insert", "Delete"],
  0xe05b: ["MetaLeft", "MetaRight", "ContextMenu"],
};

const SCAN_CODES: ReadonlyMap<string, number> = new Map(
  Object.entries(ROWS).flatMap(([first, codes]) => codes.map((code, n): [string, number] => [code, Number(first) + n])),
);

/** The scan code of a physical key; undefined for one that a PC keyboard does not have. */
export function scanCode(code: string): number | undefined {
  return SCAN_CODES.get(code);
}

/** The four bytes that tell the guest of a key, as SPICE's KEY_DOWN and KEY_UP carry them. */
export function keyBytes(scan: number, down: boolean): number {
  const low = (scan & 0xff) | (down ? 0 : 0x80);
  return scan > 0xff ? 0xe0 | (low << 8) : low;
}

const SHIFTED = '~!@#$%^&*()_+{}|:"<>?';
const PLAIN = "`1234567890-=[]\\;',./";
const CODES = [
  "Backquote", "Digit1", "Digit2", "Digit3", "Digit4", "Digit5", "Digit6", "Digit7", "Digit8", "Digit9", "Digit0",
  "Minus", "Equal", "BracketLeft", "BracketRight", "Backslash", "Semicolon", "Quote", "Comma", "Period", "Slash",
];

/** Which keys of a US keyboard write `character`: for on-screen keyboards, which name characters and not keys. */
export function keysFor(character: string): string[] {
  if (/^[a-z]$/.test(character)) return [`Key${character.toUpperCase()}`];
  if (/^[A-Z]$/.test(character)) return ["ShiftLeft", `Key${character}`];
  if (character === " ") return ["Space"];
  if (character === "\n") return ["Enter"];
  if (character === "\t") return ["Tab"];
  const plain = PLAIN.indexOf(character);
  if (plain >= 0) return [CODES[plain] ?? ""];
  const upper = SHIFTED.indexOf(character);
  // SHIFTED follows PLAIN key by key, with `~` first.
  return upper >= 0 ? ["ShiftLeft", CODES[upper] ?? ""] : [];
}
