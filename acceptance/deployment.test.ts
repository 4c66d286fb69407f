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

describe.each(["docker-compose.yml", "docker-compose.small.yml"])("deploy/%s", (name) => {
  const { services, volumes, networks = {} } = compose(name);

  test("names only volumes, networks, services and files that there are", () => {
    for (const service of Object.values(services)) {
      for (const volume of service.volumes ?? []) {
        const [source] = volume.split(":");
        if (source!.startsWith(".")) expect(existsSync(path.join(deploy, source!)), source).toBe(true);
        else expect(Object.keys(volumes)).toContain(source);
      }
      for (const network of service.networks ?? []) expect(Object.keys(networks)).toContain(network);
      const needed = service.depends_on ?? [];
      for (const other of Array.isArray(needed) ? needed : Object.keys(needed))
        expect(Object.keys(services)).toContain(other);
      if (service.build !== undefined)
        expect(existsSync(path.join(deploy, service.build.context, service.build.dockerfile))).toBe(true);
      // An image without a version is another one tomorrow.
      expect(service.image).toMatch(/:(?!latest)\S+$/);
    }
  });

  test("waits for the health of those services only that tell it, or that the image tells of", () => {
    for (const { depends_on: needed = [] } of Object.values(services)) {
      for (const [other, { condition }] of Object.entries(Array.isArray(needed) ? {} : needed)) {
        const told = services[other]!.healthcheck !== undefined || services[other]!.image === "lading-registry:local";
        if (condition === "service_healthy") expect(told, other).toBe(true);
      }
    }
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
      if (name === "docker-compose.yml") {
        expect(registry).toMatchObject({ mode: "production", signatures: "required", s3: { bucket: "packages" } });
        expect([registry.databaseUrl, registry.redisUrl]).not.toContain(undefined);
      }
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
