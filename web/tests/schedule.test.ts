import assert from "node:assert/strict";
import { test } from "node:test";
import { afterClose, ENDED, REPLACED } from "../src/closing.js";
import { Schedule } from "../src/schedule.js";
import { ENGLISH, fill, stringsFrom } from "../src/strings.js";

test("waits grow, stay at the longest, and begin anew", () => {
  const schedule = new Schedule();
  assert.deepEqual(Array.from({ length: 7 }, () => schedule.next()), [1, 2, 4, 8, 15, 15, 15]);
  schedule.reset();
  assert.equal(schedule.next(), 1);
});

test("only what can't be mended is given up", () => {
  assert.equal(afterClose(ENDED), "ended");
  assert.equal(afterClose(REPLACED), "elsewhere");
  for (const code of [1000, 1006, 1012, 4403, 4502, 4503, 4504]) assert.equal(afterClose(code), "retry");
});

test("translations replace what they name and nothing else", () => {
  const strings = stringsFrom('{"lost": "Megszakadt.", "unknown": "x", "keys": 5}');
  assert.equal(strings.lost, "Megszakadt.");
  assert.equal(strings.keys, ENGLISH.keys);
  assert.ok(!("unknown" in strings));
  assert.deepEqual(stringsFrom(undefined), ENGLISH);
  assert.equal(fill("in {seconds} s, {other}", { seconds: 3 }), "in 3 s, {other}");
});
