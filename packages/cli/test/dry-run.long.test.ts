import { createHash } from "node:crypto";
import { copyFile, lstat, mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSandbox, type Sandbox } from "@lading/engine/testing";
import { PLANNING_COMMANDS, READING_COMMANDS } from "../src/lib/dry-run.ts";
import { wordsFor } from "./dry-run-words.ts";
import { runIn } from "./harness.ts";

const PROFILE = new URL("../../../examples/own-ecosystem/profile.toml", import.meta.url);

/** What reading a registry leaves, and what an installation is done with and deletes when it comes to it. */
const PASSING = ["home/.cache", "project/.lading/trash"];

/** Every file below a directory, with what it holds or where it leads. */
async function contentOf(
  root: string,
  passing: readonly string[] = PASSING,
  directory = root,
): Promise<Readonly<Record<string, string>>> {
  const content: Record<string, string> = {};
  for (const name of (await readdir(directory)).sort()) {
    const file = join(directory, name);
    const path = relative(root, file);
    if (passing.includes(path)) continue;
    const found = await lstat(file);
    const bytes = found.isSymbolicLink() ? await readlink(file) : found.isFile() ? await readFile(file) : "";
    content[path] = `${found.mode} ${createHash("sha256").update(bytes).digest("hex")}`;
    if (found.isDirectory()) Object.assign(content, await contentOf(root, passing, file));
  }
  return content;
}

async function makeBox(): Promise<Sandbox> {
  const box = await createSandbox();
  await box.registry.publish({ name: "leaf", version: "1.0.0", license: "MIT", files: { "leaf.txt": "one" } });
  await box.registry.publish({ name: "tool", version: "1.0.0", dependencies: { leaf: "^1.0.0" } });
  return box;
}

async function succeed(box: Sandbox, line: string): Promise<void> {
  const ran = await runIn(box, line.split(" "));
  expect([line, ran.code, ran.code === 0 ? "" : ran.stderr]).toEqual([line, 0, ""]);
}

/** A command line that changes files: one with `--dry-run` that changes none is seen to keep its promise. */
interface Change {
  readonly line: string;
  /** Makes what has to be there before. */
  readonly before?: () => Promise<unknown>;
  /** Why the line is run with `--dry-run` alone. */
  readonly only?: string;
  /** Whether the cache is what it changes. */
  readonly cache?: boolean;
}

describe("--dry-run of commands that plan", () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await makeBox();
  });
  afterAll(() => box.remove());

  const run = (line: string): Promise<void> => succeed(box, line);
  const elsewhere = async (directory: string, files: Readonly<Record<string, string>>): Promise<void> => {
    await mkdir(join(box.root, directory), { recursive: true });
    for (const [name, text] of Object.entries(files)) await writeFile(join(box.root, directory, name), text);
  };

  /** One after the other, each on what those before have made. */
  const CHANGES: Readonly<Record<string, Change>> = {
    new: { line: "new ../other" },
    init: { line: "init app --license MIT --description App" },
    lock: {
      line: "lock",
      before: async () =>
        box.write({ "lading.toml": `${await box.read("lading.toml")}\n[dependencies]\ntool = "1"\n` }),
    },
    install: { line: "install" },
    add: { line: "add leaf@^1.0.0" },
    update: { line: "update leaf", before: () => box.registry.publish({ name: "leaf", version: "1.1.0" }) },
    link: {
      line: "link ../leaf",
      before: () => elsewhere("leaf", { "lading.toml": '[package]\nname = "leaf"\nversion = "1.1.0"\n' }),
    },
    unlink: { line: "unlink leaf" },
    vendor: { line: "vendor ../third/party" },
    remove: { line: "remove tool" },
    upgrade: { line: "upgrade leaf", before: () => box.registry.publish({ name: "leaf", version: "2.0.0" }) },
    pack: { line: "pack" },
    build: { line: "build --output ../built" },
    publish: { line: "publish", only: "a directory of files takes no uploads" },
    "ci init": { line: "ci init github" },
    migrate: {
      line: "migrate --from npm ../npm",
      before: () => elsewhere("npm", { "package.json": '{"name":"some","version":"1.0.0"}' }),
    },
    "index-init": { line: "index-init ../flat --url https://packs.example.com" },
    "index-update": {
      line: "index-update ../pack --index ../flat/index.json --git-url https://example.com/org/pack --git-ref v1",
      before: () =>
        elsewhere("pack", {
          "lading.toml": '[package]\nname = "pack"\nversion = "1.0.0"\nlicense = "MIT"\nauthors = ["Ann"]\n',
        }),
    },
    "index-merge": { line: "index-merge --output ../merged.json ../flat/index.json" },
    "index-accept": {
      line: "index-accept --to ../native --public-key ../ann.pub",
      before: async () => {
        await run("index-init ../native --native --url https://packages.example.com");
        await run("keygen --output ../ann.pem");
        await run("index-submit ../built/app-0.1.0.lpk --to ../native --key ../ann.pem");
      },
    },
    "index-prune": { line: "index-prune --to ../native", only: "nothing expires within a test" },
    clean: { line: "clean" },
    "cache clean": { line: "cache clean", cache: true },
    "env create": { line: "env create ../sandbox" },
    "env delete": { line: "env delete ../sandbox" },
  };

  /** Paths that only some options and arguments take. */
  const OTHER_CHANGES: readonly Change[] = [
    { line: "install ../built/other-0.1.0.lpk", before: () => run("pack --source ../other --output ../built") },
    { line: "-C ../empty install leaf", before: () => elsewhere("empty", {}) },
    {
      line: "index-accept --to ../native --reject",
      before: () => run("index-submit ../built/other-0.1.0.lpk --to ../native --key ../ann.pem"),
    },
    { line: "index-init ../flat-too --name Ours --url https://packs.example.com" },
    { line: "lock --minimal --target x86_64-linux" },
    { line: "clean --all" },
  ];

  it("is tried for every one", () => {
    expect(Object.keys(CHANGES).sort()).toEqual([...PLANNING_COMMANDS].sort());
  });

  it.each([...Object.values(CHANGES), ...OTHER_CHANGES])("$line: does nothing of what it would do", async (change) => {
    const content = (): ReturnType<typeof contentOf> => contentOf(box.root, change.cache === true ? [] : PASSING);
    await change.before?.();
    const before = await content();
    await run(`${change.line} --dry-run`);
    expect(await content()).toEqual(before);
    if (change.only !== undefined) return;
    await run(change.line);
    expect(await content()).not.toEqual(before);
  });
});

