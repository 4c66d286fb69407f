import { randomUUID } from "node:crypto";
import { parseAccess } from "../src/lib/access/access-file.ts";
import { mintToken } from "../src/lib/node/node-registry.ts";
import type { Scope } from "../src/index.ts";
import type { NodeRegistryOptions } from "../src/node.ts";
import { startServer, type TestServer } from "./harness.ts";

/** The rules of the GAL document. */
export const GAL_RULES = `
[access]
admin_users = ["root-of-packages", "admin@company.com"]

[access.packages."company/*"]
read_groups = ["employees"]
write_groups = ["developers"]
admin_groups = ["package-maintainers"]

[access.packages."open/*"]
read_groups = ["@everyone"]
write_groups = ["developers"]
admin_groups = ["package-maintainers"]
`;

/** Access rules as a registry takes them. */
export function rulesOf(text: string): NonNullable<NodeRegistryOptions["access"]> {
  const { adminUsers = [], packages = [] } = parseAccess(text, { file: "access.toml" });
  return { adminUsers, packages };
}

/** A token of a person whom a directory knows to be in these groups. */
export async function member(
  server: TestServer,
  username: string,
  groups: readonly string[],
  options: { readonly scopes?: readonly Scope[]; readonly packages?: readonly string[]; readonly email?: string } = {},
): Promise<string> {
  const { metadata } = server.node;
  const audit = { at: Date.now(), actor: "system", action: "account.create", details: {} };
  const { scopes = ["read", "publish", "yank", "owner"], packages = [], email } = options;
  const person = { origin: "ldap", subject: username, username, groups: [...groups].sort(), admin: false };
  const account = await metadata.identities.externalAccount(
    email === undefined ? person : { ...person, email },
    randomUUID(),
    audit,
  );
  if (account === "name-taken") throw new Error(`"${username}" is taken`);
  const { token, record } = await mintToken(account, { name: "test", days: 30, scopes, packages, now: Date.now() });
  await metadata.createToken(record, audit);
  return token;
}

/** A server with the rules of the GAL document. */
export async function startWithRules(options: Partial<NodeRegistryOptions> = {}): Promise<TestServer> {
  return startServer({ access: rulesOf(GAL_RULES), ...options });
}
