import type { ApiObject, TokenRequest } from "@lading/registry-client";
import type { EngineContext } from "../engine-context.ts";

/**
 * Creates a token of one's own account at the default registry; its secret is in `token` of the answer and nowhere else.
 * @throws {RegistryClientError} what the registry refuses
 */
export async function tokenCreate(request: TokenRequest, context: EngineContext): Promise<ApiObject> {
  const client = (await context.registries()).default;
  return (await client.createToken(request, { signal: context.signal })).raw;
}

/** Tokens of one's own account, without their secrets. */
export async function tokenList(context: EngineContext): Promise<readonly ApiObject[]> {
  const client = (await context.registries()).default;
  return (await client.tokens({ signal: context.signal })).map(({ raw }) => raw);
}

/** Revokes a token by its id: at once there, on the registry's other servers within seconds. */
export async function tokenRevoke({ id }: { readonly id: string }, context: EngineContext): Promise<void> {
  const client = (await context.registries()).default;
  await client.revokeToken(id, { signal: context.signal });
}
