import { expect, it } from "vitest";
import type { DeployRecord } from "../../src/deploy/record.ts";
import { sealFor } from "../../src/deploy/seal.ts";
import type { Sign } from "../../src/deploy/sign.ts";

const address = { host: "arm.local", port: null, user: "robot" };
const NOW = 1_790_000_000;
const record: DeployRecord = { release: "a".repeat(64), time: NOW };
const sign: Sign = async ({ time }) => `signed ${time}`;
const nobody: Sign = async () => null;

it("signs where a key is at hand, and only boards that ask for signatures need one", async () => {
  const open = { signed: false, newestRecord: 0 };
  expect(await sealFor(address, open, { record, sign: nobody })).toEqual({ record, signature: null });
  expect(await sealFor(address, {}, { record, sign })).toEqual({ record, signature: `signed ${NOW}` });
  const strict = { signed: true, newestRecord: 0 };
  expect(await sealFor(address, strict, { record, sign })).toEqual({ record, signature: `signed ${NOW}` });
  await expect(sealFor(address, strict, { record, sign: nobody })).rejects.toMatchObject({
    code: "RTK_DEPLOY_UNSIGNED",
    message: "arm.local takes only signed releases, and no key to sign is at hand",
  });
});

it.each([
  [NOW - 1, NOW],
  [NOW, NOW + 1],
  [NOW + 59, NOW + 60],
])("after a record of %d one of 1790000000 gets the time %d", async (newestRecord, time) => {
  const sealed = await sealFor(address, { signed: true, newestRecord }, { record, sign });
  expect(sealed).toEqual({ record: { ...record, time }, signature: `signed ${time}` });
});

it("a clock that is behind by more than people's clocks differ is told, with both times", async () => {
  const status = { signed: true, newestRecord: NOW + 60 };
  await expect(sealFor(address, status, { record, sign })).rejects.toMatchObject({
    code: "RTK_DEPLOY_CLOCK",
    message:
      "it is 2026-09-21 14:13:20 UTC here, and arm.local took a release that was signed at 2026-09-21 14:14:20 UTC: it takes only newer ones",
  });
});