/** Command lines of those that need no server. */
const READING: Readonly<Record<string, string>> = {
  check: "check",
  resolve: "resolve --explain",
  tree: "tree",
  why: "why leaf",
  "why-not": "why-not leaf@1.1.0",
  outdated: "outdated",
  licenses: "licenses",
  "chaos list": "chaos list",
  history: "history",
  "channel list": "channel list leaf",
  info: "info leaf",
  "registry list": "registry list",
  "config get": "config get resolver.prefer",
  "config list": "config list",
  "index-validate": "index-validate ../flat/index.json",
  "cache info": "cache info",
  "env list": "env list",
  "env info": "env info",
  "tool list": "tool list",
  "profile check": "profile check ../profile.toml",
  explain: "explain",
  completion: "completion bash",
  complete: "complete --dry-run -- inst",
};

describe("--dry-run of commands that read", () => {
  let box: Sandbox;
  beforeAll(async () => {
    box = await makeBox();
    for (const line of ["init app --license MIT", "add tool", "index-init ../flat --url https://packs.example.com"])
      await succeed(box, line);
    await box.registry.publish({ name: "leaf", version: "1.1.0", license: "MIT" });
    await copyFile(PROFILE, join(box.root, "profile.toml"));
  });
  afterAll(() => box.remove());

  it.each(Object.values(READING))("%s changes no file", async (line) => {
    const before = await contentOf(box.root);
    const ran = await runIn(box, [...line.split(" "), ...(line.includes("--dry-run") ? [] : ["--dry-run"])]);
    expect([ran.code, ran.code === 0 ? "" : ran.stderr]).toEqual([0, ""]);
    expect(await contentOf(box.root)).toEqual(before);
  });
});

describe("--dry-run of commands that ask a server", () => {
  const asked: string[] = [];
  let server: Server;
  let box: Sandbox;
  beforeAll(async () => {
    box = await createSandbox();
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.setHeader("content-type", "application/json").end("{}");
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  });
  afterAll(async () => {
    await new Promise((closed) => server.close(closed));
    await box.remove();
  });

  const asking = [...READING_COMMANDS].filter((words) => !Object.hasOwn(READING, words));
  it.each(asking)("%s only reads", async (words) => {
    const before = await contentOf(box.root);
    asked.length = 0;
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const ran = await runIn(box, await wordsFor(words), { env: { LADING_REGISTRY_URL: url, LADING_TOKEN: "secret" } });
    expect([ran.stderr, asked]).not.toEqual([ran.stderr, []]);
    expect(asked.filter((line) => !/^(?:GET|HEAD) /.test(line))).toEqual([]);
    expect(await contentOf(box.root)).toEqual(before);
  });
});
