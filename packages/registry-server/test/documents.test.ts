import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { SETTINGS } from "../src/node.ts";
import { startServer } from "./harness.ts";

const docs = join(import.meta.dirname, "../../../docs");

it("docs/spec/http-api.md describes exactly the routes of /openapi.json", async () => {
  // With everything that a program may bring, as documents describe all of it.
  const install = { install: () => Promise.resolve({ ok: true, packs: [] } as const) };
  const server = await startServer({ install });
  const { paths } = (await (await server.call("/openapi.json")).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  await server.close();
  const served = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const text = await readFile(join(docs, "spec/http-api.md"), "utf8");
  const headings = text.split("\n").filter((line) => line.startsWith("### "));
  const described = headings.flatMap((line) => [...line.matchAll(/`([A-Z]+ [^`]+)`/g)].map((match) => match[1]!));
  expect(described.sort()).toEqual(served.sort());
});

it("docs/spec/server-configuration.md lists every setting with variable, flag and default", async () => {
  const text = await readFile(join(docs, "spec/server-configuration.md"), "utf8");
  const rows = text
    .split("\n")
    .filter((line) => /^\| `[a-z]+\.[a-z_0-9]+` \|/.test(line))
    .map((line) => line.split(" | "));
  const expected = SETTINGS.map((setting) => [
    `| \`${setting.key}\``,
    setting.variables.map((name) => `\`${name}\``).join(", "),
    `\`--${setting.flag}\``,
    setting.default === undefined ? "-" : `\`${setting.default.replaceAll("|", "\\|")}\``,
  ]);
  expect(rows.map(([key, variables, flag, , value]) => [key, variables, flag, value])).toEqual(expected);
});
