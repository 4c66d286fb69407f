import { parsePackageName } from "@lading/core-manifest";
import type {
  Account,
  ApiObject,
  CallOptions,
  Health,
  IdentityProof,
  IdentityProviderInfo,
  Page,
  SearchItem,
  SearchOptions,
  SearchPage,
  TokenInfo,
  TokenRequest,
} from "./client-types.ts";
import { answerReader, isObject, optional, optionalString, stringList } from "./json.ts";
import { keepPassword } from "./keep-password.ts";
import type { ApiAnswer, Credential } from "./ports.ts";
import { RegistryClientError } from "./registry-client-error.ts";
import type { Session, SessionCall } from "./session.ts";

type Query = NonNullable<SessionCall["query"]>;

const packagePath = (name: string): string => `packages/${encodeURIComponent(name)}`;
const versionPath = (name: string, version: string): string =>
  `${packagePath(name)}/versions/${encodeURIComponent(version)}`;

function verbOf({ status, details }: { readonly status: string; readonly details?: object }): string {
  if (status === "takedown") return details === undefined ? "bring back" : "take down";
  return details === undefined ? `un-${status}` : status;
}

/** The calls of `docs/spec/http-api.md` below `/api/v1/`, each one request. */
export class Api {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async search(query: string, options: SearchOptions): Promise<SearchPage> {
    const action = `search for "${query}"`;
    const { page, perPage, category, keyword, sort } = options;
    const host = options.hosts && Object.entries(options.hosts).map(([axis, version]) => `${axis}=${version}`);
    const answer = await this.#session.demand(
      {
        method: "GET",
        path: "search",
        query: { q: query, page, per_page: perPage, category, keyword, sort, host },
        action,
      },
      options,
    );
    const hosts = this.#filteredFor(answer, options.hosts);
    const found = this.#pageOf(answer, action);
    return {
      ...found,
      items: found.items.map((item) => this.#searchItem(item, action)),
      ...optional("hosts", hosts),
    };
  }

