import type { AwsClient } from "aws4fetch";
import type { Fetch } from "../ports.ts";

/** Who reads a bucket, as the variables of AWS name them. */
export interface BucketCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
  readonly region?: string | undefined;
}

/**
 * Signs requests to a bucket (AWS Signature Version 4).
 * @param base what is signed for: a redirect that leads elsewhere is followed without a signature
 */
export function signedFetch(fetch: Fetch, base: string, credentials: BucketCredentials): Fetch {
  const { accessKeyId, secretAccessKey, sessionToken, region = "us-east-1" } = credentials;
  const token = sessionToken === undefined ? {} : { sessionToken };
  let signer: Promise<AwsClient> | undefined;
  // Most registries are no bucket: who asks none does not load what signs for them.
  const load = async (): Promise<AwsClient> => {
    const aws = await import("aws4fetch");
    return new aws.AwsClient({ accessKeyId, secretAccessKey, ...token, service: "s3", region, retries: 0 });
  };
  return async (url, init) => {
    if (!url.startsWith(base)) return fetch(url, init);
    const client = await (signer ??= load());
    // Of the headers only those that the signature needs: others may change on the way without harm.
    const signed = await client.sign(url, { method: init.method });
    return fetch(url, { ...init, headers: { ...init.headers, ...Object.fromEntries(signed.headers) } });
  };
}
