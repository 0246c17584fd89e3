import * as fc from "fast-check";
import { recordText, type DeployRecord } from "../../src/deploy/record.ts";

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: length, maxLength: length });
/** Whatever a machine, a user or a tag is called, as it gets into a record. */
const value = fc.string({ unit: "binary", maxLength: 400 }).map(recordText);

/** Any record that a deploy can make. */
export const anyRecord: fc.Arbitrary<DeployRecord> = fc.record({
  release: hex(64),
  time: fc.integer({ min: 1, max: 1e12 - 1 }),
  git: fc.option(fc.oneof(hex(40), hex(64)), { nil: undefined }),
  description: value,
  dirty: fc.option(fc.boolean(), { nil: undefined }),
  user: value,
  host: value,
});