  async list(
    options: SearchOptions & { readonly query?: string },
  ): Promise<Page<ApiObject & { readonly name: string }>> {
    const action = "list packages";
    const { query: q, page, perPage: per_page, category, keyword, sort } = options;
    const query = { q, page, per_page, category, keyword, sort };
    const found = await this.#page("packages/", query, action, options);
    return {
      ...found,
      items: found.items.map((item) => ({ ...item, name: this.#read(action).string(item.name, '"name"') })),
    };
  }

  async info(name: string, version: string | undefined, options: CallOptions): Promise<ApiObject | undefined> {
    const path = version === undefined ? packagePath(name) : versionPath(name, version);
    const action = `show "${name}"${version === undefined ? "" : ` ${version}`}`;
    const answer = await this.#session.call({ method: "GET", path, action }, options);
    return answer.status === 404 ? undefined : this.#read(action).object(answer.body, "the answer");
  }

  async versions(
    name: string,
    options: CallOptions,
  ): Promise<readonly (ApiObject & { readonly version: string })[] | undefined> {
    const action = `list the versions of "${name}"`;
    const answer = await this.#session.call({ method: "GET", path: `${packagePath(name)}/versions`, action }, options);
    if (answer.status === 404) return undefined;
    const read = this.#read(action);
    return this.#items(answer, action).map((item) => ({ ...item, version: read.string(item.version, '"version"') }));
  }

  async readme(name: string, version: string, options: CallOptions): Promise<string | undefined> {
    const action = `read the readme of "${name}" ${version}`;
    const answer = await this.#session.call(
      { method: "GET", path: `${versionPath(name, version)}/readme`, action },
      options,
    );
    if (answer.status === 404) return undefined;
    return typeof answer.body === "string" ? answer.body : "";
  }

  async createPackage(name: string, options: CallOptions): Promise<"created" | "exists"> {
    // Repeatable: a name that is there already and is yours answers 200.
    const call = {
      method: "POST",
      path: "packages/",
      body: { name },
      action: `create "${name}"`,
      repeatable: true,
    } as const;
    return (await this.#session.demand(call, options)).status === 201 ? "created" : "exists";
  }

  async setStatus(
    change: {
      readonly name: string;
      readonly version: string;
      readonly status: "yank" | "deprecate" | "takedown";
      /** Absent: the status is lifted. */
      readonly details?: Readonly<Record<string, string | boolean>>;
    },
    options: CallOptions,
  ): Promise<void> {
    const path = `${versionPath(change.name, change.version)}/${change.status}`;
    const action = `${verbOf(change)} "${change.name}" ${change.version}`;
    const set =
      change.details === undefined
        ? ({ method: "DELETE" } as const)
        : ({ method: "POST", body: change.details } as const);
    await this.#session.demand({ ...set, path, action, repeatable: true }, options);
    // Whoever yanks and installs at once is to see it: signed metadata follows a moment later.
    const { settled } = await import("./trust/signed-documents.ts");
    await settled(this.#session, parsePackageName(change.name), options);
  }

  async owners(name: string, options: CallOptions): Promise<readonly ApiObject[]> {
    const action = `list the owners of "${name}"`;
    const answer = await this.#session.demand({ method: "GET", path: `${packagePath(name)}/owners`, action }, options);
    return this.#items(answer, action);
  }

  async changeOwner(method: "PUT" | "DELETE", name: string, user: string, options: CallOptions): Promise<void> {
    const action =
      method === "PUT" ? `make "${user}" an owner of "${name}"` : `remove "${user}" from the owners of "${name}"`;
    await this.#session.demand(
      { method, path: `${packagePath(name)}/owners/${encodeURIComponent(user)}`, action },
      options,
    );
  }

  async channels(name: string, options: CallOptions): Promise<Readonly<Record<string, string>>> {
    const action = `list the channels of "${name}"`;
    const answer = await this.#session.demand(
      { method: "GET", path: `${packagePath(name)}/channels`, action },
      options,
    );
    return this.#channelTable(answer, action);
  }

  /** Lets a channel name a version, or without one nothing any more. */
  async setChannel(
    change: { readonly name: string; readonly channel: string; readonly version?: string },
    options: CallOptions,
  ): Promise<Readonly<Record<string, string>>> {
    const { name, channel, version } = change;
    const set =
      version === undefined ? ({ method: "DELETE" } as const) : ({ method: "PUT", body: { version } } as const);
    const action =
      version === undefined
        ? `remove channel "${channel}" of "${name}"`
        : `let channel "${channel}" of "${name}" name ${version}`;
    const path = `${packagePath(name)}/channels/${encodeURIComponent(channel)}`;
    const answer = await this.#session.demand({ ...set, path, action, repeatable: version !== undefined }, options);
    const { settled } = await import("./trust/signed-documents.ts");
    await settled(this.#session, parsePackageName(name), options);
    return this.#channelTable(answer, action);
  }

  #channelTable(answer: ApiAnswer, action: string): Readonly<Record<string, string>> {
    const read = this.#read(action);
    const table = read.object(read.object(answer.body, "the answer").channels, '"channels"');
    return Object.fromEntries(
      Object.entries(table).map(([channel, version]) => [channel, read.string(version, `"channels.${channel}"`)]),
    );
  }

  async register(
    account: { username: string; password: string; email?: string },
    options: CallOptions,
  ): Promise<Account> {
    const action = `register "${account.username}"`;
    await keepPassword(this.#session, action, options);
    const call = { method: "POST", path: "auth/register", body: account, action, credential: "none" } as const;
    return this.#account(await this.#session.demand(call, options), action);
  }

  async whoami(credential: Credential | undefined, options: CallOptions): Promise<Account> {
    const action = `ask registry "${this.#session.registry.name}" who you are`;
    const answer = await this.#session.demand(
      { method: "GET", path: "auth/whoami", action, ...optional("credential", credential) },
      options,
    );
    return this.#account(answer, action);
  }

  /** A session token for a name and password. */
  async passwordLogin(credential: Credential & { type: "basic" }, options: CallOptions): Promise<Credential> {
    const action = `log in to registry "${this.#session.registry.name}" as "${credential.username}"`;
    await keepPassword(this.#session, action, options);
    const { username, password, otp } = credential;
    const body = { username, password, ...(otp === undefined ? {} : { otp }) };
    // Repeatable: a second session does no harm. No stored credential goes along: it may be the expired one.
    const call = { method: "POST", path: "auth/login", body, action, credential: "none", repeatable: true } as const;
    const answer = await this.#session.demand(call, options);
    const read = this.#read(action);
    return { type: "token", token: read.string(read.object(answer.body, "the answer").token, '"token"') };
  }

  /** The provider that people log in through. */
  async identityProvider(options: CallOptions): Promise<IdentityProviderInfo> {
    const action = `ask registry "${this.#session.registry.name}" for its identity provider`;
    const call = { method: "GET", path: "auth/oidc", action, credential: "none" } as const;
    const answer = await this.#session.call(call, options);
    if (answer.status === 404) {
      throw new RegistryClientError({
        code: "REGISTRY_REFUSED",
        message: `Cannot log in to registry "${this.#session.registry.name}" through a provider: it has none`,
        hint: "Log in with --username or --token-stdin",
        registry: this.#session.registry.name,
      });
    }
    const read = this.#read(action);
    const body = read.object(answer.body, "the answer");
    return {
      issuer: read.string(body.issuer, '"issuer"'),
      clientId: read.string(body.client_id, '"client_id"'),
      scopes: stringList(body.scopes),
      deviceFlow: body.device_flow === true,
    };
  }

  /** Changes what a provider says of somebody for a session. */
  async identityLogin(proof: IdentityProof, options: CallOptions): Promise<Credential> {
    const action = `log in to registry "${this.#session.registry.name}" through its provider`;
    const body = {
      id_token: proof.idToken,
      ...(proof.nonceSecret === undefined ? {} : { nonce_secret: proof.nonceSecret }),
    };
    // Not repeatable: a token opens once.
    const answer = await this.#session.demand(
      { method: "POST", path: "auth/oidc", body, action, credential: "none" },
      options,
    );
    const read = this.#read(action);
    return { type: "token", token: read.string(read.object(answer.body, "the answer").token, '"token"') };
  }

  async endSession(options: CallOptions): Promise<void> {
    await this.#session.call(
      { method: "POST", path: "auth/logout", action: `log out of registry "${this.#session.registry.name}"` },
      options,
    );
  }

  async tokens(options: CallOptions): Promise<readonly TokenInfo[]> {
    const action = "list tokens";
    const answer = await this.#session.demand({ method: "GET", path: "tokens", action }, options);
    return this.#items(answer, action).map((item) => this.#token(item, action));
  }

  async createToken(request: TokenRequest, options: CallOptions): Promise<TokenInfo> {
    const action = `create the token "${request.name}"`;
    const body = {
      name: request.name,
      scopes: request.scopes,
      ...optional("packages", request.packages),
      ...optional("cidr", request.cidr),
      ...optional("expires_in_days", request.expiresInDays),
    };
    const answer = await this.#session.demand({ method: "POST", path: "tokens", body, action }, options);
    return this.#token(this.#read(action).object(answer.body, "the answer"), action);
  }

  async revokeToken(id: string, options: CallOptions): Promise<void> {
    const path = `tokens/${encodeURIComponent(id)}`;
    await this.#session.demand({ method: "DELETE", path, action: `revoke the token "${id}"` }, options);
  }

  async keys(options: CallOptions): Promise<readonly ApiObject[]> {
    const action = "list signing keys";
    return this.#items(await this.#session.demand({ method: "GET", path: "keys", action }, options), action);
  }

  async addKey(publicKey: string, name: string | undefined, options: CallOptions): Promise<ApiObject> {
    const action = "register a signing key";
    const body = { public_key: publicKey, ...optional("name", name) };
    // Repeatable: a key is the same key however often it is registered.
    const answer = await this.#session.demand(
      { method: "POST", path: "keys", body, action, repeatable: true },
      options,
    );
    return this.#read(action).object(answer.body, "the answer");
  }

