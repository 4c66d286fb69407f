import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { isLoopback, parseStaticAddress } from "@lading/registry-client";
import { StaticRegistryError } from "../static-error.ts";
import type { RegistryStore } from "../store.ts";
import { directoryStore } from "./directory-store.ts";
import { gitStore } from "./git-store.ts";
import { releasesStore } from "./releases-store.ts";
import { s3Store } from "./s3-store.ts";

/** What a store is opened with. */
export interface OpenStoreOptions {
  /** Where credentials are: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `GITHUB_TOKEN`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Branch of a Git repository; its default unless given. */
  readonly branch?: string | undefined;
}

function need(env: OpenStoreOptions["env"], location: string, ...names: readonly string[]): string {
  const found = names.map((name) => env[name]).find((value) => value !== undefined && value !== "");
  if (found !== undefined) return found;
  throw new StaticRegistryError({
    code: "STATIC_STORE_REFUSED",
    message: `Cannot write to "${location}": ${names.join(" or ")} is not set`,
    hint: "Set it in the environment; what it holds is never written or shown",
  });
}

/**
 * What is written with goes along with every request: nobody between may read it.
 * @throws {StaticRegistryError} `STATIC_LOCATION_INVALID`
 */
function refusePlain(url: string, location: string): void {
  const { protocol } = new URL(url);
  if (protocol !== "http:" || isLoopback(new URL(url))) return;
  throw new StaticRegistryError({
    code: "STATIC_LOCATION_INVALID",
    message: `Cannot keep a registry at "${location}": it is plain http: to another machine, allowed are https: and http: to this one`,
  });
}

/**
 * Opens the place of a registry: a directory or `file:` URL, `git+URL`, `s3+URL` or `releases+URL`, as a client is given it.
 * @throws {StaticRegistryError} `STATIC_LOCATION_INVALID`, `STATIC_STORE_REFUSED` where credentials are missing
 */
export function openStore(location: string, options: OpenStoreOptions): RegistryStore {
  const { env, branch } = options;
  const address = parseStaticAddress(location);
  if (address?.kind === "git") return gitStore({ url: address.url, branch, env });
  if (branch !== undefined) {
    throw new StaticRegistryError({
      code: "STATIC_LOCATION_INVALID",
      message: `Cannot use the branch "${branch.slice(0, 100)}" of "${location}": only Git repositories have branches`,
    });
  }
  if (address !== undefined) refusePlain(address.url, location);
  if (address?.kind === "s3") {
    const { endpoint, bucket, prefix } = address;
    const credentials = {
      accessKeyId: need(env, location, "AWS_ACCESS_KEY_ID"),
      secretAccessKey: need(env, location, "AWS_SECRET_ACCESS_KEY"),
      sessionToken: env["AWS_SESSION_TOKEN"],
    };
    return s3Store({ endpoint, bucket, prefix, credentials, region: env["AWS_REGION"] });
  }
  if (address?.kind === "releases") {
    const { api, owner, repository } = address;
    return releasesStore({ api, owner, repository, token: need(env, location, "GITHUB_TOKEN", "GH_TOKEN") });
  }
  const directory = location.startsWith("file:") && URL.canParse(location) ? fileURLToPath(location) : location;
  if (isAbsolute(directory)) return directoryStore(directory);
  throw new StaticRegistryError({
    code: "STATIC_LOCATION_INVALID",
    message: `Cannot keep a registry at "${location.replace(/\/\/[^/@]*@/, "//").slice(0, 200)}": it is no directory, and no git+, s3+ or releases+ address`,
  });
}
