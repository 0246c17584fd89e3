import { expect, it } from "vitest";
import { keyBlob, makeKeyPair } from "../../src/core/ssh-keys.ts";

it("every key pair has a public key of 32 bytes, also one that begins with a zero", () => {
  // Of as many that the library makes, some begin with a zero, which it leaves out: all but once in two thousand runs.
  const lengths = Array.from({ length: 2000 }, () => keyBlob(makeKeyPair().publicKey).readUInt32BE(15));
  expect(new Set(lengths)).toEqual(new Set([32]));
});
