import { expect, it } from "vitest";
import { connectFailure } from "../../src/deploy/ssh-failures.ts";

const address = { host: "arm.local", port: null, user: "robot" };

it.each([
  ["ssh: connect to host arm.local port 22: Connection timed out", "RTK_SSH_UNREACHABLE"],
  ["ssh: connect to host arm.local port 22: No route to host", "RTK_SSH_UNREACHABLE"],
  ["ssh: connect to host arm.local port 22: Network is unreachable", "RTK_SSH_UNREACHABLE"],
  ["ssh: connect to host arm.local port 22: Connection refused", "RTK_SSH_REFUSED"],
  ["ssh: Could not resolve hostname arm.local: Name or service not known", "RTK_SSH_HOST_NOT_FOUND"],
  ["Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures", "RTK_SSH_LOGIN"],
  ["kex_exchange_identification: Connection closed by remote host", "RTK_SSH_FAILED"],
  ["", "RTK_SSH_FAILED"],
])("%j is %s", (said, code) => {
  expect(connectFailure(address, said)).toMatchObject({ code, exitStatus: 1, hint: expect.any(String) });
});

it("a changed key that is in a file of several lines has its place, also where Debian adds a command", () => {
  const said = [
    "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @",
    "Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.",
    "Offending ED25519 key in /home/me/.ssh/known_hosts:7",
    "  remove with:",
    '  ssh-keygen -f "/home/me/.ssh/known_hosts" -R "arm.local"',
    "Host key for arm.local has changed and you have requested strict checking.",
    "Host key verification failed.",
  ];
  expect(connectFailure(address, said.join("\r\n"))).toMatchObject({
    code: "RTK_SSH_HOST_KEY_CHANGED",
    where: { file: "/home/me/.ssh/known_hosts", line: 7 },
    hint: expect.stringMatching(/ssh-keygen -f \/home\/me\/\.ssh\/known_hosts -R arm\.local$/),
  });
});
