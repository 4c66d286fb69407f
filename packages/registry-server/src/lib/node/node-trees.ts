import { readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RegistryError } from "../registry-error.ts";
import type { RegistryTrust } from "../trust/registry-trust.ts";
import type { TreeHost, TreeStores } from "../trees/tree-host.ts";
import { dataLayout, prepareDirectory } from "./data-directory.ts";
import { makeDirectory } from "./durable-file.ts";
import { openKeys } from "./key-directory.ts";
import { createSchema } from "./postgres-metadata-store.ts";
import { parsePostgresUrl } from "./postgres-pool.ts";
import { openStores, type StoreOptions, type Stores } from "./stores.ts";

/** Where a registry keeps what it knows and the keys that it signs with. */
export interface RegistryPlaces extends StoreOptions {
  readonly keyDirectory?: string | undefined;
}

const SEARCH_PATH = /-c\s*search_path=([a-z_][a-z0-9_]*)/i;

/** A tree's schema in a PostgreSQL database, and the address that uses it. */
function databaseOf(databaseUrl: string, name: string): { readonly url: string; readonly schema: string } {
  const address = new URL(parsePostgresUrl(databaseUrl)!.url);
  const options = address.searchParams.get("options") ?? "";
  // Registries that share a database in schemas of their own do not share trees.
  const schema = `${SEARCH_PATH.exec(options)?.[1] ?? "lading"}_tree_${name.replaceAll("-", "_")}`;
  if (schema.length > SCHEMA_MAX) throw schemaTooLong(schema);
  address.searchParams.set("options", `${options.replace(SEARCH_PATH, "")} -c search_path=${schema}`.trim());
  return { url: address.href, schema };
}

const SCHEMA_MAX = 56;

function schemaTooLong(schema: string): RegistryError {
  return new RegistryError({
    code: "DATABASE_UNUSABLE",
    message: `Cannot make the schema "${schema}" of private packages: its name has ${schema.length} characters, allowed are ${SCHEMA_MAX}`,
    hint: 'Give the access rule a shorter name with "tree"',
  });
}

/** Where a tree of private packages is kept: beside what the registry has, and in nothing that it shares with it. */
export function treePlaces(places: RegistryPlaces, name: string): RegistryPlaces {
  const { dataDirectory, databaseUrl, s3, keyDirectory, redirectDownloads } = places;
  return {
    dataDirectory: join(dataLayout(dataDirectory).trees, name),
    ...(databaseUrl === undefined ? {} : { databaseUrl: databaseOf(databaseUrl, name).url }),
    ...(s3 === undefined
      ? {}
      : {
          s3: {
            ...s3,
            prefix: [s3.prefix, "trees", name].filter((part) => part !== undefined && part !== "").join("/"),
          },
        }),
    ...(redirectDownloads === undefined ? {} : { redirectDownloads }),
    ...(keyDirectory === undefined ? {} : { keyDirectory: join(keyDirectory, "trees", name) }),
  };
}

/** Names of the trees that have a place below a data directory, sorted. */
export async function treesIn(dataDirectory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(dataLayout(dataDirectory).trees, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** Makes the places of a tree where there are none, and tells them. */
export async function prepareTree(places: RegistryPlaces, name: string): Promise<RegistryPlaces> {
  const own = treePlaces(places, name);
  await prepareDirectory(own.dataDirectory);
  if (places.databaseUrl !== undefined)
    await createSchema(places.databaseUrl, databaseOf(places.databaseUrl, name).schema);
  return own;
}

/** How the keys of a tree are made and used. */
export interface TreeKeyOptions {
  readonly passphrase: string | undefined;
  readonly publicUrl: string | undefined;
  readonly now: () => number;
  /** Checks a tree's keys against its stores, and adds who else signs. */
  readonly finish: (stores: Stores, trust: RegistryTrust) => Promise<RegistryTrust>;
}

/** Trees of private packages in directories below the data directory, or in schemas and prefixes of their own. */
export class NodeTreeHost implements TreeHost {
  readonly #places: RegistryPlaces;
  readonly #options: TreeKeyOptions;

  constructor(places: RegistryPlaces, options: TreeKeyOptions) {
    this.#places = places;
    this.#options = options;
  }

  async open(name: string, mount: string): Promise<TreeStores> {
    const own = await prepareTree(this.#places, name);
    const { keyDirectory, dataDirectory } = own;
    const stores = await openStores(own);
    try {
      const { passphrase, publicUrl, now, finish } = this.#options;
      if (keyDirectory !== undefined) await makeDirectory(dirname(keyDirectory));
      const keys = await openKeys({
        directory: keyDirectory ?? dataLayout(dataDirectory).keys,
        temporary: dataLayout(dataDirectory).temporary,
        passphrase,
        publicUrl: publicUrl === undefined ? undefined : `${publicUrl}${mount}`,
        nowMs: now(),
      });
      const trust = await finish(stores, keys);
      const { metadata, blobs, documents, coordination } = stores;
      return {
        metadata,
        blobs,
        documents,
        trust,
        ...(coordination === undefined ? {} : { coordination }),
        close: () => stores.close(),
      };
    } catch (error) {
      await stores.close();
      throw error;
    }
  }
}
