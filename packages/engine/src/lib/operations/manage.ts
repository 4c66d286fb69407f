import type { ApiObject, FetchResponse, ManagementCall, ManagementInputs } from "@lading/registry-client";
import { EngineError } from "../engine-error.ts";
import type { EngineContext } from "../engine-context.ts";
import { openFetch } from "../remote-file.ts";

/**
 * Manages organisations, teams, namespaces, invitations, trusted publishers and one's own account at the default registry.
 * @returns what the registry answers; an empty object where it has nothing to tell
 * @throws {RegistryClientError} what the registry refuses
 */
export async function manage<Name extends ManagementCall>(
  call: Name,
  input: ManagementInputs[Name],
  context: EngineContext,
): Promise<ApiObject> {
  const client = (await context.registries()).default;
  return (await client.manage(call, input, { signal: context.signal })) ?? {};
}

/** Whose builds may publish a package: a project at GitHub or GitLab, or claims of another issuer. */
export interface TrustPublisherInput {
  readonly name: string;
  /** `owner/repository`. */
  readonly github?: string | undefined;
  /** `group/project`. */
  readonly gitlab?: string | undefined;
  readonly issuer?: string | undefined;
  /** File name of the workflow or pipeline. */
  readonly workflow?: string | undefined;
  readonly environment?: string | undefined;
  /** Further claims; those that are given are not looked up. */
  readonly claims: Readonly<Record<string, string>>;
}

interface Forge {
  readonly issuer: string;
  /** Address of the API, and the variable that names another. */
  readonly api: string;
  readonly variable: string;
  readonly path: (project: string) => string;
  /** Ids that stay with the project when its name is given to another. */
  readonly claims: (project: ApiObject) => Readonly<Record<string, unknown>>;
}

const FORGES: Readonly<Record<"github" | "gitlab", Forge>> = {
  github: {
    issuer: "https://token.actions.githubusercontent.com",
    api: "https://api.github.com",
    variable: "GITHUB_API_URL",
    path: (project) => `repos/${project.split("/").map(encodeURIComponent).join("/")}`,
    claims: ({ id, owner }) => ({ repository_id: id, repository_owner_id: (owner as ApiObject | undefined)?.["id"] }),
  },
  gitlab: {
    issuer: "https://gitlab.com",
    api: "https://gitlab.com/api/v4",
    variable: "CI_API_V4_URL",
    path: (project) => `projects/${encodeURIComponent(project)}`,
    claims: ({ id, namespace }) => ({ project_id: id, namespace_id: (namespace as ApiObject | undefined)?.["id"] }),
  },
};

const PROJECT = /^[\w.-]+(?:\/[\w.-]+)+$/;
const LOOKUP_TIMEOUT_MS = 15_000;
const ANSWER_MAX_BYTES = 4 * 1024 * 1024;

function lookupFailed(project: string, problem: string, cause?: unknown): EngineError {
  return new EngineError({
    code: "PROJECT_LOOKUP_FAILED",
    message: `Cannot look up project "${project}": ${problem}`,
    hint: "Check its name; of a private project give the ids with --claim, as repository_id=123 or project_id=123",
    ...(cause === undefined ? {} : { cause }),
  });
}

async function readJson({ body }: FetchResponse, project: string): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > ANSWER_MAX_BYTES) throw lookupFailed(project, `the answer is larger than ${ANSWER_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as unknown;
}

async function ask(forge: Forge, project: string, context: EngineContext): Promise<unknown> {
  const base = (context.env[forge.variable] ?? forge.api).replace(/\/+$/, "");
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(LOOKUP_TIMEOUT_MS)]);
  const client = await openFetch(context);
  try {
    const headers = { accept: "application/json", "user-agent": "lading" };
    const init = { method: "GET", headers, signal, redirect: "manual", purpose: "call" } as const;
    const response = await client.fetch(`${base}/${forge.path(project)}`, init);
    if (response.status !== 200) throw lookupFailed(project, `${new URL(base).host} answers ${response.status}`);
    return await readJson(response, project);
  } finally {
    await client.close();
  }
}

async function lookUp(forge: Forge, project: string, context: EngineContext): Promise<Record<string, string>> {
  if (context.offline) throw lookupFailed(project, "offline mode");
  const answer = await ask(forge, project, context).catch((cause: unknown) => {
    context.signal.throwIfAborted();
    if (cause instanceof EngineError) throw cause;
    throw lookupFailed(project, cause instanceof Error ? cause.message : String(cause), cause);
  });
  const found = Object.entries(forge.claims(answer as ApiObject)).map(([name, value]) => {
    if (typeof value !== "number" && typeof value !== "string")
      throw lookupFailed(project, `the answer has no ${name.replaceAll("_", " ")}`);
    return [name, String(value)] as const;
  });
  return Object.fromEntries(found);
}

function forgeOf(input: TrustPublisherInput): { readonly forge: Forge; readonly project: string } | undefined {
  const { github, gitlab, issuer } = input;
  const given = [github, gitlab, issuer === undefined ? undefined : "issuer"].filter((each) => each !== undefined);
  const alone = given.length === 1 || (github === undefined) !== (gitlab === undefined);
  if (!alone)
    throw new EngineError({
      code: "SPEC_INVALID",
      message: `Cannot trust a publisher for "${input.name}": name one project with --github or --gitlab, or an issuer with --issuer`,
    });
  const project = github ?? gitlab;
  if (project === undefined) return undefined;
  if (!PROJECT.test(project))
    throw new EngineError({
      code: "SPEC_INVALID",
      message: `Cannot trust "${project.slice(0, 100)}": it is not of the form owner/repository`,
    });
  return { forge: FORGES[github === undefined ? "gitlab" : "github"], project };
}

/**
 * Lets builds of a project publish a package. The project's ids are looked up, since its name can be given to somebody else.
 * @throws {EngineError} `SPEC_INVALID`, `PROJECT_LOOKUP_FAILED`
 * @throws {RegistryClientError} what the registry refuses
 */
export async function trustPublisher(input: TrustPublisherInput, context: EngineContext): Promise<ApiObject> {
  const named = forgeOf(input);
  const { claims, workflow, environment } = input;
  const wanted = named && Object.keys(named.forge.claims({})).some((name) => claims[name] === undefined);
  const ids = named !== undefined && wanted === true ? await lookUp(named.forge, named.project, context) : {};
  const all = {
    ...ids,
    ...claims,
    ...(workflow === undefined ? {} : { workflow }),
    ...(environment === undefined ? {} : { environment }),
  };
  const issuer = input.issuer ?? named!.forge.issuer;
  return manage("trusted-publisher.add", { name: input.name, issuer, claims: all }, context);
}
