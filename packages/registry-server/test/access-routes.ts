/** What is needed of the rights on a package. */
export type Right = "read" | "write" | "admin";

/** What a route about a package needs, and a request that does it; every route of the API with a package's name is here. */
export const PACKAGE_ROUTES: Readonly<
  Record<string, { readonly needs: Right; readonly json?: object; readonly upload?: true }>
> = {
  "GET /api/v1/packages/{name}": { needs: "read" },
  "GET /api/v1/packages/{name}/versions": { needs: "read" },
  "GET /api/v1/packages/{name}/versions/{version}": { needs: "read" },
  "GET /api/v1/packages/{name}/versions/{version}/download": { needs: "read" },
  "GET /api/v1/packages/{name}/versions/{version}/readme": { needs: "read" },
  "GET /api/v1/packages/{name}/versions/{version}/proof": { needs: "read" },
  "GET /api/v1/packages/{name}/readme": { needs: "read" },
  "GET /api/v1/packages/{name}/owners": { needs: "read" },
  "GET /api/v1/packages/{name}/policy": { needs: "read" },
  "GET /api/v1/packages/{name}/channels": { needs: "read" },
  "PUT /api/v1/packages/{name}/channels/{channel}": { needs: "write", json: { version: "1.0.0" } },
  "DELETE /api/v1/packages/{name}/channels/{channel}": { needs: "write" },
  "POST /api/v1/packages/{name}/versions": { needs: "write", upload: true },
  "POST /api/v1/packages/{name}/versions/{version}/yank": { needs: "admin", json: { reason: "broken" } },
  "DELETE /api/v1/packages/{name}/versions/{version}/yank": { needs: "admin" },
  "POST /api/v1/packages/{name}/versions/{version}/deprecate": { needs: "admin", json: { reason: "old" } },
  "DELETE /api/v1/packages/{name}/versions/{version}/deprecate": { needs: "admin" },
  "PUT /api/v1/packages/{name}/owners/{user}": { needs: "admin" },
  "DELETE /api/v1/packages/{name}/owners/{user}": { needs: "admin" },
  "PUT /api/v1/packages/{name}/policy": { needs: "admin", json: { threshold: 1 } },
  "DELETE /api/v1/packages/{name}/policy": { needs: "admin" },
  "GET /api/v1/packages/{name}/trusted-publishers": { needs: "admin" },
  "POST /api/v1/packages/{name}/trusted-publishers": {
    needs: "admin",
    json: { issuer: "https://ci.example.com", claims: { sub: "x" } },
  },
  "DELETE /api/v1/packages/{name}/trusted-publishers/{id}": { needs: "admin" },
  "GET /api/v1/packages/{name}/usage": { needs: "admin" },
  "GET /api/v1/packages/{name}/webhooks": { needs: "admin" },
  "POST /api/v1/packages/{name}/webhooks": { needs: "admin", json: { url: "https://192.0.2.1/" } },
  "PUT /api/v1/packages/{name}/webhooks/{id}": { needs: "admin", json: { enabled: true } },
  "DELETE /api/v1/packages/{name}/webhooks/{id}": { needs: "admin" },
  "POST /api/v1/packages/{name}/webhooks/{id}/secret": { needs: "admin" },
  "POST /api/v1/packages/{name}/webhooks/{id}/test": { needs: "admin" },
  "GET /api/v1/packages/{name}/webhooks/{id}/deliveries": { needs: "admin" },
  "POST /api/v1/packages/{name}/webhooks/{id}/deliveries/{delivery}/redeliver": { needs: "admin" },
};
