import assert from "node:assert/strict";
import { constants, generateKeyPairSync, privateDecrypt } from "node:crypto";
import { test } from "node:test";
import { mendTickets } from "../src/ticket.js";

test("a password whose encrypted block begins with a zero byte arrives", async () => {
  globalThis.navigator ??= { appName: "" } as Navigator; // What spice-html5 asks for as it loads.
  const { SpiceConn } = await import("@spice-project/spice-html5/src/spiceconn.js");
  const { create_rsa_from_mb, rsa_encrypt } = await import("@spice-project/spice-html5/src/ticket.js");
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const der = publicKey.export({ type: "spki", format: "der" });
  const rsa = create_rsa_from_mb(new Uint8Array(der).buffer, 0);
  let block: number[];
  do block = rsa_encrypt(rsa, "once\0");
  while (block.length === 128);

  mendTickets(SpiceConn.prototype);
  const sent: ArrayBuffer[] = [];
  SpiceConn.prototype.send_ticket.call({ ws: { send: (bytes: ArrayBuffer) => sent.push(bytes) } }, block);

  assert.equal(sent.length, 1);
  const encrypted = new Uint8Array(sent[0]!, 4);
  const options = { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" };
  assert.equal(privateDecrypt(options, encrypted).toString(), "once\0");
});
