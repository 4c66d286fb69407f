import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { pathOfReleaseAsset, releaseAssetOf } from "@lading/registry-client";
import { LEASE_MS, LEASE_PATH, decodeLease, encodeLease, leaseLost } from "../lease.ts";
import { StaticRegistryError } from "../static-error.ts";
import { busy, checkBlob, checkStorePath, storeFailed, storeRefused } from "../store-errors.ts";
import type { PlacedFile, RegistryStore, StoredFile, StoreSession } from "../store.ts";

/** Releases of a repository of GitHub, or of a host that speaks its API. */
export interface ReleasesStoreOptions {
  /** `https://api.github.com`. */
  readonly api: string;
  readonly owner: string;
  readonly repository: string;
  /** May write the repository's contents. */
  readonly token: string;
  /** Sends a request; the global one unless given. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  readonly now?: (() => number) | undefined;
  /** How long another writer is waited for, in milliseconds; 30 seconds unless given. */
  readonly waitMs?: number | undefined;
}

interface Asset {
  readonly id: number;
  readonly name: string;
  /** Bytes, as the host lists it. */
  readonly size: number;
}

interface Release {
  readonly id: number;
  /** Where assets are sent to. */
  readonly uploads: string;
  readonly assets: Map<string, Asset>;
}

const PAGE = 100;
const API_VERSION = "2022-11-28";

/** The calls of GitHub's REST API that a registry needs, by their documented shapes. */
class ReleasesApi {
  readonly #options: ReleasesStoreOptions;
  readonly location: string;

  constructor(options: ReleasesStoreOptions) {
    this.#options = options;
    this.location = `releases+${new URL(options.api).origin}/${options.owner}/${options.repository}`;
  }

