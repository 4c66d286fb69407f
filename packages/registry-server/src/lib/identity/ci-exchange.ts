import type { Outbound } from "../outbound.ts";
import type { Clock, MetadataStore } from "../ports.ts";
import type { AuditEntry, TokenRecord } from "../records.ts";
import { RegistryError } from "../registry-error.ts";
import { generateToken, hashToken, randomId } from "../token.ts";
import { IdentityTokens, type VerifiedToken } from "./identity-tokens.ts";
import {
  anchorOf,
  matchesPublisher,
  ownerOf,
  refusalOf,
  type CiIssuer,
  type TrustedPublisher,
} from "./trusted-publisher.ts";

/** How long a build may publish with what it got, in milliseconds. */
export const CI_TOKEN_LIFETIME_MS: number = 15 * 60 * 1000;

/** A token for one build. */
export interface BuildToken {
  readonly token: string;
  readonly expires: number;
  /** Canonical names of the packages that it may publish. */
  readonly packages: readonly string[];
}

function refused(problem: string, hint: string): RegistryError {
  return new RegistryError({
    code: "IDENTITY_TOKEN_REFUSED",
    message: `Cannot accept the identity token: ${problem}`,
    hint,
  });
}

/** The claims that say which project and which run a token is of; what an audit trail keeps. */
function told(claims: Readonly<Record<string, string>>): Record<string, string> {
  const names = [
    "sub",
    "repository",
    "repository_id",
    "project_path",
    "project_id",
    "workflow_ref",
    "run_id",
    "job_id",
    "pipeline_id",
    "sha",
  ];
  return Object.fromEntries(names.flatMap((name) => (claims[name] === undefined ? [] : [[name, claims[name]]])));
}

/** Gives builds of trusted projects a token to publish with, for what their build system says of them. */
export class CiExchange {
  readonly #issuers: readonly CiIssuer[];
  readonly #tokens: IdentityTokens;
  readonly #metadata: MetadataStore;
  readonly #clock: Clock;

  constructor(options: {
    readonly issuers: readonly CiIssuer[];
    readonly metadata: MetadataStore;
    readonly clock: Clock;
    readonly outbound: Outbound | undefined;
  }) {
    this.#issuers = options.issuers;
    this.#metadata = options.metadata;
    this.#clock = options.clock;
    this.#tokens = new IdentityTokens({
      issuers: options.issuers.map(({ url }) => url),
      clock: options.clock,
      outbound: options.outbound,
    });
  }

  /** @throws {RegistryError} `REQUEST_INVALID` */
  issuer(url: string): CiIssuer {
    const found = this.#issuers.find((issuer) => issuer.url === url.replace(/\/+$/, ""));
    if (found !== undefined) return found;
    const message = `issuer "${url.slice(0, 200)}" is not one of this registry's: ${this.#issuers.map((issuer) => `"${issuer.url}"`).join(", ") || "it has none"}`;
    throw new RegistryError({
      code: "REQUEST_INVALID",
      message: `Cannot trust this publisher: ${message}`,
      hint: "The operator names issuers with REGISTRY_CI_ISSUERS",
      errors: [{ field: "body.issuer", message }],
    });
  }

  /**
   * Exchanges an identity token, once, for a token that publishes the packages that trust its project.
   * @throws {RegistryError} `IDENTITY_TOKEN_REFUSED`, `ISSUER_UNAVAILABLE`
   */
  async exchange(
    identity: string,
    { audience, audit }: { readonly audience: string; readonly audit: AuditEntry },
  ): Promise<BuildToken> {
    const verified = await this.#tokens.verify(identity, audience);
    const publishers = await this.#publishersOf(verified);
    await this.#useOnce(verified);
    const packages = [...new Set(publishers.map((publisher) => publisher.package))].sort();
    return this.#create(publishers[0]!, packages, {
      ...audit,
      actor: publishers[0]!.account,
      details: { issuer: verified.issuer, packages, ...told(verified.claims) },
    });
  }

  /**
   * Who the project of an identity token belongs to, as its issuer names them; the token is used up.
   * @throws {RegistryError} `IDENTITY_TOKEN_REFUSED`, `ISSUER_UNAVAILABLE`
   */
  async projectOwner(
    identity: string,
    audience: string,
  ): Promise<{ readonly issuer: string; readonly owner: string | undefined }> {
    const verified = await this.#tokens.verify(identity, audience);
    const { kind, url } = this.issuer(verified.issuer);
    const refusal = refusalOf(kind, verified.claims);
    if (refusal !== undefined) throw refused(refusal, "Take the token of a run of a tag or of a branch of the project");
    await this.#useOnce(verified);
    return { issuer: url, owner: ownerOf(kind, verified.claims) };
  }

  async #publishersOf(verified: VerifiedToken): Promise<readonly TrustedPublisher[]> {
    const { kind, url } = this.issuer(verified.issuer);
    const refusal = refusalOf(kind, verified.claims);
    if (refusal !== undefined) throw refused(refusal, "Publish from a run of a tag or of a branch of the project");
    const anchor = anchorOf(kind, verified.claims);
    const known = anchor === undefined ? [] : await this.#metadata.identities.trustedPublishersAt(url, anchor);
    const matching = known.filter((publisher) => matchesPublisher(kind, publisher, verified.claims));
    // Publishers of several accounts would be several tokens; the first account's packages are one.
    const own = matching.filter(({ accountId }) => accountId === matching[0]!.accountId);
    if (own.length > 0) return own;
    throw refused(
      `no package trusts it (${Object.entries(told(verified.claims))
        .map(([name, value]) => `${name} "${value.slice(0, 100)}"`)
        .join(", ")})`,
      "An owner adds the project with: lading trusted-publisher add",
    );
  }

  async #useOnce({ issuer, id, expires }: VerifiedToken): Promise<void> {
    const first = await this.#metadata.identities.useOnce(`${issuer} ${id}`, {
      // Beyond its end, so that clocks that differ do not open it again.
      expires: expires + CI_TOKEN_LIFETIME_MS,
      now: this.#clock.now(),
    });
    if (!first) throw refused("it was used before", "Ask the build system for a new one in each job");
  }

  async #create(publisher: TrustedPublisher, packages: readonly string[], audit: AuditEntry): Promise<BuildToken> {
    const token = generateToken();
    const created = this.#clock.now();
    const record: TokenRecord = {
      id: randomId(),
      accountId: publisher.accountId,
      name: `build of ${new URL(publisher.issuer).host}`,
      hash: await hashToken(token),
      scopes: ["publish"],
      packages,
      created,
      expires: created + CI_TOKEN_LIFETIME_MS,
    };
    await this.#metadata.createToken(record, audit);
    return { token, expires: record.expires!, packages };
  }
}
