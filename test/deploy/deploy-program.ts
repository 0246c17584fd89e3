// Deploys a small release as `rtkit deploy` does, without building one, for tests that interrupt it. Arguments: the port of a
// board on the loopback, the file of ssh's configuration, the version of the node.
import { userInfo } from "node:os";
import { deployToAll } from "../../src/cli/deploy/deploy-boards.ts";
import { runCommand } from "../../src/cli/session.ts";
import { withConnections } from "../../src/deploy/connect-all.ts";
import { releaseOf } from "./releases.ts";

const [port, config, version = "1"] = process.argv.slice(2);
const address = { host: "127.0.0.1", port: Number(port), user: userInfo().username };
const settings = { config, acceptNew: true, ask: false };
const limits = { timeoutSeconds: 60, concurrency: 1, canary: 0, maxFailures: 0 };

process.exitCode = await runCommand({}, async (context) =>
  withConnections([address], { settings, concurrency: 1, signal: context.signal }, async (boards) =>
    deployToAll(context, boards, releaseOf({ name: "imu", version }), limits),
  ),
);
