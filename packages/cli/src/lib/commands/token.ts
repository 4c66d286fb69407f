import type { ApiObject } from "@lading/registry-client";
import { table } from "../render/table.ts";
import { defineCommand, type CommandSpec } from "../spec.ts";
import { cell } from "./managed.ts";

function listOf(row: ApiObject, name: string, none: string): string {
  const value = row[name];
  return Array.isArray(value) && value.length > 0 ? value.join(", ") : none;
}

export const create: CommandSpec = defineCommand({
  summary: "Create a token of your account, for builds and scripts",
  description:
    "The token is printed on standard output, this once. Whoever has it has its rights: give it few scopes, the packages and the networks that it is for, and a short life (at most 90 days where it can write).",
  examples: [
    "token create ci --scope publish --package acme/*",
    "token create deploy --scope read --cidr 192.0.2.0/24,2001:db8::/32 --days 7",
  ],
  arguments: [{ name: "NAME", summary: "What you call it" }],
  flags: {
    scope: {
      type: "list",
      summary: "read, publish, yank, owner or admin; default: read,publish",
      placeholder: "SCOPE",
    },
    package: { type: "list", summary: "Limit it to packages of these patterns", placeholder: "PATTERN" },
    cidr: { type: "list", summary: "Limit it to requests from these addresses or ranges", placeholder: "RANGE" },
    days: { type: "number", summary: "Days until it expires; default: 30", placeholder: "DAYS" },
  },
  async run({ args, flags, io, context }) {
    const { tokenCreate } = await import("@lading/engine/registry");
    const created = await tokenCreate(
      {
        name: args[0]!,
        scopes: flags.scope.length === 0 ? ["read", "publish"] : flags.scope,
        ...(flags.package.length === 0 ? {} : { packages: flags.package }),
        ...(flags.cidr.length === 0 ? {} : { cidr: flags.cidr }),
        ...(flags.days === undefined ? {} : { expiresInDays: flags.days }),
      },
      await context(),
    );
    return {
      data: created,
      text: () => {
        const limits = `${listOf(created, "scopes", "-")}; packages: ${listOf(created, "packages", "all")}; from: ${listOf(created, "cidr", "anywhere")}`;
        io.stderr.write(`Created token ${cell(created, "id")} (${limits}), good until ${cell(created, "expires")}\n`);
        return [cell(created, "token")];
      },
    };
  },
});

export const list: CommandSpec = defineCommand({
  summary: "List your tokens, without their secrets",
  examples: ["token list"],
  flags: {},
  async run({ context }) {
    const { tokenList } = await import("@lading/engine/registry");
    const tokens = await tokenList(await context());
    return {
      data: tokens,
      rows: tokens,
      text: (style) =>
        tokens.length === 0
          ? ["You have no tokens"]
          : table(
              style,
              ["ID", "NAME", "SCOPES", "PACKAGES", "FROM", "EXPIRES", "LAST USED"],
              tokens.map((token) => [
                cell(token, "id"),
                cell(token, "name"),
                listOf(token, "scopes", "-"),
                listOf(token, "packages", "all"),
                listOf(token, "cidr", "anywhere"),
                cell(token, "expires"),
                cell(token, "last_used"),
              ]),
            ),
    };
  },
});

export const revoke: CommandSpec = defineCommand({
  summary: "Revoke a token by its id; it opens nothing from now on",
  examples: ["token revoke FY0heHBN5mwE9Q85"],
  arguments: [{ name: "ID", summary: "Id of the token, as token list shows it" }],
  flags: {},
  async run({ args, context }) {
    const { tokenRevoke } = await import("@lading/engine/registry");
    const id = args[0]!;
    await tokenRevoke({ id }, await context());
    return { data: { id, revoked: true }, text: (style) => [`Revoked token ${style.bold(id)}`] };
  },
});
