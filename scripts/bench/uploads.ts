import { Agent, request } from "node:http";

/** One request that publishes a version. */
export interface Upload {
  readonly method: "POST" | "PUT";
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The request with which our client publishes a package file. */
export function ladingUpload(
  registry: { readonly url: string; readonly token: string },
  { metadata, file }: { readonly metadata: object; readonly file: Uint8Array },
): Upload {
  const head = `--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n${JSON.stringify(metadata)}\r\n--b\r\nContent-Disposition: form-data; name="package"; filename="p.lpk"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  const body = Buffer.concat([Buffer.from(head), file, Buffer.from("\r\n--b--\r\n")]);
  const headers = { authorization: `Bearer ${registry.token}`, "content-type": "multipart/form-data; boundary=b" };
  return { method: "POST", url: `${registry.url}/api/v1/packages/`, headers, body };
}

async function send({ method, url, headers, body }: Upload, agent: Agent): Promise<void> {
  const status = await new Promise<number>((resolve, reject) => {
    const outgoing = request(url, { method, agent, headers: { ...headers, "content-length": String(body.length) } });
    outgoing.once("error", reject);
    outgoing.once("response", (answer) => {
      answer.resume();
      answer.once("error", reject);
      answer.once("end", () => resolve(answer.statusCode!));
    });
    outgoing.end(body);
  });
  if (status !== 201) throw new Error(`${method} ${url} was answered ${status}`);
}

/** Sends all uploads, each client its own in turn: every `clients`th. Answers publications a second. */
export async function publishAll(uploads: readonly Upload[], clients: number): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: clients });
  const started = performance.now();
  const lanes = Array.from({ length: clients }, (_, lane) => uploads.filter((_, at) => at % clients === lane));
  await Promise.all(
    lanes.map(async (lane) => {
      for (const upload of lane) await send(upload, agent);
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  agent.destroy();
  return uploads.length / seconds;
}
