import { execFileSync } from "node:child_process";
import { readdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publishStatic, type RegistryStore } from "../src/index.ts";
import { directoryStore, gitStore, openStore, releasesStore, s3Store } from "../src/node.ts";
import { memoryStore, startReleasesHost, storeContract, type ReleasesHost } from "../src/testing.ts";
import { LEASE_MS } from "../src/lib/lease.ts";
import { cleanUp, code, newRegistry, publication, temporary } from "./harness.ts";

const hosts: ReleasesHost[] = [];
afterAll(async () => {
  await cleanUp();
  for (const host of hosts) await host.stop();
});

async function bareRepository(): Promise<string> {
  const directory = join(await temporary(), "registry.git");
  execFileSync("git", ["init", "--quiet", "--bare", "--initial-branch", "main", directory]);
  return directory;
}

async function host(): Promise<ReleasesHost> {
  const started = await startReleasesHost();
  hosts.push(started);
  return started;
}

const releasesOf = ({ url, token }: ReleasesHost, now?: () => number): RegistryStore =>
  releasesStore({
    api: `${url}/api/v3`,
    owner: "org",
    repository: "packages",
    token,
    waitMs: 20_000,
    ...(now === undefined ? {} : { now }),
  });

const places: Readonly<Record<string, () => Promise<() => RegistryStore>>> = {
  memory: async () => {
    const store = memoryStore();
    return () => store;
  },
  "a directory": async () => {
    const directory = await temporary();
    return () => directoryStore(directory);
  },
  "a Git repository": async () => {
    const repository = await bareRepository();
    return () => gitStore({ url: repository });
  },
  releases: async () => {
    const started = await host();
    return () => releasesOf(started);
  },
};

describe.each(Object.keys(places))("a store of %s", (place) => {
  it.each(storeContract)("$name", async ({ run }) => run(await places[place]!()));
});

describe("gitStore()", () => {
  let repository: string;
  const git = (...args: string[]): string => execFileSync("git", ["-C", repository, ...args], { encoding: "utf8" });
  beforeAll(async () => {
    repository = await bareRepository();
  });

  it("makes one commit of a publication, and one more of each of two that race", async () => {
    const store = gitStore({ url: repository });
    const { trust } = await newRegistry(store);
    await publishStatic({ store, trust }, [await publication({ name: "one" })]);
    expect(git("log", "--format=%s", "main").trim().split("\n")).toEqual(["Publish one 1.0.0", "Make the registry"]);
    const all = [await publication({ name: "two" }), await publication({ name: "three" })];
    const done = await Promise.all(
      all.map((one) => publishStatic({ store: gitStore({ url: repository }), trust }, [one])),
    );
    expect(done.map(({ maintained }) => maintained!.conflicts).sort((left, right) => left - right)).toEqual([0, 1]);
    expect(git("log", "--format=%s", "main").trim().split("\n")).toHaveLength(4);
    expect(git("ls-tree", "-r", "--name-only", "main")).toContain("index/_/th/three.json");
  });

  it("keeps to a branch, which it makes where there is none", async () => {
    const store = gitStore({ url: repository, branch: "packages" });
    await newRegistry(store);
    expect(git("log", "--format=%s", "packages").trim()).toBe("Make the registry");
    expect(git("ls-tree", "-r", "--name-only", "packages")).toContain("metadata/timestamp.json");
  });

  it("refuses what git would take for something else, and says what git says", async () => {
    for (const url of ["ext::sh -c id", "--upload-pack=id", "http://a.test/x.git", "relative/path"])
      expect(await code(async () => gitStore({ url }))).toBe("STATIC_LOCATION_INVALID");
    expect(await code(async () => gitStore({ url: repository, branch: "--force" }))).toBe("STATIC_LOCATION_INVALID");
    expect(await code(() => gitStore({ url: join(repository, "none") }).open())).toBe("STATIC_STORE_FAILED");
  });

  it("does not write through a link that somebody committed", async () => {
    const shared = await bareRepository();
    const store = gitStore({ url: shared });
    const { trust } = await newRegistry(store);
    const [copy, outside] = [join(await temporary(), "copy"), await temporary()];
    const inCopy = (...args: string[]) =>
      execFileSync("git", ["-C", copy, "-c", "user.name=m", "-c", "user.email=m@m.test", ...args]);
    execFileSync("git", ["clone", "--quiet", shared, copy]);
    await rm(join(copy, "index"), { recursive: true, force: true });
    await symlink(outside, join(copy, "index"));
    inCopy("add", "--all");
    inCopy("commit", "--quiet", "-m", "A link");
    inCopy("push", "--quiet", "origin", "HEAD:main");
    expect(await code(async () => publishStatic({ store, trust }, [await publication()]))).toBe("STATIC_STORE_FAILED");
    expect(await readdir(outside)).toEqual([]);
  });

  it("does not push over a remote that refuses, and leaves nothing behind", async () => {
    const closed = await bareRepository();
    const store = gitStore({ url: closed });
    const { trust } = await newRegistry(store);
    await writeFile(join(closed, "hooks/pre-receive"), "#!/bin/sh\necho permission denied to you >&2\nexit 1\n", {
      mode: 0o755,
    });
    const one = await publication();
    expect(await code(() => publishStatic({ store, trust }, [one]))).toBe("STATIC_STORE_REFUSED");
  });
});

