import { isIP } from "node:net";
import type { OidcOptions } from "../identity/oidc-login.ts";
import { parseIssuer, type CiIssuer } from "../identity/trusted-publisher.ts";
import type { DirectoryTeam } from "../organisations/groups.ts";
import { parseTeamName } from "../organisations/organisation.ts";
import { RegistryError } from "../registry-error.ts";
import { LDAP_DEFAULTS, type LdapOptions } from "./ldap-options.ts";
import type { ConfigValues } from "./setting.ts";

/** What the settings say of who people and builds are. */
export interface IdentityConfig {
  readonly ldap?: LdapOptions;
  readonly oidc?: OidcOptions;
  readonly ciIssuers: readonly CiIssuer[];
  readonly ciAudience?: string;
  readonly directoryTeams: readonly DirectoryTeam[];
  readonly dnsServers: readonly string[];
}

const LDAP_URL = /^ldaps?:\/\/(?:[\w.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?\/?$/i;

function optional(values: ConfigValues, key: string, name: string): Record<string, string> {
  return values.has(key) ? { [name]: values.text(key) } : {};
}

function listed(values: ConfigValues, key: string): readonly string[] {
  return values.has(key) ? values.list(key) : [];
}

function required(
  values: ConfigValues,
  key: string,
  { variable, type }: { readonly variable: string; readonly type: string },
): string {
  if (values.has(key)) return values.text(key);
  throw new RegistryError({
    code: "SERVER_CONFIG_INVALID",
    message: `Cannot use ${values.origin("access.auth_type")} = ${type}: ${variable} is not set`,
    hint: `Set ${variable}, or REGISTRY_AUTH_TYPE=local`,
    setting: key,
  });
}

function ldapOptions(values: ConfigValues): LdapOptions {
  const url = required(values, "ldap.url", { variable: "REGISTRY_LDAP_URL", type: "ldap" });
  if (!LDAP_URL.test(url)) {
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot use ${values.origin("ldap.url")}: its value is "${url.slice(0, 100)}", allowed is ldap://host:port or ldaps://host:port`,
      hint: "Name the directory's base with REGISTRY_LDAP_BASE_DN",
      setting: "ldap.url",
    });
  }
  return {
    url: url.replace(/\/$/, ""),
    startTls: values.text("ldap.start_tls") as LdapOptions["startTls"],
    userFilter: values.text("ldap.user_filter"),
    usernameAttribute: values.text("ldap.username_attribute"),
    groupFilter: values.text("ldap.group_filter"),
    groupAttribute: LDAP_DEFAULTS.groupAttribute,
    adminGroups: listed(values, "ldap.admin_groups"),
    timeoutMs: LDAP_DEFAULTS.timeoutMs,
    ...optional(values, "ldap.ca_file", "caFile"),
    ...optional(values, "ldap.bind_dn", "bindDn"),
    ...optional(values, "ldap.bind_password", "bindPassword"),
    ...optional(values, "ldap.base_dn", "baseDn"),
    ...optional(values, "ldap.group_base_dn", "groupBaseDn"),
  };
}

function oidcOptions(values: ConfigValues): OidcOptions {
  required(values, "server.url", { variable: "REGISTRY_URL", type: "oidc" });
  return {
    issuer: required(values, "oidc.issuer", { variable: "REGISTRY_OIDC_ISSUER", type: "oidc" }),
    clientId: required(values, "oidc.client_id", { variable: "REGISTRY_OIDC_CLIENT_ID", type: "oidc" }),
    scopes: values.list("oidc.scopes"),
    usernameClaim: values.text("oidc.username_claim"),
    groupsClaim: values.text("oidc.groups_claim"),
    adminGroups: listed(values, "oidc.admin_groups"),
    deviceFlow: values.boolean("oidc.device_flow"),
  };
}

function issuers(values: ConfigValues): readonly CiIssuer[] {
  return values.list("builds.issuers").map((text) => {
    const issuer = parseIssuer(text);
    if (issuer !== undefined) return issuer;
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot use ${values.origin("builds.issuers")}: "${text.slice(0, 100)}" is no issuer, allowed are https URLs, with github=, gitlab= or oidc= before them`,
      hint: "http is allowed on this machine only",
      setting: "builds.issuers",
    });
  });
}

function directoryTeams(values: ConfigValues): readonly DirectoryTeam[] {
  return listed(values, "access.group_teams").map((text) => {
    // The last sign: names of groups may hold one, names of teams do not.
    const at = text.lastIndexOf("=");
    const named = parseTeamName(text.slice(at + 1).trim());
    const group = text.slice(0, Math.max(at, 0)).trim();
    if (named !== undefined && group !== "") return { group, ...named };
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot use ${values.origin("access.group_teams")}: "${text.slice(0, 200)}" is not of the form group=organisation/team`,
      hint: "Name the group as the directory does, and the team as organisation/team in lower case",
      setting: "access.group_teams",
    });
  });
}

function dnsServers(values: ConfigValues): readonly string[] {
  return listed(values, "access.dns_servers").map((text) => {
    const [, address = text, port = "53"] = /^(\d[\d.]*|\[[^\]]+\]):(\d{1,5})$/.exec(text) ?? [];
    if (isIP(address.replace(/^\[|\]$/g, "")) !== 0 && Number(port) < 65_536) return text;
    throw new RegistryError({
      code: "SERVER_CONFIG_INVALID",
      message: `Cannot use ${values.origin("access.dns_servers")}: "${text.slice(0, 100)}" is no address of a name server`,
      hint: "Write an IP address, with a port as 192.0.2.1:53 or [2001:db8::1]:53",
      setting: "access.dns_servers",
    });
  });
}

/**
 * Reads the settings of who people and builds are. A directory's settings without `REGISTRY_AUTH_TYPE` are a contradiction,
 * not a hint.
 * @throws {RegistryError} `SERVER_CONFIG_INVALID`, `SERVER_CONFIG_CONTRADICTION`
 */
export function identityConfig(values: ConfigValues): IdentityConfig {
  const type = values.text("access.auth_type");
  for (const [key, needed] of [
    ["ldap.url", "ldap"],
    ["oidc.issuer", "oidc"],
  ] as const) {
    if (!values.has(key) || type === needed) continue;
    throw new RegistryError({
      code: "SERVER_CONFIG_CONTRADICTION",
      message: `Cannot use ${values.origin(key)} together with ${values.origin("access.auth_type")} = ${type}: nobody would log in there`,
      hint: `Set REGISTRY_AUTH_TYPE=${needed}, or remove it`,
    });
  }
  return {
    ...(type === "ldap" ? { ldap: ldapOptions(values) } : {}),
    ...(type === "oidc" ? { oidc: oidcOptions(values) } : {}),
    ciIssuers: issuers(values),
    directoryTeams: directoryTeams(values),
    dnsServers: dnsServers(values),
    ...optional(values, "builds.audience", "ciAudience"),
  };
}
