import { createHash } from "node:crypto";

/** A registry that is files in a place with ways of its own, by the prefix of its address. */
export type StaticAddress =
  | {
      /** `git+https://host/registry.git`: the default branch of a repository. */
      readonly kind: "git";
      /** As git takes it. */
      readonly url: string;
    }
  | {
      /** `s3+https://endpoint/bucket/prefix/`: a bucket, by signed requests where there are credentials. */
      readonly kind: "s3";
      readonly endpoint: string;
      readonly bucket: string;
      /** Empty, or ending in `/`. */
      readonly prefix: string;
      /** Where its files are. */
      readonly url: string;
    }
  | {
      /** `releases+https://github.com/owner/repository`: assets of releases. */
      readonly kind: "releases";
      readonly owner: string;
      readonly repository: string;
      /** Of the REST API, without `/` at its end. */
      readonly api: string;
      /** Where assets are, below their tag. */
      readonly url: string;
    };

const SCHEMES = /^(git|s3|releases)\+(https|http|ssh|file):\/\/[^?#]*$/;

/** What an address with a prefix means; `undefined` for one without, and for one that is not whole. */
export function parseStaticAddress(address: string): StaticAddress | undefined {
  const [, kind, scheme] = SCHEMES.exec(address) ?? [];
  if (kind === undefined || (kind !== "git" && !["https", "http"].includes(scheme!))) return undefined;
  const plain = address.slice(kind.length + 1).replace(/\/+$/, "");
  const url = URL.parse(plain);
  if (url === null || url.username !== "" || url.password !== "") {
    // Git over SSH has the account in its address; there is no secret in that.
    const account = kind === "git" && scheme === "ssh" && url?.password === "";
    return account ? { kind: "git", url: plain } : undefined;
  }
  // Without a name in it, the plain `http:` of git would be anybody's; git itself is not asked for it.
  if (kind === "git") return scheme === "http" ? undefined : { kind, url: plain };
  const [first, second, ...rest] = url.pathname.split("/").filter((part) => part !== "");
  if (first === undefined) return undefined;
  if (kind === "s3") {
    const prefix = [second, ...rest].flatMap((part) => (part === undefined ? [] : [`${part}/`])).join("");
    return { kind, endpoint: url.origin, bucket: first, prefix, url: `${url.origin}/${first}/${prefix}` };
  }
  if (second === undefined || rest.length > 0) return undefined;
  const api = url.host === "github.com" ? "https://api.github.com" : `${url.origin}/api/v3`;
  const downloads = `${url.origin}/${first}/${second}/releases/download/`;
  return { kind: "releases", owner: first, repository: second, api, url: downloads };
}

const FLAT: Readonly<Record<string, string>> = { "/": "_s", _: "_u", "@": "_a" };

/**
 * The asset that a file of a registry is in releases. A release has at most 1,000 assets, so that files other than those
 * that every client reads are spread over 256 releases by their paths; names of assets know letters, digits, `.`, `_` and `-`.
 */
export function releaseAssetOf(path: string): { readonly tag: string; readonly name: string } {
  const name = path.replaceAll(/[/_@]/g, (character) => FLAT[character]!).replace(/^\./, "_d");
  const central = /^(?:\.well-known\/|metadata\/|log\/checkpoint$|lease\.json$)/.test(path);
  const shard = createHash("sha256").update(path).digest("hex").slice(0, 2);
  return { tag: central ? "lading" : `lading-${shard}`, name };
}

/** The path of the file that an asset is; the reverse of {@link releaseAssetOf}. */
export function pathOfReleaseAsset(name: string): string {
  const whole = name.replace(/^_d/, ".");
  return whole.replaceAll(/_([sua])/g, (_, letter: string) => ({ s: "/", u: "_", a: "@" })[letter]!);
}
