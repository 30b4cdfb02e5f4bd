import assert from "node:assert/strict";
import { test } from "node:test";
import { ending } from "../src/limit.js";
import { ENGLISH } from "../src/strings.js";

test("nothing is said of a session without an end, and a rule that comes later is still heard of", () => {
  for (const [endsInS, endsBy] of [[null, ""], [20, "grace"]] as const) {
    assert.deepEqual(ending(endsInS, endsBy, ENGLISH), { text: "", askInS: 600 });
  }
});

test("it is asked again when there may be something to say", () => {
  assert.deepEqual(ending(36_000, "longest", ENGLISH), { text: "", askInS: 600 });
  assert.deepEqual(ending(400, "longest", ENGLISH), { text: "", askInS: 100 });
  assert.deepEqual(ending(301, "longest", ENGLISH), { text: "", askInS: 5 });
  assert.deepEqual(ending(400, "idle", ENGLISH), { text: "", askInS: 340 });
});

test("the last minutes are counted, and who is idle is told how to stay", () => {
  assert.deepEqual(ending(300, "longest", ENGLISH), {
    text: "This session ends in 5 min. Save your work.",
    askInS: 60,
  });
  assert.deepEqual(ending(130, "longest", ENGLISH), {
    text: "This session ends in 3 min. Save your work.",
    askInS: 10,
  });
  assert.match(ending(59, "longest", ENGLISH).text, /less than a minute/);
  const idle = ending(42.2, "idle", ENGLISH);
  assert.match(idle.text, /Move the mouse to go on/);
  assert.equal(idle.askInS, 5);
});
