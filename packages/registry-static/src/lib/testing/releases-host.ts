import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A host with repositories, releases and assets, over HTTP on the loopback interface. */
export interface ReleasesHost {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly token: string;
  /** Names of the assets of a release. */
  assets(tag: string): readonly string[];
  /** Called with each request, before it is answered; what it rejects with ends the connection. */
  onRequest: ((method: string, path: string) => Promise<void> | void) | undefined;
  stop(): Promise<void>;
}

interface Asset {
  readonly id: number;
  name: string;
  readonly bytes: Buffer;
}

interface Release {
  readonly id: number;
  readonly tag: string;
  readonly assets: Asset[];
}

const PER_RELEASE = 1000;

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** GitHub puts a dot for every character that is no letter, digit, `-`, `_` or `.`, and removes dots at the ends. */
function keptName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]+/g, ".").replaceAll(/^\.+|\.+$/g, "");
}

/**
 * A host whose releases behave as GitHub's REST API documents them: creating, listing by pages, uploading, renaming and
 * deleting assets, refusals by status and `errors[].code`, and downloads that redirect to another place.
 */
export async function startReleasesHost(token = "ghs_of_the_test"): Promise<ReleasesHost> {
  const releases: Release[] = [];
  let ids = 0;
  const host = { onRequest: undefined as ReleasesHost["onRequest"], url: "" };
  const json = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
  };
  const refuse = (response: ServerResponse, status: number, message: string, code?: string): void =>
    json(response, status, {
      message,
      ...(code === undefined ? {} : { errors: [{ resource: "ReleaseAsset", code, field: "name" }] }),
      documentation_url: "https://docs.github.com/rest",
    });
  const assetView = ({ id, name, bytes }: Asset, tag: string): object => ({
    id,
    name,
    state: "uploaded",
    size: bytes.length,
    url: `${host.url}/api/v3/repos/org/packages/releases/assets/${id}`,
    browser_download_url: `${host.url}/org/packages/releases/download/${tag}/${name}`,
  });
  const releaseView = ({ id, tag, assets }: Release): object => ({
    id,
    tag_name: tag,
    upload_url: `${host.url}/api/uploads/repos/org/packages/releases/${id}/assets{?name,label}`,
    assets: assets.slice(0, 30).map((asset) => assetView(asset, tag)),
  });
  const find = (id: number): { release: Release; asset: Asset } | undefined => {
    for (const release of releases) {
      const asset = release.assets.find((one) => one.id === id);
      if (asset !== undefined) return { release, asset };
    }
    return undefined;
  };

  const pageOf = (query: URLSearchParams): readonly [number, number] => {
    const size = Math.min(100, Number(query.get("per_page") ?? 30));
    const start = (Number(query.get("page") ?? 1) - 1) * size;
    return [start, start + size];
  };

  const releaseCall = (
    response: ServerResponse,
    { method, path, query }: { readonly method: string; readonly path: string; readonly query: URLSearchParams },
    body: Buffer,
  ): boolean => {
    if (method === "GET" && path === "") {
      json(response, 200, releases.slice(...pageOf(query)).map(releaseView));
      return true;
    }
    const tag = /^\/tags\/([^/]+)$/.exec(path)?.[1];
    if (method === "GET" && tag !== undefined) {
      const found = releases.find((one) => one.tag === decodeURIComponent(tag));
      if (found === undefined) refuse(response, 404, "Not Found");
      else json(response, 200, releaseView(found));
      return true;
    }
    if (method !== "POST" || path !== "") return false;
    const { tag_name } = JSON.parse(body.toString("utf8")) as { tag_name: string };
    if (releases.some((one) => one.tag === tag_name)) refuse(response, 422, "Validation Failed", "already_exists");
    else {
      const made = { id: (ids += 1), tag: tag_name, assets: [] };
      releases.push(made);
      json(response, 201, releaseView(made));
    }
    return true;
  };
  const assetCall = (
    response: ServerResponse,
    request: {
      readonly method: string;
      readonly path: string;
      readonly query: URLSearchParams;
      readonly accept: string;
    },
    body: Buffer,
  ): boolean => {
    const owner = /^\/(\d+)\/assets$/.exec(request.path)?.[1];
    if (owner !== undefined) {
      const release = releases.find(({ id }) => id === Number(owner))!;
      const listed = release.assets.slice(...pageOf(request.query));
      json(
        response,
        200,
        listed.map((one) => assetView(one, release.tag)),
      );
      return true;
    }
    const id = /^\/assets\/(\d+)$/.exec(request.path)?.[1];
    if (id === undefined) return false;
    const found = find(Number(id));
    if (found === undefined) refuse(response, 404, "Not Found");
    else if (request.method === "DELETE") {
      found.release.assets.splice(found.release.assets.indexOf(found.asset), 1);
      response.writeHead(204).end();
    } else if (request.method === "PATCH") {
      const { name } = JSON.parse(body.toString("utf8")) as { name: string };
      if (found.release.assets.some((one) => one.name === name))
        refuse(response, 422, "Validation Failed", "already_exists");
      else {
        found.asset.name = keptName(name);
        json(response, 200, assetView(found.asset, found.release.tag));
      }
    } else if (request.accept === "application/octet-stream") {
      response.writeHead(302, { location: `${host.url}/objects/${found.asset.id}` }).end();
    } else json(response, 200, assetView(found.asset, found.release.tag));
    return true;
  };
  const upload = (response: ServerResponse, id: number, name: string, bytes: Buffer): void => {
    const release = releases.find((one) => one.id === id);
    if (release === undefined) refuse(response, 404, "Not Found");
    else if (release.assets.length >= PER_RELEASE) refuse(response, 422, "Validation Failed", "custom");
    else if (release.assets.some((one) => one.name === keptName(name)))
      refuse(response, 422, "Validation Failed", "already_exists");
    else {
      const asset = { id: (ids += 1), name: keptName(name), bytes };
      release.assets.push(asset);
      json(response, 201, assetView(asset, release.tag));
    }
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url!, host.url);
    const method = request.method!;
    await host.onRequest?.(method, pathname);
    const body = await bodyOf(request);
    const download = /^\/org\/packages\/releases\/download\/([^/]+)\/([^/]+)$/.exec(pathname);
    if (download !== null) {
      const asset = releases.find(({ tag }) => tag === download[1])?.assets.find(({ name }) => name === download[2]);
      if (asset === undefined) response.writeHead(404).end("Not Found");
      else response.writeHead(302, { location: `${host.url}/objects/${asset.id}` }).end();
      return;
    }
    const object = /^\/objects\/(\d+)$/.exec(pathname);
    if (object !== null) {
      const found = find(Number(object[1]));
      response.writeHead(found === undefined ? 404 : 200).end(found?.asset.bytes);
      return;
    }
    if (request.headers.authorization !== `Bearer ${token}`) return refuse(response, 401, "Bad credentials");
    const sent = /^\/api\/uploads\/repos\/org\/packages\/releases\/(\d+)\/assets$/.exec(pathname)?.[1];
    if (sent !== undefined && method === "POST")
      return upload(response, Number(sent), searchParams.get("name") ?? "", body);
    const path = /^\/api\/v3\/repos\/org\/packages\/releases(\/.*)?$/.exec(pathname);
    const rest = path?.[1] ?? "";
    const call = { method, path: rest, query: searchParams, accept: request.headers.accept ?? "" };
    const known = path !== null && (releaseCall(response, call, body) || assetCall(response, call, body));
    if (!known) refuse(response, 404, "Not Found");
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => request.destroy());
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  host.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(host, {
    token,
    assets: (tag: string) => (releases.find((one) => one.tag === tag)?.assets ?? []).map(({ name }) => name),
    stop: async () => {
      server.closeAllConnections();
      await new Promise((done) => void server.close(done));
    },
  });
}
