import { RegistryError } from "../registry-error.ts";

/** How an issuer names what runs. */
export type IssuerKind = "github" | "gitlab" | "oidc";

/** A system that runs builds and vouches for them with tokens. */
export interface CiIssuer {
  readonly kind: IssuerKind;
  /** As tokens name it in `iss`: an https URL without trailing slash (http on this machine only). */
  readonly url: string;
}

/** A build of a trusted project may publish a package; see {@link matchesPublisher}. */
export interface TrustedPublisher {
  readonly id: string;
  /** Canonical name of the package. */
  readonly package: string;
  readonly issuer: string;
  /** Claims of the token that must have exactly these values. */
  readonly claims: Readonly<Record<string, string>>;
  /** Account in whose name it publishes: the one that added it. */
  readonly accountId: string;
  readonly account: string;
  readonly created: number;
}

/** Claims of a verified token, as text. */
export type Claims = Readonly<Record<string, string>>;

interface ClaimRules {
  /** Never given to another project, even when its name is. */
  readonly required: readonly string[];
  readonly allowed: readonly string[] | undefined;
}

const RULES: Readonly<Record<IssuerKind, ClaimRules>> = {
  github: {
    required: ["repository_id", "repository_owner_id"],
    allowed: ["repository_id", "repository_owner_id", "repository", "workflow", "environment", "ref"],
  },
  gitlab: {
    required: ["project_id", "namespace_id"],
    allowed: ["project_id", "namespace_id", "project_path", "workflow", "environment", "ref", "ref_protected"],
  },
  oidc: { required: ["sub"], allowed: undefined },
};

const CLAIM_NAME = /^[a-z][a-z0-9_]{0,63}$/;
const CLAIM_MAX_LENGTH = 512;

/** Events that run a workflow of the project with what a stranger's change brings. */
const FOREIGN_EVENTS: readonly string[] = ["pull_request_target", "workflow_run"];

function invalid(field: string, message: string): RegistryError {
  return new RegistryError({
    code: "REQUEST_INVALID",
    message: `Cannot trust this publisher: ${message}`,
    errors: [{ field, message }],
  });
}

/**
 * Checks what an owner wants to trust: only known claims, and those that stay with the project when its name is given away.
 * @throws {RegistryError} `REQUEST_INVALID`
 */
export function checkClaims({ kind, url }: CiIssuer, claims: Claims): void {
  const { required, allowed } = RULES[kind];
  for (const name of required) {
    if (claims[name] === undefined)
      throw invalid(`body.claims.${name}`, `"${url}" needs ${required.map((each) => `"${each}"`).join(" and ")}`);
  }
  for (const [name, value] of Object.entries(claims)) {
    if (!CLAIM_NAME.test(name) || allowed?.includes(name) === false)
      throw invalid(
        `body.claims.${name.slice(0, 64)}`,
        `"${name.slice(0, 64)}" is no claim of "${url}"${allowed === undefined ? "" : `; allowed are ${allowed.map((each) => `"${each}"`).join(", ")}`}`,
      );
    if (value === "" || value.length > CLAIM_MAX_LENGTH)
      throw invalid(
        `body.claims.${name}`,
        `"${name}" has ${value.length} characters, allowed are 1 to ${CLAIM_MAX_LENGTH}`,
      );
  }
}

function workflowOf(kind: IssuerKind, claims: Claims): string | undefined {
  if (kind === "github") return /\/\.github\/workflows\/([^@]+)@/.exec(claims["workflow_ref"] ?? "")?.[1];
  if (kind === "gitlab") return /\/\/([^@]+)@/.exec(claims["ci_config_ref_uri"] ?? "")?.[1];
  return claims["workflow"];
}

/** The value of a claim as owners write it: `workflow` is the file's name, not the name that it calls itself by. */
function valueOf(kind: IssuerKind, claims: Claims, name: string): string | undefined {
  return name === "workflow" ? workflowOf(kind, claims) : claims[name];
}

/** Why a token of this issuer publishes nothing, whatever is trusted; `undefined` where nothing speaks against it. */
export function refusalOf(kind: IssuerKind, claims: Claims): string | undefined {
  const event = claims["event_name"];
  if (kind !== "github" || event === undefined || !FOREIGN_EVENTS.includes(event)) return undefined;
  return `a run of the event "${event}" can carry a stranger's change`;
}

/** Whether a verified token is of the trusted project. */
export function matchesPublisher(kind: IssuerKind, publisher: TrustedPublisher, claims: Claims): boolean {
  return Object.entries(publisher.claims).every(([name, value]) => valueOf(kind, claims, name) === value);
}

/** The claim that publishers of an issuer are looked up by: the project's id. */
export function anchorOf(kind: IssuerKind, claims: Claims): string | undefined {
  return claims[RULES[kind].required[0]!];
}

/** The organisation or person that a token's project belongs to; only systems that say so in a claim of their own. */
export function ownerOf(kind: IssuerKind, claims: Claims): string | undefined {
  if (kind === "github") return claims["repository_owner"];
  return kind === "gitlab" ? claims["namespace_path"] : undefined;
}

/** Build systems that everybody can use. */
export const CI_ISSUERS: readonly CiIssuer[] = [
  { kind: "github", url: "https://token.actions.githubusercontent.com" },
  { kind: "gitlab", url: "https://gitlab.com" },
];

/** Issuers as the configuration lists them: `kind=URL`, or a URL of a provider that is known. */
export function parseIssuer(text: string): CiIssuer | undefined {
  const [, named, address = text] = /^(github|gitlab|oidc)=(.+)$/.exec(text) ?? [];
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return undefined;
  }
  const local = ["127.0.0.1", "[::1]", "localhost"].includes(url.hostname);
  const plain = url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== "";
  if (plain || (url.protocol !== "https:" && !(url.protocol === "http:" && local))) return undefined;
  return { kind: (named as IssuerKind | undefined) ?? kindOf(url.hostname), url: url.href.replace(/\/+$/, "") };
}

function kindOf(host: string): IssuerKind {
  if (host === "token.actions.githubusercontent.com") return "github";
  return host === "gitlab.com" ? "gitlab" : "oidc";
}
