import * as fc from "fast-check";
import { PackageURL } from "packageurl-js";
import { describe, expect, test } from "vitest";
import { packageUrl } from "../../src/image/purl.ts";

const deb = (name: string, version: string, qualifiers = {}): string =>
  packageUrl({ type: "deb", namespace: "debian", name, version, qualifiers });

describe("package URLs", () => {
  // Of the specification's own examples and tests: types/deb-definition.json, tests/types/npm-test.json, pypi-test.json.
  test.each([
    [
      "pkg:deb/debian/curl@7.50.3-1?arch=i386&distro=jessie",
      deb("curl", "7.50.3-1", { distro: "jessie", arch: "i386" }),
    ],
    ["pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64", deb("attr", "1:2.4.47-2+b1", { arch: "amd64" })],
    ["pkg:npm/foobar@12.3.1", packageUrl({ type: "npm", name: "foobar", version: "12.3.1" })],
    [
      "pkg:npm/%40angular/animation@12.3.1",
      packageUrl({ type: "npm", namespace: "@angular", name: "animation", version: "12.3.1" }),
    ],
    [
      "pkg:pypi/django-package@1.11.1.dev1",
      packageUrl({ type: "pypi", name: "Django_package", version: "1.11.1.dev1" }),
    ],
  ])("%s", (wanted, written) => expect(written).toBe(wanted));

  test("leave out what is not known", () => {
    expect(packageUrl({ type: "npm", name: "x", version: null, qualifiers: { arch: undefined } })).toBe("pkg:npm/x");
  });

  test("are read by another implementation as what they were written from", () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,20}$/);
    const version = fc.stringMatching(/^[0-9][0-9a-z+.:~-]{0,20}$/);
    fc.assert(
      fc.property(name, version, version, (source, own, other) => {
        const read = PackageURL.fromString(deb(source, own, { upstream: `${source}@${other}` }));
        expect(read).toMatchObject({ type: "deb", namespace: "debian", name: source, version: own });
        expect(read.qualifiers).toEqual({ upstream: `${source}@${other}` });
      }),
    );
  });
});
