/**
 * A server process on the loopback interface that counts what it is asked for.
 *
 *     node counting-server.ts DIRECTORY     serves files, read into memory first
 *     node counting-server.ts URL           passes everything on
 *
 * It prints its port. `GET /-/count` answers the requests since the last such question.
 */
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

type Answer = (asked: IncomingMessage, response: ServerResponse) => void;

function files(directory: string): Answer {
  const known = new Map<string, Buffer>();
  for (const entry of readdirSync(directory, { recursive: true, encoding: "utf8" })) {
    const file = join(directory, entry);
    if (statSync(file).isFile()) known.set(`/${entry}`, readFileSync(file));
  }
  return ({ url = "/" }, response) => {
    const body = known.get(decodeURIComponent(url));
    response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" });
    response.end(body);
  };
}

function forward(target: string): Answer {
  const { hostname, port } = new URL(target);
  return (asked, response) => {
    const onward = request(
      { hostname, port, path: asked.url, method: asked.method, headers: asked.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    onward.once("error", () => response.destroy());
    asked.pipe(onward);
  };
}

const [what = ""] = process.argv.slice(2);
const answer = what.startsWith("http:") ? forward(what) : files(what);
let count = 0;
const server = createServer((asked, response) => {
  if (asked.url === "/-/count") {
    response.end(String(count));
    count = 0;
    return;
  }
  count++;
  answer(asked, response);
});
server.listen(0, "127.0.0.1", () => console.log((server.address() as { port: number }).port));