  async #send(
    method: string,
    url: string,
    init: { readonly accept?: string; readonly type?: string; readonly body?: string | Uint8Array<ArrayBuffer> } = {},
  ): Promise<Response> {
    const { token, fetch: send = fetch } = this.#options;
    const headers = new Headers({
      accept: init.accept ?? "application/vnd.github+json",
      authorization: `Bearer ${token}`,
      "user-agent": "lading",
      "x-github-api-version": API_VERSION,
    });
    if (init.type !== undefined) headers.set("content-type", init.type);
    const request = (): Request =>
      new Request(url, { method, headers, ...(init.body === undefined ? {} : { body: init.body }) });
    for (let attempt = 0; ; attempt++) {
      const answer = await send(request()).catch((error: unknown) =>
        storeFailed(this.location, `${method} ${new URL(url).pathname}`, error),
      );
      const failed = answer instanceof StaticRegistryError;
      if ((failed || answer.status >= 500 || answer.status === 429) && attempt < 3 && method !== "POST") {
        await new Promise((done) => setTimeout(done, 200 * 2 ** attempt));
        continue;
      }
      if (failed) throw answer;
      return answer;
    }
  }

  async refuse(answer: Response, action: string): Promise<StaticRegistryError> {
    const body = (await answer.json().catch(() => ({}))) as { message?: unknown };
    const said = typeof body.message === "string" ? ` ${body.message.slice(0, 200)}` : "";
    const found = `the host answers ${answer.status}${said}`;
    if (answer.status === 401 || answer.status === 403) return storeRefused(this.location, action, found);
    return storeFailed(this.location, action, new Error(found));
  }

  #repo(path: string): string {
    const { api, owner, repository } = this.#options;
    return `${api.replace(/\/+$/, "")}/repos/${encodeURIComponent(owner)}/${encodeURIComponent(repository)}/${path}`;
  }

  async release(tag: string): Promise<Release | undefined> {
    const answer = await this.#send("GET", this.#repo(`releases/tags/${encodeURIComponent(tag)}`));
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw await this.refuse(answer, `read release "${tag}"`);
    return this.#opened((await answer.json()) as { id: number; upload_url: string });
  }

  async #opened({ id, upload_url: uploads }: { readonly id: number; readonly upload_url: string }): Promise<Release> {
    return { id, uploads: uploads.replace(/\{[^}]*\}$/, ""), assets: await this.#assets(id) };
  }

  async #assets(release: number): Promise<Map<string, Asset>> {
    const assets = new Map<string, Asset>();
    for (let page = 1; ; page++) {
      const answer = await this.#send("GET", this.#repo(`releases/${release}/assets?per_page=${PAGE}&page=${page}`));
      if (!answer.ok) throw await this.refuse(answer, "list the assets of a release");
      const found = (await answer.json()) as (Asset & { readonly state: string })[];
      // An upload that broke off leaves an asset of state "starter", which has no bytes.
      for (const { id, name, size, state } of found) {
        if (state === "uploaded") assets.set(name, { id, name, size });
        else await this.deleteAsset(id);
      }
      if (found.length < PAGE) return assets;
    }
  }

  /** Tags of the releases that hold files of a registry. */
  async tags(): Promise<readonly string[]> {
    const tags: string[] = [];
    for (let page = 1; ; page++) {
      const answer = await this.#send("GET", this.#repo(`releases?per_page=${PAGE}&page=${page}`));
      if (!answer.ok) throw await this.refuse(answer, "list the releases");
      const found = (await answer.json()) as { readonly tag_name: string }[];
      tags.push(...found.flatMap(({ tag_name: tag }) => (/^lading(?:-[0-9a-f]{2})?$/.test(tag) ? [tag] : [])));
      if (found.length < PAGE) return tags;
    }
  }

  async createRelease(tag: string): Promise<Release> {
    const body = JSON.stringify({
      tag_name: tag,
      name: tag,
      body: "Files of a package registry. Do not change them by hand.",
      prerelease: true,
      make_latest: "false",
    });
    const answer = await this.#send("POST", this.#repo("releases"), { type: "application/json", body });
    if (answer.status === 201) return this.#opened((await answer.json()) as { id: number; upload_url: string });
    const made = answer.status === 422 ? await this.release(tag) : undefined;
    if (made !== undefined) return made;
    throw await this.refuse(answer, `make release "${tag}"`);
  }

  async bytes(asset: number): Promise<Uint8Array | undefined> {
    const answer = await this.#send("GET", this.#repo(`releases/assets/${asset}`), {
      accept: "application/octet-stream",
    });
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw await this.refuse(answer, "read an asset");
    return new Uint8Array(await answer.arrayBuffer());
  }

  /** @returns `undefined` where there is an asset of that name already */
  async upload(release: Release, name: string, bytes: Uint8Array): Promise<Asset | undefined> {
    const url = `${release.uploads}?name=${encodeURIComponent(name)}`;
    const type = "application/octet-stream";
    const answer = await this.#send("POST", url, { type, body: new Uint8Array(bytes) });
    if (answer.status === 201) {
      const { id } = (await answer.json()) as { id: number };
      return { id, name, size: bytes.length };
    }
    if (answer.status !== 422) throw await this.refuse(answer, `upload "${name}"`);
    const body = (await answer
      .clone()
      .json()
      .catch(() => ({}))) as { errors?: readonly { code?: string }[] };
    if (body.errors?.some(({ code }) => code === "already_exists") === true) return undefined;
    throw await this.refuse(answer, `upload "${name}"`);
  }

  async rename(asset: number, name: string): Promise<void> {
    const body = JSON.stringify({ name });
    const answer = await this.#send("PATCH", this.#repo(`releases/assets/${asset}`), {
      type: "application/json",
      body,
    });
    if (!answer.ok) throw await this.refuse(answer, `rename an asset to "${name}"`);
  }

  /** @returns whether it was there */
  async deleteAsset(asset: number): Promise<boolean> {
    const answer = await this.#send("DELETE", this.#repo(`releases/assets/${asset}`));
    if (answer.status === 204) return true;
    if (answer.status === 404) return false;
    throw await this.refuse(answer, "delete an asset");
  }
}

class ReleasesSession implements StoreSession {
  readonly #api: ReleasesApi;
  readonly #releases: Map<string, Promise<Release | undefined>>;
  readonly #lease: Asset;
  readonly #until: number;
  readonly #now: () => number;

  constructor(api: ReleasesApi, releases: Map<string, Promise<Release | undefined>>, lease: Asset, now: () => number) {
    this.#api = api;
    this.#releases = releases;
    this.#lease = lease;
    this.#now = now;
    this.#until = now() + LEASE_MS;
  }

