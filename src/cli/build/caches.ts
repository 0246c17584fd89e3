import { setGlobalProxyFromEnv } from "node:http";
import type { Project } from "../../config/model.ts";
import { usageError } from "../../core/errors.ts";
import { hasGrown } from "../../pipeline/builds.ts";
import { pruneCache } from "../../pipeline/prune.ts";
import { openSharedCache } from "../../pipeline/shared/shared-cache.ts";
import type { Context } from "../../pipeline/step.ts";

/**
 * Builds with the cache that the project shares, if any, and leaves both caches in order: what is to be sent is sent,
 * and the local one is within its bounds, also when the build failed. Throws RTK_CACHE_URL.
 */
export async function withCaches<T>(
  context: Context,
  { cache }: Pick<Project, "cache">,
  work: (context: Context) => Promise<T>,
  env: NodeJS.ProcessEnv = process.env,
): Promise<T> {
  const url = sharedUrl(cache.url, env["RTKIT_CACHE_URL"]);
  const secrets = { token: given(env["RTKIT_CACHE_TOKEN"]), secret: given(env["RTKIT_CACHE_SECRET"]) };
  // http_proxy, https_proxy and no_proxy hold as they do for other programs.
  const restoreProxy = url === undefined ? undefined : setGlobalProxyFromEnv(env);
  const shared = url === undefined ? undefined : openSharedCache(context, { url, ...secrets });
  try {
    return await work(shared === undefined ? context : { ...context, shared });
  } finally {
    if (!context.signal.aborted) {
      await shared?.settle();
      // Looking at every entry takes as long as a build without changes.
      if (hasGrown(context.cacheDir)) await pruneCache(context.cacheDir);
    }
    restoreProxy?.();
  }
}

/** The environment's word counts before the project's; when it is empty, nothing is shared. */
function sharedUrl(configured: string | null, override: string | undefined): URL | undefined {
  if (override === undefined) return configured === null ? undefined : new URL(configured);
  if (override === "") return undefined;
  const url = URL.canParse(override) ? new URL(override) : undefined;
  if (url !== undefined && ["http:", "https:"].includes(url.protocol)) return url;
  throw usageError("RTK_CACHE_URL", "RTKIT_CACHE_URL is not the URL of an http or https server", {
    hint: "set it for example to https://cache.example.com/rtkit, or to nothing to share nothing",
  });
}

function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
