import type { Outbound } from "../outbound.ts";
import type { Clock, MetadataStore } from "../ports.ts";
import type { Account } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { accountOf } from "./directory-identity.ts";
import { usernameOf, type ExternalUser } from "./external-user.ts";
import { IdentityTokens, type VerifiedToken } from "./identity-tokens.ts";

/** The provider that people log in through. */
export interface OidcOptions {
  /** As its tokens name it in `iss`, without trailing slash. */
  readonly issuer: string;
  /** Public client (without a secret) that the command line logs in as. */
  readonly clientId: string;
  /** Beside `openid`. */
  readonly scopes: readonly string[];
  /** Claim that is the user name. */
  readonly usernameClaim: string;
  /** Claim that lists groups. */
  readonly groupsClaim: string;
  /** Members of any of these groups are admins of the registry. */
  readonly adminGroups: readonly string[];
  /** Accept tokens of the device flow, which nothing binds to one registry of those that share the client. */
  readonly deviceFlow: boolean;
}

/** What is asked of a provider unless the operator says otherwise. */
export const OIDC_DEFAULTS: Omit<OidcOptions, "issuer" | "clientId"> = {
  scopes: ["profile", "email"],
  usernameClaim: "preferred_username",
  groupsClaim: "groups",
  adminGroups: [],
  deviceFlow: true,
};

/**
 * The nonce of a login at the registry of that URL. Clients of one provider often share its client id: a registry that is
 * given a token of such a login cannot use it at another, whose URL makes another nonce.
 */
export async function nonceOf(url: string, secret: string): Promise<string> {
  const bytes = new TextEncoder().encode(`${url.replace(/\/+$/, "")}\n${secret}`);
  return Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("base64url");
}

function refused(problem: string, hint: string): RegistryError {
  return new RegistryError({
    code: "IDENTITY_TOKEN_REFUSED",
    message: `Cannot accept the identity token: ${problem}`,
    hint,
  });
}

/** Logs people in by what an OpenID provider says of them. */
export class OidcLogin {
  readonly options: OidcOptions;
  readonly #tokens: IdentityTokens;
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;

  constructor(
    options: OidcOptions,
    ports: { readonly metadata: MetadataStore; readonly clock: Clock; readonly outbound: Outbound | undefined },
  ) {
    this.options = options;
    this.#metadata = ports.metadata;
    this.#clock = ports.clock;
    this.#tokens = new IdentityTokens({
      issuers: [options.issuer],
      clock: ports.clock,
      outbound: ports.outbound,
    });
  }

  /**
   * The account of whoever got `idToken` for our client, once. `nonce` is what the client sent with its request, where the
   * flow has one: a token of another login is refused.
   * @throws {RegistryError} `IDENTITY_TOKEN_REFUSED`, `ISSUER_UNAVAILABLE`, `USER_EXISTS`
   */
  async authenticate(idToken: string, nonce: string | undefined): Promise<Account> {
    const verified = await this.#tokens.verify(idToken, this.options.clientId);
    if (nonce !== undefined && verified.claims["nonce"] !== nonce)
      throw refused("it belongs to another login", "Log in again");
    if (nonce === undefined && verified.claims["nonce"] !== undefined)
      throw refused("it belongs to a login with a nonce, and none was sent", "Log in again");
    if (nonce === undefined && !this.options.deviceFlow)
      throw refused("it has no nonce, and this registry does not accept the device flow", "Log in with a browser");
    const first = await this.#metadata.identities.useOnce(`login ${verified.issuer} ${verified.id}`, {
      expires: verified.expires,
      now: this.#clock.now(),
    });
    if (!first) throw refused("it was used before", "Log in again");
    return accountOf(this.#userOf(verified), { metadata: this.#metadata, clock: this.#clock });
  }

  #userOf({ claims, payload, issuer, subject }: VerifiedToken): ExternalUser {
    const { usernameClaim, groupsClaim, adminGroups } = this.options;
    const username = usernameOf(claims[usernameClaim] ?? "");
    if (username === undefined) {
      throw refused(
        `its claim "${usernameClaim}" is "${(claims[usernameClaim] ?? "").slice(0, 64)}", no name that an account can have`,
        "Allowed are a-z, 0-9 and . _ @ - between them; the operator names another claim with REGISTRY_OIDC_USERNAME_CLAIM",
      );
    }
    const listed = payload[groupsClaim];
    const groups = Array.isArray(listed) ? listed.filter((group) => typeof group === "string") : [];
    // An address that the provider did not check may be anybody's.
    const email = claims["email_verified"] === "true" ? claims["email"] : undefined;
    return {
      origin: `oidc:${issuer}`,
      subject,
      username,
      ...(email === undefined ? {} : { email }),
      groups: [...new Set(groups)].sort(),
      admin: adminGroups.some((group) => groups.includes(group)),
    };
  }
}