  #release(tag: string): Promise<Release | undefined> {
    const known = this.#releases.get(tag) ?? this.#api.release(tag);
    this.#releases.set(tag, known);
    return known;
  }

  async #asset(path: string): Promise<Asset | undefined> {
    checkStorePath(path);
    const { tag, name } = releaseAssetOf(path);
    return (await this.#release(tag))?.assets.get(name);
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const asset = await this.#asset(path);
    return asset === undefined ? undefined : this.#api.bytes(asset.id);
  }

  async has(path: string): Promise<boolean> {
    return (await this.#asset(path)) !== undefined;
  }

  async put(files: readonly PlacedFile[]): Promise<void> {
    for (const { path, content } of files) {
      if (this.#now() > this.#until) throw leaseLost(this.#api.location);
      await this.#place(
        path,
        content instanceof Uint8Array ? content : checkBlob(this.#api.location, path, await readFile(content.file)),
      );
    }
  }

  async #place(path: string, bytes: Uint8Array): Promise<void> {
    const { tag, name } = releaseAssetOf(path);
    const release = (await this.#release(tag)) ?? (await this.#api.createRelease(tag));
    this.#releases.set(tag, Promise.resolve(release));
    const old = release.assets.get(name);
    if (old === undefined) {
      const made = await this.#api.upload(release, name, bytes);
      if (made === undefined) throw leaseLost(this.#api.location);
      return void release.assets.set(name, made);
    }
    const found = await this.#api.bytes(old.id);
    if (found !== undefined && Buffer.compare(found, bytes) === 0) return;
    release.assets.set(name, await this.#replace(release, old, bytes));
  }

  // There is no way to replace an asset at once: the new one waits under another name, so that the gap is two calls long.
  async #replace(release: Release, old: Asset, bytes: Uint8Array): Promise<Asset> {
    const waiting = `${old.name}.next`;
    const left = release.assets.get(waiting);
    if (left !== undefined) await this.#api.deleteAsset(left.id);
    const made = await this.#api.upload(release, waiting, bytes);
    if (made === undefined) throw leaseLost(this.#api.location);
    await this.#api.deleteAsset(old.id);
    await this.#api.rename(made.id, old.name);
    return { ...made, name: old.name };
  }

  async list(prefix: string): Promise<readonly StoredFile[]> {
    const files: StoredFile[] = [];
    for (const tag of await this.#api.tags())
      for (const { name, size } of (await this.#release(tag))?.assets.values() ?? []) {
        const path = pathOfReleaseAsset(name);
        // What waits to take another's place is no file yet.
        if (path.startsWith(prefix) && !name.endsWith(".next")) files.push({ path, size });
      }
    return files;
  }

  async remove(paths: readonly string[]): Promise<"committed"> {
    for (const path of paths) {
      if (this.#now() > this.#until) throw leaseLost(this.#api.location);
      const { tag, name } = releaseAssetOf(path);
      const assets = (await this.#release(tag))?.assets;
      const asset = assets?.get(name);
      if (asset === undefined) continue;
      await this.#api.deleteAsset(asset.id);
      assets?.delete(name);
    }
    return "committed";
  }

  /** The one who deletes the old timestamp is the one who may put the next in its place: a deletion succeeds once. */
  async commit({ path, content }: PlacedFile & { readonly content: Uint8Array }): Promise<"committed" | "conflict"> {
    const { tag, name } = releaseAssetOf(path);
    const release = (await this.#release(tag)) ?? (await this.#api.createRelease(tag));
    if (this.#now() > this.#until) return "conflict";
    const old = release.assets.get(name);
    if (old === undefined)
      return (await this.#api.upload(release, name, content)) === undefined ? "conflict" : "committed";
    const waiting = `${name}.next`;
    const left = release.assets.get(waiting);
    if (left !== undefined) await this.#api.deleteAsset(left.id);
    const made = await this.#api.upload(release, waiting, content);
    if (made === undefined) return "conflict";
    if (!(await this.#api.deleteAsset(old.id))) {
      await this.#api.deleteAsset(made.id);
      return "conflict";
    }
    await this.#api.rename(made.id, name);
    return "committed";
  }

  async close(): Promise<void> {
    await this.#api.deleteAsset(this.#lease.id);
  }
}

async function takeLease(api: ReleasesApi, now: () => number): Promise<ReleasesSession | undefined> {
  const { tag, name } = releaseAssetOf(LEASE_PATH);
  const release = (await api.release(tag)) ?? (await api.createRelease(tag));
  const held = release.assets.get(name);
  if (held !== undefined) {
    const bytes = await api.bytes(held.id);
    if (bytes !== undefined && decodeLease(bytes).until > now()) return undefined;
    // Of several that find it expired, one deletes it; the upload decides which of them goes on.
    await api.deleteAsset(held.id);
  }
  const lease = await api.upload(release, name, encodeLease({ holder: randomUUID(), until: now() + LEASE_MS }));
  if (lease === undefined) return undefined;
  // What was listed before the lease may be out of date.
  const releases = new Map<string, Promise<Release | undefined>>();
  return new ReleasesSession(api, releases, lease, now);
}

/**
 * A registry in the releases of a repository: every file is an asset. One writer at a time by a lease, which is an asset
 * of which there can be only one.
 */
export function releasesStore(options: ReleasesStoreOptions): RegistryStore {
  const api = new ReleasesApi(options);
  const { now = Date.now, waitMs = 30_000 } = options;
  return {
    location: api.location,
    async open({ signal } = {}) {
      const deadline = Date.now() + waitMs;
      for (let pause = 200; ; pause = Math.min(5000, pause * 2)) {
        signal?.throwIfAborted();
        const session = await takeLease(api, now);
        if (session !== undefined) return session;
        if (Date.now() + pause > deadline) throw busy(api.location);
        await new Promise((done) => setTimeout(done, pause));
      }
    },
  };
}
