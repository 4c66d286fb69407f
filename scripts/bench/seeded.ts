import { join } from "node:path";
import { createHash } from "node:crypto";
import { createNodeRegistry } from "@lading/registry-server/node";
import { fakeAccount, fakePublication } from "@lading/registry-server/testing";

const GROUP = 500;
const WORDS = [
  "actor",
  "audio",
  "cache",
  "chart",
  "color",
  "crypto",
  "graph",
  "image",
  "json",
  "matrix",
  "parser",
  "queue",
  "render",
  "socket",
  "table",
  "tensor",
  "vector",
  "wave",
  "yaml",
  "zip",
];

/** Name of package `i` of a seeded registry. */
export function seededName(i: number): string {
  const digest = createHash("sha256").update(String(i)).digest("hex");
  return `${WORDS[i % WORDS.length]!}-${digest.slice(0, 8)}`;
}

/** Words that a search of a seeded registry finds packages by. */
export const SEEDED_WORDS: readonly string[] = WORDS;

/**
 * Makes a data directory with `packages` packages of `versions` versions, straight into the metadata store: how they got
 * there does not matter to who reads. Index, log and signed metadata are made as the server makes them.
 */
export async function seedRegistry(directory: string, packages: number, versions: number): Promise<string> {
  const dataDirectory = join(directory, "seeded");
  const { registry, metadata } = await createNodeRegistry({ dataDirectory });
  const account = fakeAccount("publisher");
  await metadata.createAccount(account, { at: Date.now(), actor: "system", action: "account.create", details: {} });
  const digest = (text: string): `sha256:${string}` => `sha256:${createHash("sha256").update(text).digest("hex")}`;
  const publication = (at: number): ReturnType<typeof fakePublication> => {
    const [name, version] = [seededName(Math.floor(at / versions)), `1.${at % versions}.0`];
    const word = WORDS[Math.floor(at / versions) % WORDS.length]!;
    const made = fakePublication(account, name, version, {
      at: Date.now(),
      manifest: { description: `Tools for every ${word} in a program`, keywords: [word, "tools"], license: "MIT" },
    });
    const [blob, tree] = [digest(`blob ${at}`), digest(`tree ${at}`)] as [
      typeof made.artifact.blob,
      typeof made.artifact.tree,
    ];
    return { ...made, artifact: { ...made.artifact, blob, tree } };
  };
  const total = packages * versions;
  for (let from = 0; from < total; from += GROUP) {
    const group = Array.from({ length: Math.min(GROUP, total - from) }, (_, i) => publication(from + i));
    await Promise.all(group.map((one) => metadata.publish(one)));
  }
  await registry.start();
  await registry.signNow();
  await registry.stop();
  return dataDirectory;
}