describe("releasesStore()", () => {
  it("spreads files over releases, under names that the host keeps as they are", async () => {
    const started = await host();
    const store = releasesOf(started);
    const { trust } = await newRegistry(store);
    await publishStatic({ store, trust }, [await publication({ name: "company/gear" })]);
    const central = started.assets("lading");
    expect(central).toContain("metadata_stimestamp.json");
    expect(central).toContain("_dwell-known_slading.json");
    expect(central).not.toContain("lease.json");
    expect(central.filter((name) => name.endsWith(".next"))).toEqual([]);
  });

  it("is refused with a wrong token", async () => {
    const started = await host();
    expect(await code(() => releasesOf({ ...started, token: "wrong" }).open())).toBe("STATIC_STORE_REFUSED");
  });

  it("takes over from a writer that was killed, once its lease has run out", async () => {
    const started = await host();
    let now = Date.now();
    await releasesOf(started, () => now).open();
    const impatient = (): RegistryStore =>
      releasesStore({
        api: `${started.url}/api/v3`,
        owner: "org",
        repository: "packages",
        token: started.token,
        waitMs: 0,
        now: () => now,
      });
    expect(await code(() => impatient().open())).toBe("STATIC_REGISTRY_BUSY");
    now += LEASE_MS + 1;
    await (await impatient().open()).close();
  });
});

describe("openStore()", () => {
  const env = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", GITHUB_TOKEN: "c" };

  it("knows every place by its address", () => {
    const locations = [
      "/srv/registry",
      "file:///srv/registry",
      "git+https://host.test/r.git",
      "s3+https://s3.test/bucket/pre",
      "releases+https://github.com/o/r",
    ];
    expect(locations.map((location) => openStore(location, { env }).location)).toEqual([
      "/srv/registry",
      "/srv/registry",
      "git+https://host.test/r.git",
      "s3+https://s3.test/bucket/pre/",
      "releases+https://api.github.com/o/r",
    ]);
  });

  it("refuses other places, branches of what has none, and places whose credentials are missing", async () => {
    const places = ["relative", "ftp://a.test/", "s3+https://s3.test/", "releases+https://github.com/o"];
    // A token in the clear would be anybody's.
    const plain = ["s3+http://s3.test/bucket", "releases+http://host.test/o/r"];
    for (const location of [...places, ...plain])
      expect(await code(async () => openStore(location, { env }))).toBe("STATIC_LOCATION_INVALID");
    expect(await code(async () => openStore("/srv/registry", { env, branch: "main" }))).toBe("STATIC_LOCATION_INVALID");
    expect(await code(async () => openStore("s3+https://s3.test/bucket", { env: {} }))).toBe("STATIC_STORE_REFUSED");
    expect(await code(async () => openStore("releases+https://github.com/o/r", { env: {} }))).toBe(
      "STATIC_STORE_REFUSED",
    );
  });

  it("says what a bucket answers", async () => {
    const store = (status: number): RegistryStore =>
      s3Store({
        endpoint: "https://s3.test",
        bucket: "b",
        credentials: { accessKeyId: "a", secretAccessKey: "b" },
        fetch: async () => new Response("<Error><Code>AccessDenied</Code></Error>", { status }),
        waitMs: 0,
      });
    expect(await code(() => store(403).open())).toBe("STATIC_STORE_REFUSED");
    expect(await code(() => store(400).open())).toBe("STATIC_STORE_FAILED");
  });
});
