import { expect, test } from "vitest";
import { RtkitError } from "../../src/core/errors.ts";
import { exec } from "../../src/core/exec.ts";
import { inUserNamespace } from "../../src/core/user-namespace.ts";

test("a program is root there, and other users are subordinate ids", async () => {
  const { stdout } = await exec(
    ...inUserNamespace(["--mount"], ["sh", "-c", 'id -u; cat /proc/self/uid_map; echo "$1"', "sh", "a  b"]),
  );
  expect(stdout).toMatch(/^0\n +0 +\d+ +1\n +1 +\d+ +\d+\na {2}b\n$/);
});

test("where namespaces are refused it fails, and nothing is left that waits", async () => {
  // A namespace whose root forbids further ones, so that nothing of the machine changes.
  const refuse = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"';
  const [inner, words] = inUserNamespace(["--mount", "--pid", "--fork"], ["true"]);
  const failed = exec(...inUserNamespace([], ["sh", "-c", refuse, "sh", inner, ...words]));
  await expect(failed).rejects.toThrow(RtkitError);
  await expect(failed).rejects.toThrow("unshare failed");
});
