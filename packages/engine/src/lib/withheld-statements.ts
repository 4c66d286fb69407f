import { canonicalName, parsePackageName, type IndexDocument } from "@lading/core-manifest";
import { knownKeyChange, type RegistryClient } from "@lading/registry-client";
import type { KeyEvent, PublishEvent } from "@lading/signing/log";
import type { EngineContext } from "./engine-context.ts";
import { EngineError } from "./engine-error.ts";
import { readLock } from "./lock-file.ts";
import type { LoggedEvent } from "./log-walk.ts";
import { tryLoadProject } from "./project.ts";
import { asFingerprint } from "./signer-text.ts";

/** A change of a key as the log has it. */
interface LoggedKeyChange {
  readonly index: number;
  readonly event: KeyEvent;
}

/** A registry shows a change a moment after it is logged. */
const TRIES = 4;
const PAUSE_MS = 700;

/** Collects the changes of keys that the index has to list: those that a statement brought, not those made by hand. */
export class KeyChanges {
  readonly #found: LoggedKeyChange[] = [];
  /** Names of packages whose documents have left out the entry of an index. */
  readonly #missing = new Map<number, readonly string[]>();
  /** Fingerprints of those who signed each package, by the log. */
  readonly #signers = new Map<string, Set<string>>();

  note({ index, event }: LoggedEvent): void {
    if (event.type === "publish") this.#noteSigners(event);
    if (event.type !== "key" || event.change === "add" || event.statement === undefined) return;
    this.#found.push({ index, event });
  }

  #noteSigners({ name, artifacts }: PublishEvent): void {
    const found = artifacts.flatMap(({ signers = [] }) => signers.map(asFingerprint));
    if (found.length === 0) return;
    const canonical = canonicalName(parsePackageName(name));
    this.#signers.set(canonical, new Set([...(this.#signers.get(canonical) ?? []), ...found]));
  }

  /** Lets a client of the registry remember them: from then on it misses them in every document that they concern. */
  async remember({ trust }: Pick<RegistryClient, "trust">): Promise<void> {
    const known = this.#found.flatMap(
      ({ index, event }) => knownKeyChange(index, event, this.#missing.get(index) ?? []) ?? [],
    );
    if (known.length > 0) await trust.noteKeyChanges(known);
  }

  /**
   * Holds the index documents of packages to the log: whoever has a registry's online keys could leave a revocation out of
   * them, and no client that reads them alone would miss it. Who signed a package is taken from its publications in the log as
   * well, because a document could leave that out too.
   * @param names canonical
   * @param pause waits between two looks; by default as long as a registry takes to show what it has logged
   * @returns how many changes concern the packages, all of which are listed
   * @throws {EngineError} `PUBLISHER_STATEMENT_WITHHELD`
   */
  async requireListed(
    client: Pick<RegistryClient, "packageDocument" | "registry">,
    names: readonly string[],
    pause: () => Promise<unknown> = () => new Promise((done) => setTimeout(done, PAUSE_MS)),
  ): Promise<number> {
    let listed = 0;
    if (this.#found.length > 0) for (const name of names) listed += await this.#requireOf(client, name, pause);
    return listed;
  }

  async #requireOf(
    client: Pick<RegistryClient, "packageDocument" | "registry">,
    name: string,
    pause: () => Promise<unknown>,
  ): Promise<number> {
    for (let tries = 1; ; tries++) {
      const document = await client.packageDocument(name, { refresh: tries > 1 });
      if (document === undefined) return 0;
      const keys = new Set([...signersIn(document), ...(this.#signers.get(name) ?? [])]);
      const wanted = this.#found.filter(({ event }) => concerns(event, keys));
      const known = listedEntries(document);
      const missing = wanted.find(({ index }) => !known.has(index));
      if (missing === undefined) return wanted.length;
      if (tries === TRIES) {
        this.#missing.set(missing.index, [name]);
        throw withheld(client.registry.name, name, missing);
      }
      await pause();
    }
  }
}

/** Canonical names of what this directory's project has locked from a registry; none where there is no project. */
export async function lockedNames(context: EngineContext, { registry }: RegistryClient): Promise<readonly string[]> {
  const project = await tryLoadProject(context);
  const found = project === undefined ? undefined : await readLock(context, project);
  const own = (found?.lock.packages ?? []).filter(
    ({ source }) => source === undefined || (source.type === "registry" && source.url === registry.url),
  );
  return [...new Set(own.map(({ name }) => canonicalName(parsePackageName(name))))];
}

function signersIn({ versions }: IndexDocument): readonly string[] {
  return versions.flatMap(({ signers }) => signers.map(asFingerprint));
}

/** Whether a change is of a key that signed a version of the package, whoever published it. */
function concerns({ key, previous }: KeyEvent, keys: ReadonlySet<string>): boolean {
  return keys.has(key) || (previous !== undefined && keys.has(previous));
}

function listedEntries({ extra }: IndexDocument): ReadonlySet<unknown> {
  const keys: unknown = extra?.["keys"];
  return new Set(Array.isArray(keys) ? keys.map((item: { readonly entry?: unknown } | null) => item?.entry) : []);
}

function withheld(registry: string, name: string, { index, event }: LoggedKeyChange): EngineError {
  const what = { revoke: "revoked", rotate: "replaced", recover: "recovered", add: "added" }[event.change];
  return new EngineError({
    code: "PUBLISHER_STATEMENT_WITHHELD",
    message: `Cannot trust the index of registry "${registry}" about "${name}": the key "${event.previous ?? event.key}" of "${event.account}" was ${what} in entry ${index} of the log, and the index does not say so`,
    hint: "An attack would look like this: whoever has the registry's keys hides that a stolen key is no longer trusted. Install nothing of it that is new, and tell its operator and the package's owner",
    registry,
    package: name,
    entry: index,
  });
}