  async removeKey(id: string, options: CallOptions): Promise<void> {
    await this.#session.demand(
      { method: "DELETE", path: `keys/${encodeURIComponent(id)}`, action: `remove the signing key "${id}"` },
      options,
    );
  }

  audit(query: Query, options: CallOptions): Promise<Page<ApiObject>> {
    return this.#page("audit", query, "read the audit log", options);
  }

  async health(options: CallOptions): Promise<Health> {
    const action = `check registry "${this.#session.registry.name}"`;
    const started = this.#session.clock.now();
    const answer = await this.#session.demand({ method: "GET", path: "health", action, credential: "none" }, options);
    const raw = this.#read(action).object(answer.body, "the answer");
    const ok = raw.status === undefined || ["ok", "healthy", "pass"].includes(optionalString(raw.status) ?? "");
    return { ok, durationMs: this.#session.clock.now() - started, raw };
  }

  async #page(path: string, query: Query, action: string, options: CallOptions): Promise<Page<ApiObject>> {
    return this.#pageOf(await this.#session.demand({ method: "GET", path, query, action }, options), action);
  }

  /** The hosts that the registry says it chose the items for, where they are those that were asked for. */
  #filteredFor(answer: ApiAnswer, asked: SearchOptions["hosts"]): SearchOptions["hosts"] {
    const told = isObject(answer.body) && isObject(answer.body.hosts) ? answer.body.hosts : undefined;
    if (asked === undefined || told === undefined) return undefined;
    const same = Object.entries(asked).every(([axis, version]) => Object.hasOwn(told, axis) && told[axis] === version);
    return same && Object.keys(told).length === Object.keys(asked).length ? asked : undefined;
  }

  #pageOf(answer: ApiAnswer, action: string): Page<ApiObject> {
    const read = this.#read(action);
    const body = read.object(answer.body, "the answer");
    return {
      items: this.#items(answer, action),
      page: read.number(body.page, '"page"'),
      perPage: read.number(body.per_page, '"per_page"'),
      total: read.number(body.total, '"total"'),
    };
  }

  #items(answer: ApiAnswer, action: string): readonly ApiObject[] {
    const read = this.#read(action);
    return read
      .array(read.object(answer.body, "the answer").items, '"items"')
      .map((item) => read.object(item, "an item"));
  }

  #searchItem(item: ApiObject, action: string): SearchItem {
    const read = this.#read(action);
    return {
      name: read.string(item.name, '"name"'),
      version: optionalString(item.version) ?? read.string(item.latest, '"version"'),
      ...optional("description", optionalString(item.description)),
      keywords: stringList(item.keywords),
      ...optional("downloads", typeof item.downloads === "number" ? item.downloads : undefined),
      raw: item,
    };
  }

  #account(answer: ApiAnswer, action: string): Account {
    const read = this.#read(action);
    const body = read.object(answer.body, "the answer");
    const user = isObject(body.user) ? body.user : body;
    const username = optionalString(user.username) ?? optionalString(body.user);
    return { username: username ?? read.string(undefined, '"username"'), raw: body };
  }

  #token(item: ApiObject, action: string): TokenInfo {
    const read = this.#read(action);
    const id = typeof item.id === "number" ? String(item.id) : read.string(item.id, '"id"');
    return {
      id,
      name: optionalString(item.name) ?? "",
      scopes: stringList(item.scopes),
      ...optional("expires", optionalString(item.expires)),
      ...optional("token", optionalString(item.token)),
      raw: item,
    };
  }

  #read(action: string): ReturnType<typeof answerReader> {
    return answerReader(action, this.#session.registry.name);
  }
}

/** Whether the registry itself turned the credential down, as opposed to not having been reached. */
export function isAuthRefusal(error: unknown): boolean {
  return error instanceof RegistryClientError && error.category === "auth";
}
