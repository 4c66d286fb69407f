import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { Client, InvalidCredentialsError, escapeFilter, type Entry } from "ldapts";
import { usernameOf, type ExternalUser, type PeopleDirectory } from "../identity/external-user.ts";
import { RegistryError } from "../registry-error.ts";
import type { LdapOptions } from "./ldap-options.ts";

// RFC 4511 §4.14.1.
const START_TLS = "1.3.6.1.4.1.1466.20037";

// Stay with an entry when it is renamed; the first that the server has.
const STABLE_IDS = ["entryUUID", "objectGUID", "nsUniqueId", "ipaUniqueID"];

// More people of one name than one are a fault of the filter; two are enough to know it.
const TWO = 2;
const GROUPS_MAX = 1000;

function texts(entry: Entry, attribute: string): string[] {
  const key = Object.keys(entry).find((name) => name.toLowerCase() === attribute.toLowerCase());
  const value = key === undefined ? [] : entry[key]!;
  return [value].flat().map((item) => (Buffer.isBuffer(item) ? item.toString("hex") : item));
}

function filled(filter: string, values: Readonly<Record<string, string>>): string {
  return filter.replaceAll(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? escapeFilter`${values[name]!}` : whole,
  );
}

// Whom the certificate must name: a connection that is encrypted later does not know whom it was made to.
function tlsOptions({ url, caFile }: LdapOptions): ConnectionOptions {
  const host = new URL(url).hostname.replaceAll(/^\[|\]$/g, "");
  return {
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(caFile === undefined ? {} : { ca: [readFileSync(caFile)] }),
  };
}

function refused(url: string, problem: string, hint: string): RegistryError {
  return new RegistryError({
    code: "DIRECTORY_REFUSED",
    message: `Cannot log in through directory "${url}": ${problem}`,
    hint,
  });
}

function unavailable(url: string, cause: unknown): RegistryError {
  return new RegistryError({
    code: "DIRECTORY_UNAVAILABLE",
    message: `Cannot reach directory "${url}": ${cause instanceof Error ? cause.message : String(cause)}`,
    hint: "Try again; the operator finds the reason in the server's log",
    cause,
  });
}

/** People of an LDAP directory: searched for, then bound as. */
export class LdapDirectory implements PeopleDirectory {
  readonly #options: LdapOptions;
  #offeredTls = false;

  constructor(options: LdapOptions) {
    this.#options = options;
  }

