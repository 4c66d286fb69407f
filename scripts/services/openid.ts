import { createServer } from "node:http";
import { Provider } from "oidc-provider";
import { freePort } from "./processes.ts";

/** Public client of the command line. */
export const CLIENT_ID = "lading";

/** An OpenID provider of its own on the loopback interface, that lets people in under whatever name they give. */
export interface OpenIdServer {
  readonly issuer: string;
  /** Does in a browser what a person does: follows the address, gives the name, agrees. Returns where it ended. */
  logIn(address: string, name: string): Promise<string>;
  stop(): Promise<void>;
}

/** Starts the provider. People are in the groups that their name lists after a plus: `ann+makers`. */
export async function startOpenId(): Promise<OpenIdServer> {
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT_ID,
        application_type: "native",
        token_endpoint_auth_method: "none",
        redirect_uris: ["http://127.0.0.1/callback"],
        grant_types: ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"],
        response_types: ["code"],
      },
    ],
    claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email", "email_verified"] },
    conformIdTokenClaims: false,
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    pkce: { required: () => true },
    findAccount: (_context, id) => {
      const [name = "", ...groups] = id.split("+");
      return {
        accountId: id,
        claims: () => ({
          sub: `person-${name}`,
          preferred_username: name,
          groups,
          email: `${name}@company.test`,
          email_verified: true,
        }),
      };
    },
  });
  const server = createServer(provider.callback());
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  return {
    issuer,
    logIn: (address, name) => new Visitor(name).visit(address),
    stop: () =>
      new Promise<void>((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

const STEPS_MAX = 25;

/** A browser as far as the provider's pages need one: cookies, redirects, forms. */
class Visitor {
  readonly #name: string;
  readonly #cookies = new Map<string, string>();

  constructor(name: string) {
    this.#name = name;
  }

  async visit(address: string): Promise<string> {
    let next: { readonly url: string; readonly form?: URLSearchParams } = { url: address };
    for (let step = 0; step < STEPS_MAX; step += 1) {
      const response = await this.#open(next);
      const to = response.headers.get("location");
      if (to !== null) {
        const url = new URL(to, next.url);
        next = { url: url.href };
        continue;
      }
      const form = this.#filled(await response.text(), next.url);
      if (form === undefined) return next.url;
      next = form;
    }
    throw new Error(`the login did not end; last was ${next.url}`);
  }

  async #open({ url, form }: { readonly url: string; readonly form?: URLSearchParams }): Promise<Response> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const init = form === undefined ? {} : { method: "POST", body: form };
    const response = await fetch(url, { redirect: "manual", headers: cookie === "" ? {} : { cookie }, ...init });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (name !== undefined) this.#cookies.set(name, value!);
    }
    return response;
  }

  /** The first form of a page, as a person fills it in. */
  #filled(page: string, url: string): { readonly url: string; readonly form: URLSearchParams } | undefined {
    const form = /<form[^>]*>[\s\S]*?<\/form>/.exec(page)?.[0];
    if (form === undefined) return undefined;
    const action = /action="([^"]*)"/.exec(form)?.[1] ?? url;
    const fields = new URLSearchParams();
    for (const [input] of form.matchAll(/<input[^>]*>/g)) {
      const name = /name="([^"]*)"/.exec(input)?.[1];
      if (name !== undefined) fields.set(name, /value="([^"]*)"/.exec(input)?.[1] ?? "");
    }
    if (fields.has("login")) fields.set("login", this.#name);
    if (fields.has("password")) fields.set("password", "any");
    return { url: new URL(action, url).href, form: fields };
  }
}
