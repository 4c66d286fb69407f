import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { SETTINGS, loadServerConfig } from "@lading/registry-server/node";

const deploy = path.join(import.meta.dirname, "../deploy");
const read = (name: string): string => readFileSync(path.join(deploy, name), "utf8");

interface Service {
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: unknown;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks?: Readonly<Record<string, unknown>>;
}

const compose = (name: string): Compose => parse(read(name), { merge: true }) as Compose;

/** `${NAME:?…}` and `${NAME:-…}` filled in, as compose does from its environment file. */
function filled(value: string, variables: Readonly<Record<string, string>>): string {
  return value.replaceAll(
    /\$\{(\w+)(?::[?-]([^}]*))?\}/g,
    (_, name: string, fallback = "") => variables[name] ?? fallback,
  );
}

const example = Object.fromEntries(
  read("example.env")
    .split("\n")
    .filter((line) => /^\w+=/.test(line))
    .map((line) => [
      line.slice(0, line.indexOf("=")),
      line.slice(line.indexOf("=") + 1) || `made-up-${line}0123456789abcdef`,
    ]),
);

/** What a service waits for, and for which state of it. */
function needs({ depends_on: needed = [] }: Service): Readonly<Record<string, string>> {
  const entries = Array.isArray(needed)
    ? needed.map((other) => [other, "service_started"])
    : Object.entries(needed as Readonly<Record<string, { readonly condition: string }>>).map(
        ([other, { condition }]) => [other, condition],
      );
  return Object.fromEntries(entries) as Record<string, string>;
}

describe.each(["docker-compose.yml", "docker-compose.small.yml"])("deploy/%s", (name) => {
  const { services, volumes, networks = {} } = compose(name);

  test("names only volumes, networks, services and files that there are", () => {
    const all = Object.values(services);
    const sources = all.flatMap((service) => (service.volumes ?? []).map((volume) => volume.split(":")[0]!));
    const files = sources.filter((source) => source.startsWith("."));
    expect(files.filter((file) => !existsSync(path.join(deploy, file)))).toEqual([]);
    expect(Object.keys(volumes)).toEqual(expect.arrayContaining(sources.filter((source) => !source.startsWith("."))));
    expect(Object.keys(networks)).toEqual(expect.arrayContaining(all.flatMap((service) => service.networks ?? [])));
    expect(Object.keys(services)).toEqual(
      expect.arrayContaining(all.flatMap((service) => Object.keys(needs(service)))),
    );
    const builds = all.flatMap(({ build }) =>
      build === undefined ? [] : [path.join(deploy, build.context, build.dockerfile)],
    );
    expect(builds.filter((file) => !existsSync(file))).toEqual([]);
    // An image without a version is another one tomorrow.
    for (const { image } of all) expect(image).toMatch(/:(?!latest)\S+$/);
  });

  test("waits for the health of those services only that tell it, or whose image does", () => {
    const awaited = Object.values(services).flatMap((service) =>
      Object.entries(needs(service)).flatMap(([other, condition]) => (condition === "service_healthy" ? [other] : [])),
    );
    const silent = awaited.filter(
      (other) => services[other]!.healthcheck === undefined && services[other]!.image !== "lading-registry:local",
    );
    expect(silent).toEqual([]);
  });

  test("gives the servers settings that they know and that agree, and no right that they do not need", () => {
    const variables = new Set(SETTINGS.flatMap((setting) => setting.variables));
    const servers = Object.entries(services).filter(([title]) => title.startsWith("registry"));
    expect(servers.length).toBeGreaterThan(0);
    for (const [, { environment = {}, cap_drop: dropped, read_only: readOnly, user }] of servers) {
      for (const variable of Object.keys(environment)) expect(variables).toContain(variable);
      const env = Object.fromEntries(Object.entries(environment).map(([key, value]) => [key, filled(value, example)]));
      const { registry } = loadServerConfig({ env, flags: {} });
      expect(registry.publicUrl).toMatch(/^https?:/);
      const { mode, signatures, s3, databaseUrl, redisUrl } = registry;
      const found = [mode, signatures, s3?.bucket, databaseUrl !== undefined, redisUrl !== undefined];
      expect(found).toEqual(
        name === "docker-compose.yml"
          ? ["production", "required", "packages", true, true]
          : ["development", "optional", undefined, false, false],
      );
      expect([dropped, readOnly, user]).toEqual([["ALL"], true, undefined]);
    }
  });
});

test("deploy/Dockerfile ends as a user that is not root, keeps its data in one volume, and tells whether it is ready", () => {
  const lines = read("Dockerfile").split("\n");
  const last = (word: string): string | undefined => lines.findLast((line) => line.startsWith(`${word} `));
  expect(last("USER")).toBe("USER node");
  expect(last("VOLUME")).toBe("VOLUME /var/lib/lading-registry");
  expect(read("Dockerfile")).toContain("/api/v1/health/ready");
  expect(last("ENTRYPOINT")).toBe('ENTRYPOINT ["node", "/app/dist/main.js"]');
  const variables = [...read("Dockerfile").matchAll(/\b(REGISTRY_\w+)=/g)].map((match) => match[1]!);
  for (const variable of variables)
    expect(SETTINGS.some(({ variables: known }) => known.includes(variable))).toBe(true);
});
