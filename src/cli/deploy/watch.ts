import { loadProject } from "../../config/load.ts";
import { RtkitError, RtkitErrors } from "../../core/errors.ts";
import { formatMs } from "../../core/units.ts";
import { sourceFacts } from "../../deploy/deploy-facts.ts";
import { connect, type Connection } from "../../deploy/transport.ts";
import { allOrAbort } from "../../pipeline/concurrent.ts";
import type { Context } from "../../pipeline/step.ts";
import { releaseRows } from "../build/build-release.ts";
import { withCaches } from "../build/caches.ts";
import { loadOptions, warn } from "../project.ts";
import { chooseBoards, shortId, sshSettings } from "./boards.ts";
import { checkProject, healthCommand } from "./checks.ts";
import { buildProject, type BuildProject, type DeployCommandOptions } from "./deploy-boards.ts";
import { watchSaves, type Saves } from "./saves.ts";
import { healthTimeout } from "./settings.ts";
import { recordOf, signFor } from "./signing.ts";
import { lineReader } from "./traces.ts";
import { aborted, keepBoard, type Build, type WatchSession } from "./watched-board.ts";
import { jsonOutput, plainOutput, type WatchOutput } from "./watch-output.ts";

/**
 * The work of `rtkit deploy --watch`: deploys, and again on every save, and follows the nodes' logs. A mistake in the
 * project is shown, and the next save may mend it. Ends only by throwing: the signal's reason on Ctrl-C, and whatever is in
 * the way of the very first deploy but a mistake in the sources.
 */
export async function watchAndDeploy(
  context: Context,
  targets: readonly string[],
  options: DeployCommandOptions,
  build: BuildProject = buildHere(),
): Promise<never> {
  const timeoutSeconds = healthTimeout(options.timeout);
  const { project, warnings } = await loadProject(loadOptions(options));
  const addresses = chooseBoards(project.targets, targets, options.host);
  const output = options.json === true ? jsonOutput(context.emit) : plainOutput(addresses.length > 1);
  const shown = { ...context, emit: output.first };
  warn(shown, warnings);
  if (options.skipChecks !== true) await checkProject(context, project);
  const settings = sshSettings(options);
  const connections: Connection[] = [];
  const saves = watchSaves(project, context.signal);
  try {
    // One after the other: each may have a question.
    for (const address of addresses) connections.push(await connect(address, settings, context.signal));
    const builds = newestBuild();
    const readLine = lineReader(context.cacheDir);
    const session: WatchSession = { settings, timeoutSeconds, readLine, output, newer: builds.newer };
    await allOrAbort(shown, (inner) => [
      rebuild(inner, options, { saves, output, build, publish: builds.publish }),
      ...connections.map(async (connection) => keepBoard(inner, connection, session)),
      aborted(inner.signal),
    ]);
    throw new Error("watching ended by itself");
  } finally {
    saves.close();
    await Promise.all(connections.map(async (connection) => connection.close()));
  }
}

/** Builds once, and after each save. Mistakes of the user's are shown. */
async function rebuild(
  context: Context,
  options: DeployCommandOptions,
  {
    saves,
    output,
    build,
    publish,
  }: {
    readonly saves: Saves;
    readonly output: WatchOutput;
    readonly build: BuildProject;
    readonly publish: (build: Omit<Build, "number">) => void;
  },
): Promise<never> {
  let last: string | undefined;
  let shown = context;
  for (let saved: readonly string[] = []; ; saved = await saves.next()) {
    const started = performance.now();
    try {
      const { project, warnings } = await loadProject(loadOptions(options));
      if (saved.length > 0) warn(shown, warnings);
      const [release, sources] = await Promise.all([build(shown, project), sourceFacts(project.dir, context.signal)]);
      if (release.id !== last) {
        const took = formatMs(performance.now() - started);
        const what = saved.length === 0 ? "built" : `${saved.toSorted().slice(0, MOST_NAMED).join(", ")} saved: built`;
        output.say(`${what} ${shortId(release.id)} in ${took}`);
        const sign = signFor(options, async () => project.image.signers, context.signal);
        const seal = { record: recordOf(release.id, sources), sign };
        publish({ release, health: healthCommand(context, project), seal });
      }
      last = release.id;
    } catch (error) {
      if (context.signal.aborted || !(error instanceof RtkitError || error instanceof RtkitErrors)) throw error;
      output.mistakes(error);
    }
    shown = { ...context, emit: output.later };
  }
}

/** Files that are named when many were saved at once, as by git checkout. */
const MOST_NAMED = 3;

/** The first build takes what the team's server has; after that the cache here has all that does not change by a save. */
function buildHere(): BuildProject {
  let isFirst = true;
  return async (context, project) => {
    if (!isFirst) return buildProject(context, project);
    isFirst = false;
    context.emit({ type: "plan", steps: releaseRows(project) });
    return withCaches(context, project, async (inner) => buildProject(inner, project));
  };
}

/** Where the newest build is left and waited for. */
function newestBuild(): Pick<WatchSession, "newer"> & {
  readonly publish: (build: Omit<Build, "number">) => void;
} {
  const builds: Build[] = [];
  let another = Promise.withResolvers<void>();
  return {
    publish: (build) => {
      builds.splice(0, 1, { ...build, number: (builds[0]?.number ?? 0) + 1 });
      another.resolve();
      another = Promise.withResolvers<void>();
    },
    newer: async (number) => {
      for (;;) {
        const [newest] = builds;
        if (newest !== undefined && newest.number > number) return newest;
        await another.promise;
      }
    },
  };
}