  async authenticate(username: string, password: string): Promise<ExternalUser | undefined> {
    // RFC 4513 §5.1.2: a bind with a name and no password succeeds, as nobody.
    if (password === "" || username.trim() === "") return undefined;
    const client = await this.#connect();
    try {
      return await this.#find(client, username, password);
    } catch (error) {
      if (error instanceof RegistryError) throw error;
      throw unavailable(this.#options.url, error);
    } finally {
      await client.unbind().catch(() => {});
    }
  }

  async #find(client: Client, username: string, password: string): Promise<ExternalUser | undefined> {
    await this.#bindSearcher(client);
    const entry = await this.#person(client, username);
    if (entry === undefined || !(await this.#matches(entry.dn, password))) return undefined;
    const name = usernameOf(texts(entry, this.#options.usernameAttribute)[0] ?? username);
    if (name === undefined) {
      throw refused(
        this.#options.url,
        `the name "${username.slice(0, 64)}" is none that a registry account can have`,
        "Allowed are a-z, 0-9 and . _ @ - between them; ask the operator to set another attribute",
      );
    }
    const groups = await this.#groups(client, entry, name);
    const [email] = texts(entry, "mail");
    return {
      origin: "ldap",
      subject: STABLE_IDS.flatMap((attribute) => texts(entry, attribute))[0] ?? entry.dn,
      username: name,
      ...(email === undefined ? {} : { email }),
      groups,
      admin: this.#options.adminGroups.some((group) => groups.includes(group)),
    };
  }

  #client(): Client {
    const { url, timeoutMs } = this.#options;
    return new Client({
      url,
      timeout: timeoutMs,
      connectTimeout: timeoutMs,
      ...(url.startsWith("ldaps:") ? { tlsOptions: tlsOptions(this.#options) } : {}),
    });
  }

  async #connect(): Promise<Client> {
    const encrypted = await this.#wantsTls();
    return this.#connected(async (client) => {
      if (encrypted) await client.startTLS(tlsOptions(this.#options));
    });
  }

  async #connected(prepare: (client: Client) => Promise<void>): Promise<Client> {
    const client = this.#client();
    try {
      await prepare(client);
      return client;
    } catch (error) {
      await client.unbind().catch(() => {});
      if (error instanceof RegistryError) throw error;
      throw unavailable(this.#options.url, error);
    }
  }

  /**
   * Whether connections are to be encrypted by StartTLS.
   *
   * A directory that offered it once is held to it until the server ends: what answers without it later is somebody
   * between. The question has a connection of its own, since RFC 4511 §4.14.1 lets a directory refuse StartTLS while
   * another operation is outstanding, and slapd counts one that it has answered until it has cleared it away.
   */
  async #wantsTls(): Promise<boolean> {
    const { url, startTls } = this.#options;
    if (url.startsWith("ldaps:") || startTls === "off") return false;
    if (startTls === "required" || this.#offeredTls) return true;
    const client = await this.#connected(async (asked) => {
      const root = await this.#rootEntry(asked);
      this.#offeredTls = root !== undefined && texts(root, "supportedExtension").includes(START_TLS);
    });
    await client.unbind().catch(() => {});
    return this.#offeredTls;
  }

  async #rootEntry(client: Client): Promise<Entry | undefined> {
    const { searchEntries } = await client.search("", {
      scope: "base",
      attributes: ["supportedExtension", "namingContexts", "defaultNamingContext"],
    });
    return searchEntries[0];
  }

  async #bindSearcher(client: Client): Promise<void> {
    const { bindDn, bindPassword, url } = this.#options;
    if (bindDn === undefined) return;
    try {
      await client.bind(bindDn, bindPassword ?? "");
    } catch (cause) {
      if (!(cause instanceof InvalidCredentialsError)) throw cause;
      throw refused(url, `it does not accept "${bindDn}"`, "Set REGISTRY_LDAP_BIND_DN and REGISTRY_LDAP_BIND_PASSWORD");
    }
  }

  async #base(client: Client): Promise<string> {
    const { baseDn, url } = this.#options;
    if (baseDn !== undefined) return baseDn;
    const root = await this.#rootEntry(client);
    const [found] =
      root === undefined ? [] : [...texts(root, "defaultNamingContext"), ...texts(root, "namingContexts")];
    if (found !== undefined && found !== "") return found;
    throw refused(url, "it does not say where its people are", "Set REGISTRY_LDAP_BASE_DN");
  }

  async #person(client: Client, username: string): Promise<Entry | undefined> {
    const { userFilter, usernameAttribute, url } = this.#options;
    const { searchEntries } = await client.search(await this.#base(client), {
      filter: filled(userFilter, { username }),
      attributes: [usernameAttribute, "mail", "memberOf", ...STABLE_IDS],
      explicitBufferAttributes: ["objectGUID"],
      sizeLimit: TWO,
    });
    if (searchEntries.length <= 1) return searchEntries[0];
    throw refused(
      url,
      `"${username.slice(0, 64)}" is the name of more people than one`,
      "Ask the operator to make REGISTRY_LDAP_USER_FILTER or REGISTRY_LDAP_BASE_DN narrower",
    );
  }

  // On a connection of its own: the searcher's rights must not become the person's.
  async #matches(dn: string, password: string): Promise<boolean> {
    const client = await this.#connect();
    try {
      await client.bind(dn, password);
      return true;
    } catch (error) {
      if (error instanceof InvalidCredentialsError) return false;
      throw error;
    } finally {
      await client.unbind().catch(() => {});
    }
  }

  async #groups(client: Client, person: Entry, username: string): Promise<string[]> {
    const { groupBaseDn, groupFilter, groupAttribute } = this.#options;
    const { searchEntries } = await client.search(groupBaseDn ?? (await this.#base(client)), {
      filter: filled(groupFilter, { dn: person.dn, username }),
      attributes: [groupAttribute],
      sizeLimit: GROUPS_MAX,
    });
    const found = searchEntries.flatMap((entry) => texts(entry, groupAttribute));
    const listed = texts(person, "memberOf").map((dn) => /^cn=((?:[^,\\]|\\.)+)/i.exec(dn)?.[1]);
    return [...new Set([...found, ...listed.filter((name) => name !== undefined)])].sort();
  }
}
